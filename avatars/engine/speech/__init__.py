"""Speech: text to sound and phones, phones or sound to a moving mouth."""

from avatars.engine.speech.mouth import mouth_track
from avatars.engine.speech.spoken import SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Phone, Speech
from avatars.engine.speech.voice import DEFAULT_STYLE, VOICE_STYLES, LocalVoice, UnspeakableText

__all__ = [
    "DEFAULT_STYLE",
    "SAMPLES_PER_FRAME",
    "SAMPLE_RATE_HZ",
    "VOICE_STYLES",
    "LocalVoice",
    "Phone",
    "Speech",
    "UnspeakableText",
    "mouth_track",
]
