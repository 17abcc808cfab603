"""Sketches of marked faces, and the mesh that pages draw over them."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from avatars.build import BuildRefused, FacePoints, sketch_face
from avatars.build.decode import decode
from avatars.build.template_file import FILE, content
from avatars.engine.portrait import Kind
from tests.material import RACCOON, RACCOON_POINTS


@pytest.mark.parametrize("kind", Kind)
def test_a_marked_face_is_sketched_open_and_closed(kind: Kind) -> None:
    points = FacePoints.from_json(json.loads(RACCOON_POINTS.read_text()))
    drawn = sketch_face(decode(RACCOON), points, kind)
    opened, closed = (
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) for data in (drawn.sound_a, drawn.sound_m)
    )
    assert opened is not None
    assert closed is not None
    assert opened.shape == closed.shape == (320, 320, 3)
    moved = np.abs(opened.astype(int) - closed).max(axis=2) > 30
    assert 200 < moved.sum() < 0.2 * moved.size
    assert len(drawn.sound_a) + len(drawn.sound_m) < 120_000


def test_points_that_are_no_face_are_refused() -> None:
    points = FacePoints.from_json(json.loads(RACCOON_POINTS.read_text()))
    with pytest.raises(BuildRefused, match="chin below the mouth"):
        sketch_face(decode(RACCOON), replace(points, chin=(618, 490)), Kind.ANIMAL)


def test_the_pages_draw_the_mesh_the_builder_fits() -> None:
    """`python -m avatars.build.template_file` writes the file anew."""
    assert FILE.read_text(encoding="utf-8") == content()
