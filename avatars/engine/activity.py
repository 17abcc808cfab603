"""What an avatar is doing in a conversation; it holds itself accordingly."""

from enum import StrEnum


class Activity(StrEnum):
    """One at a time."""

    IDLE = "idle"
    """Nobody speaks."""
    LISTENING = "listening"
    """Somebody speaks to the avatar."""
    THINKING = "thinking"
    """The avatar owes an answer."""
    SPEAKING = "speaking"
    """The avatar speaks."""
