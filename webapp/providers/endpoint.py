"""Where a provider is reached, and with what."""

from dataclasses import dataclass, field
from typing import Any, Final

OPERATOR: Final = "Whoever runs this site should check"
OWNER: Final = "The avatar's owner should check"
TESTER: Final = "Check"
# Which part of a choice each kind of provider is.
PARTS: Final = {"stt": "hearing", "llm": "thinking", "tts": "speaking", "realtime": "conversing"}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible address and what it is asked for.

    url: ends in /v1. voice: "" takes the avatar's own voice as the name. rate_hz: of the sound that a voice sends.
    language: of speech that is heard. public_only: a creator named it, so it must not lead into this network.
    who: should look at what when it fails, as in "Whoever runs this site should check"; `address` is what the address
    is called there.
    """

    url: str
    model: str
    key: str = field(default="", repr=False)
    voice: str = ""
    rate_hz: int = 24_000
    language: str = "en"
    public_only: bool = False
    who: str = OPERATOR
    address: str = "its address"


@dataclass(frozen=True, slots=True)
class Choice:
    """What an installation, or an avatar, uses in place of what comes with Parlo; None is no choice.

    conversing: speech to speech, in place of the other three. whisper: a model for hearing on this machine, by its name;
    language: what it hears. brain: a language model that was downloaded, by its name; own_gguf: LLM_GGUF_PATH names one.
    """

    hearing: Endpoint | None = None
    thinking: Endpoint | None = None
    speaking: Endpoint | None = None
    conversing: Endpoint | None = None
    whisper: str = ""
    language: str = "en"
    brain: str = ""
    own_gguf: bool = False

    @property
    def demo_brain(self) -> bool:
        """Whether the tiny model thinks that comes with Parlo."""
        return not (self.thinking or self.conversing or self.brain or self.own_gguf)

    @property
    def thinks(self) -> bool:
        """Whether it names somebody who thinks."""
        return self.thinking is not None or self.conversing is not None


def by_settings(settings: Any) -> Choice:
    """Return what the environment says."""
    parts: dict[str, Any] = {}
    for kind, part in PARTS.items():
        name = kind.upper()
        if url := getattr(settings, f"{name}_URL", ""):
            parts[part] = Endpoint(
                url,
                getattr(settings, f"{name}_MODEL"),
                getattr(settings, f"{name}_API_KEY"),
                voice=getattr(settings, f"{name}_VOICE", ""),
                rate_hz=getattr(settings, f"{name}_RATE_HZ", 24_000),
                language=getattr(settings, f"{name}_LANGUAGE", "") or "en",
                address=f"{name}_URL",
            )
    return Choice(
        **parts,
        whisper=getattr(settings, "WHISPER_MODEL", ""),
        language=getattr(settings, "STT_LANGUAGE", "") or "en",
        own_gguf=bool(getattr(settings, "LLM_GGUF_PATH", "")),
    )
