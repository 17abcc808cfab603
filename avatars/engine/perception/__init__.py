"""Perception: what can be measured in a picture. The only place where pictures meet ONNX networks."""

from avatars.engine.perception.face import Face, eye_distance_px, lip_opening_iod
from avatars.engine.perception.perception import Perception
from avatars.engine.perception.pose import Pose, canonical_mesh, canonical_triangles

__all__ = ["Face", "Perception", "Pose", "canonical_mesh", "canonical_triangles", "eye_distance_px", "lip_opening_iod"]
