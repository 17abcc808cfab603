"""What a command is told to say: a text or a sound file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from avatars.engine.speech import DEFAULT_STYLE, VOICE_STYLES, LocalVoice, Speech, UnspeakableText
from avatars.sound import SoundRefused, read_sound


class ScriptRefused(Exception):
    """There is nothing that can be said; the text is a sentence for people."""


def add_script_arguments(parser: CommandParser) -> None:
    """Declare `--text`, `--audio` and `--voice`."""
    parser.add_argument("--text", help="what to say, in English")
    parser.add_argument("--audio", type=Path, help="WAV file to say instead of a text; the mouth follows its sound")
    parser.add_argument("--voice", help=f"for a text: one of {', '.join(VOICE_STYLES)}; {DEFAULT_STYLE} without it")


def read_script(options: dict[str, Any], default_text: str | None = None) -> Speech:
    """The speech that the options ask for. Raises `ScriptRefused`."""
    text, audio, voice = options["text"], options["audio"], options["voice"]
    if text is not None and audio is not None:
        raise ScriptRefused("Give either --text or --audio, not both.")
    if voice is not None and voice not in VOICE_STYLES:
        raise ScriptRefused(f"There is no voice {voice!r}. Choose one of {', '.join(VOICE_STYLES)}.")
    if audio is not None:
        if voice is not None:
            raise ScriptRefused("A sound file brings its own voice. Leave out --voice.")
        try:
            return read_sound(audio)
        except SoundRefused as refusal:
            raise ScriptRefused(str(refusal)) from refusal
    if text is None:
        text = default_text
    if text is None:
        raise ScriptRefused("Give something to say: --text or --audio.")
    try:
        return LocalVoice.shared().say(text, voice or DEFAULT_STYLE)
    except UnspeakableText as refusal:
        raise ScriptRefused(str(refusal)) from refusal
