"""The template mesh as the studio's page draws it: `python -m avatars.build.template_file` writes it anew.

The page bends it to the six points by itself, as `fitted_mesh` does here, so that it follows a finger without asking.
"""

import json
from pathlib import Path
from typing import Final

import numpy as np

from avatars.build.points import template
from avatars.engine.face.eyes import LEFT_EYE, RIGHT_EYE
from avatars.engine.face.frame import FACE_OVAL, INNER_LOWER, INNER_UPPER, OUTER_LOWER, OUTER_UPPER
from avatars.engine.perception import canonical_triangles

FILE: Final = Path(__file__).parents[2] / "static" / "js" / "studio" / "mesh.json"
UNITS_PER_CM: Final = 100
CONTOURS: Final = (
    (*FACE_OVAL, FACE_OVAL[0]),
    *((*eye.upper, *eye.lower[::-1]) for eye in (LEFT_EYE, RIGHT_EYE)),
    INNER_UPPER,
    INNER_LOWER,
    OUTER_UPPER,
    OUTER_LOWER,
)
"""What of the mesh is drawn stronger: the face, the eyes, the lips; landmark ids."""


def content() -> str:
    """Return the template as JSON: points x, y in hundredths of a centimetre, edges and contours as landmark ids."""
    triangles = canonical_triangles()
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.unique(np.sort(pairs, axis=1), axis=0)
    points = (template()[:, :2] * UNITS_PER_CM).round().astype(int)
    written = {"points": points.tolist(), "edges": edges.tolist(), "contours": [list(ids) for ids in CONTOURS]}
    return json.dumps(written, separators=(",", ":")) + "\n"


if __name__ == "__main__":
    FILE.write_text(content(), encoding="utf-8")
