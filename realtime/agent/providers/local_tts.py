"""The voice that comes with Parlo, beside the event loop."""

from collections.abc import AsyncGenerator

from avatars.engine.speech import DEFAULT_STYLE, VOICE_STYLES, LocalVoice, Speech, UnspeakableText
from realtime.agent.protocols import ProviderError
from realtime.agent.providers.worker import Worker


class LocalTextToSpeech:
    """Speaks with exact phone times: 45 ms of work a sentence."""

    def __init__(self) -> None:
        self._worker = Worker("speaking")

    def load(self) -> None:
        """Load the voice now and not at the first word."""
        LocalVoice.shared()

    async def speak(self, text: str, voice: str) -> AsyncGenerator[Speech, None]:
        """One piece of speech; none where the text holds nothing to say. Unknown voices speak in the default style."""
        style = voice if voice in VOICE_STYLES else DEFAULT_STYLE
        try:
            speech = await self._worker.run(lambda: LocalVoice.shared().say(text, style))
        except UnspeakableText:
            return
        except Exception as error:
            raise ProviderError("The local voice failed.") from error
        yield speech
