"""What the avatar says, and what the page shows, when something fails."""

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Failure:
    """One kind of failure. spoken: said aloud; written: shown where the provider said nothing better."""

    code: str
    spoken: str
    written: str

    def notice(self, message: str = "") -> dict[str, Any]:
        """The event for the browser."""
        return {"type": "notice", "code": self.code, "message": message or self.written}


HEARING: Final = Failure(
    "hearing_failed",
    "Sorry, I could not make out what you said. Could you say it again?",
    "What you said could not be transcribed. Say it again, or type it.",
)
MICROPHONE: Final = Failure(
    "microphone_failed", "", "Your microphone cannot be listened to at the moment. You can type instead."
)
THINKING: Final = Failure(
    "thinking_failed",
    "I'm sorry, I cannot think of an answer right now. Please try again in a moment.",
    "The language model did not answer. Try again in a moment.",
)
THOUGHT_LOST: Final = Failure(
    "thought_lost", "Sorry, I lost my thread there.", "The language model stopped in the middle of its answer."
)
LINE_LOST: Final = Failure(
    "stand_in",
    "Sorry, I lost my thread there. Could you say that again?",
    "The speech-to-speech model chosen for this avatar fails, so its usual ears, mind and voice take over.",
)
STAND_IN: Final = Failure(
    "stand_in", "", "The language model chosen for this avatar did not answer, so another one answers for it."
)
STAND_IN_DEMO: Final = Failure(
    "stand_in",
    "",
    "The language model chosen for this avatar did not answer. For now the small demo brain answers, which often talks"
    " nonsense.",
)
NO_ANSWER: Final = Failure(
    "no_answer", "I'm sorry, I have no answer to that.", "The language model gave an empty answer."
)
VOICE: Final = Failure("voice_failed", "", "The voice failed, so another one speaks.")
VOICELESS: Final = Failure("voice_failed", "", "The voice failed. The answer can only be read.")
TOO_LONG: Final = Failure("text_too_long", "", "This message is too long to be answered. Send a shorter one.")
INTERNAL: Final = Failure(
    "internal",
    "Sorry, something went wrong. Please try again.",
    "Something went wrong with this answer. Please try again.",
)
