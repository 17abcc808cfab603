"""What a build tells about itself."""

from dataclasses import asdict, dataclass, field
from typing import Any

from avatars.build.advice import Remark
from avatars.build.refusal import BuildRefused


@dataclass(frozen=True, slots=True)
class BuildReport:
    """The outcome of a build; times are seconds of this process.

    warnings: sentences for the creator about what could be better; remarks: all that is worth telling, with advice.
    measures: points (the six, in the source), pose_deg, iod_px, face_height_px (in the source), sharpness, brightness
        (median), highlights (90th percentile), side_light (the brighter cheek over the other), lids_apart (left and right,
        in widths of an eye), dark_glasses, opening_iod, matte_share, source_scale, outside_share, and from the check stage
        those of `try_mouth` (None where they cannot be measured).
    """

    ok: bool
    cpu_s: float
    wall_s: float
    imx_bytes: int = 0
    faces_found: int = 0
    source_kind: str = ""
    fps: int = 0
    size: tuple[int, int] = (0, 0)
    warnings: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    measures: dict[str, Any] = field(default_factory=dict)
    stage_cpu_s: dict[str, float] = field(default_factory=dict)
    code: str | None = None
    error: str | None = None

    @classmethod
    def of_refusal(cls, refusal: BuildRefused, cpu_s: float, wall_s: float) -> "BuildReport":
        """Return the report of a build that was refused."""
        return cls(ok=False, cpu_s=cpu_s, wall_s=wall_s, code=refusal.code, error=refusal.message)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        content = asdict(self)
        content["size"] = f"{self.size[0]}x{self.size[1]}"
        return content
