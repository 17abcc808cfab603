"""Running the network that an avatar's file may hold for its mouth, and the renderer that paints with it."""

import threading
from typing import Final
from weakref import WeakKeyDictionary

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from avatars.engine.face import Renderer, Rig, renderer_of
from avatars.engine.face.mouthbox import CHANGED, CHANNELS, CONTROL_COUNT, HALF
from avatars.engine.face.painter import MouthPainter, NetworkPainter
from avatars.engine.footage import OwnMouth
from avatars.engine.perception.session import one_thread

INPUTS: Final = {"drawn": [1, CHANNELS, HALF, HALF], "controls": [1, CONTROL_COUNT]}
OUTPUTS: Final = {"change": [1, CHANGED, HALF, HALF]}

Array = NDArray[np.float32]

_painters: WeakKeyDictionary[Rig, MouthPainter | None] = WeakKeyDictionary()
_opening = threading.Lock()


class MouthNetworkDamaged(ValueError):
    """The network in an avatar's file is none that can be run here."""


class MouthNetwork:
    """The network of one mouth, on one thread, without the interpreter's lock. Sessions share it."""

    def __init__(self, network: bytes) -> None:
        """Open it. Raises `MouthNetworkDamaged`."""
        try:
            self._session = onnxruntime.InferenceSession(network, one_thread(), providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors have no class of their own that is public
            raise MouthNetworkDamaged("The network of this avatar's mouth cannot be read. Build it again.") from error
        for found, expected in ((self._session.get_inputs(), INPUTS), (self._session.get_outputs(), OUTPUTS)):
            if {one.name: one.shape for one in found} != expected:
                raise MouthNetworkDamaged("The network of this avatar's mouth is of another kind. Build it again.")

    def __call__(self, drawn: Array, controls: Array) -> Array:
        """See `painter.Network`."""
        (change,) = self._session.run(None, {"drawn": drawn[None], "controls": controls[None]})
        return np.asarray(change[0], np.float32)


def painter_with(rig: Rig, mouth: OwnMouth) -> MouthPainter:
    """A painter for a rig with this network. Raises `MouthNetworkDamaged`."""
    return NetworkPainter(rig, MouthNetwork(mouth.network), mouth.gain)


def painting_renderer(rig: Rig) -> Renderer:
    """A renderer for one session, which paints the person's own mouth where the avatar knows it.

    Raises `MouthNetworkDamaged`.
    """
    with _opening:
        if rig not in _painters:
            footage = rig.portrait.footage
            own = None if footage is None else footage.mouth
            _painters[rig] = None if own is None else painter_with(rig, own)
        return renderer_of(rig, _painters[rig])
