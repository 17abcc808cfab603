"""Speech to mouth, by whichever way the speech allows."""

from avatars.engine.controls import Controls
from avatars.engine.speech.audio_driver import mouth_from_sound
from avatars.engine.speech.coarticulation import mouth_from_phones
from avatars.engine.speech.spoken import Speech


def mouth_track(speech: Speech) -> Controls:
    """The mouth (frames, MOUTH_COUNT) at 25 Hz: by its phones where they are known, else by its sound."""
    if speech.phones is None:
        return mouth_from_sound(speech.samples, speech.before, speech.after)
    return mouth_from_phones(speech.phones, speech.duration_s)
