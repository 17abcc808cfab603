"""Perception: what can be measured in a picture. The only place where pictures meet ONNX networks."""

from avatars.engine.perception.face import Face, eye_distance_px, lip_opening_iod
from avatars.engine.perception.perception import Perception
from avatars.engine.perception.pose import Pose, canonical_mesh

__all__ = ["Face", "Perception", "Pose", "canonical_mesh", "eye_distance_px", "lip_opening_iod"]
