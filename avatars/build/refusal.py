"""Why a source cannot become an avatar."""


class BuildRefused(Exception):
    """A source was refused.

    code: for programs, one of `CODES`. message: one sentence for people, saying what is wrong and what to do.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


CODES = (
    "not_found",
    "empty",
    "not_an_image",
    "not_a_video",
    "damaged",
    "too_large",
    "too_small",
    "too_short",
    "too_long",
    "too_few_frames",
    "needs_points",
    "bad_points",
    "bad_teeth",
    "face_too_small",
    "face_cut_off",
    "profile",
    "no_steady_face",
    "cuts",
    "several_people",
    "mouth_covered",
    "bad_size",
    "not_moving",
    "too_many",
    "bad_name",
    "no_voice",
    "face_left",
    "other_person",
    "framing",
    "does_not_begin_at_rest",
    "does_not_end_at_rest",
    "not_written",
)
