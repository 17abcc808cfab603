"""Forms of the studio."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator

from avatars.gestures import own_choices, recordable_choices
from avatars.models import Avatar, Build, GestureTrigger, Link, Pair
from avatars.uploads import VIDEO_TYPES, check_document, check_picture, check_source
from avatars.voices import voice_choices

CONSENT_TEXT: Final = (
    "I may use this picture or video: it shows me, or the person shown agreed to become a talking avatar, "
    "or it shows nobody real and I hold the rights to it."
)
LICENCES: Final = [
    ("own", "My own work"),
    ("permission", "Used with permission"),
    ("public-domain", "Public domain or CC0"),
    ("other", "Another licence"),
]
POINT_NAMES: Final = ("left_eye", "right_eye", "mouth_left", "mouth_right", "mouth_middle", "chin")
LARGEST_COORDINATE_PX: Final = 20_000
LONGEST_PHRASE: Final = 60
LONGEST_DOCUMENT_NAME: Final = 100


class SourceForm(forms.Form):
    """A picture or a video to build from, with the consent that goes with it."""

    source = forms.FileField(
        label="Picture or video",
        allow_empty_file=True,
        widget=forms.FileInput(
            attrs={"accept": "image/jpeg,image/png,image/webp,video/mp4,video/quicktime,video/webm"}
        ),
        error_messages={"required": "Choose a picture or a video."},
    )
    smile = forms.FileField(
        label="A second picture, for the teeth",
        required=False,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
        help_text="Are the lips closed in the first? Add one of the same person, smiling from the front, and its teeth "
        "are shown in speech; without it teeth are drawn. JPEG, PNG or WebP up to 10 MB.",
    )
    kind = forms.ChoiceField(label="What it shows", required=False, choices=[("", "Find out"), *Avatar.Kind.choices])
    size = forms.ChoiceField(
        label="Size", required=False, choices=Build.Size.choices, initial=Build.Size.SQUARE, widget=forms.RadioSelect
    )
    shot = forms.ChoiceField(label="Cropped to", required=False, choices=Build.Shot.choices, initial=Build.Shot.FACE)
    licence = forms.ChoiceField(label="Rights", choices=LICENCES)
    consent = forms.BooleanField(
        label=CONSENT_TEXT, error_messages={"required": "Tick the box: without this consent no avatar is built."}
    )

    def clean_source(self) -> Any:
        """Look at the first bytes, and name the file after what they say."""
        upload = self.cleaned_data["source"]
        upload.name = f"source.{check_source(upload)}"
        return upload

    def clean_smile(self) -> Any:
        """Look at the first bytes, and name the file after what they say."""
        upload = self.cleaned_data["smile"]
        if upload is not None:
            upload.name = f"smile.{check_picture(upload)}"
        return upload

    def clean(self) -> dict[str, Any]:
        """A video shows its own teeth."""
        given = self.cleaned_data
        source = given.get("source")
        if given.get("smile") is not None and source is not None and source.name.rpartition(".")[2] in VIDEO_TYPES:
            self.add_error("smile", "The teeth of a person in a video are taken from the video. Leave this one out.")
        return given

    def clean_size(self) -> str:
        """Take the usual size where none was asked for."""
        return self.cleaned_data["size"] or str(Build.Size.SQUARE)

    def clean_shot(self) -> str:
        """Show head and shoulders where nothing else was asked for."""
        return self.cleaned_data["shot"] or str(Build.Shot.FACE)


class NewAvatarForm(SourceForm):
    """Everything a new avatar starts with."""

    name = forms.CharField(max_length=60, error_messages={"required": "Give your avatar a name."})

    field_order = ["name", "source", "smile", "kind", "shot", "size", "licence", "consent"]


class AvatarForm(forms.ModelForm):  # type: ignore[type-arg]
    """What a creator may change at any time."""

    voice = forms.ChoiceField(widget=forms.RadioSelect)

    class Meta:
        model = Avatar
        fields = [
            *("name", "tagline", "persona", "greeting", "voice", "mood", "idle_gestures"),
            *("patience", "longest_turn_s", "visibility"),
            *Avatar.TOOLS.values(),
            "remembers",
        ]
        labels = {
            "idle_gestures": "Small gestures now and then while nobody speaks",
            "longest_turn_s": "Longest turn, in seconds",
            "can_tell_time": "Tell the time and the date, where the visitor is",
            "can_calculate": "Work out sums",
            "can_gesture": "Move its face when it is asked to",
            "can_show_links": "Show links, from the list below",
            "can_hang_up": "End the call when the visitor wants to go",
            "remembers": "Remember visitors who allow it, from one conversation to the next",
        }
        widgets = {"persona": forms.Textarea(attrs={"rows": 6})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["voice"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = voice_choices()


class PairForm(forms.ModelForm):  # type: ignore[type-arg]
    """One answer that is given word for word."""

    class Meta:
        model = Pair
        fields = ["questions", "answer"]
        widgets = {"questions": forms.Textarea(attrs={"rows": 2}), "answer": forms.Textarea(attrs={"rows": 2})}


PairFormSet = forms.inlineformset_factory(
    Avatar, Pair, form=PairForm, extra=0, can_delete=True, max_num=Pair.LIMIT, validate_max=True
)


class GestureTriggerForm(forms.ModelForm):  # type: ignore[type-arg]
    """Words that set off one gesture."""

    gesture = forms.ChoiceField(error_messages={"required": "Choose a gesture."})

    class Meta:
        model = GestureTrigger
        fields = ["words", "said_by", "gesture", "stop_on_user_speech", "stop_on_agent_speech"]
        labels = {
            "stop_on_user_speech": "Stop while the visitor speaks",
            "stop_on_agent_speech": "Stop while the avatar speaks",
        }
        widgets = {"words": forms.Textarea(attrs={"rows": 2})}
        error_messages = {
            "words": {"required": "Write at least one word that sets the gesture off."},
        }

    def __init__(self, *args: Any, own: Sequence[tuple[str, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["gesture"]
        assert isinstance(field, forms.ChoiceField)
        # One that was removed since stays to be seen until another is chosen.
        gone = self.instance.gesture
        known = dict(own)
        lost = [(gone, f"{gone} (removed)")] if gone and gone not in known else []
        field.choices = [("", "---------"), *own, *lost]

    def clean_words(self) -> str:
        """Return the phrases, one a line, each once.

        Raises `ValidationError` with a sentence for one that nobody could say.
        """
        phrases = [" ".join(line.split()) for line in self.cleaned_data["words"].splitlines() if line.strip()]
        for phrase in phrases:
            if not any(letter.isalnum() for letter in phrase):
                raise ValidationError(
                    f"Nobody says “{phrase[:LONGEST_PHRASE]}”. Write words, one or a phrase on each line."
                )
            if len(phrase) > LONGEST_PHRASE:
                raise ValidationError(
                    f"“{phrase[:20]}…” is too long to be waited for: {LONGEST_PHRASE} letters at most."
                )
        return "\n".join(dict.fromkeys(phrases))

    def clean(self) -> dict[str, Any]:
        """Refuse what could never be seen."""
        given: dict[str, Any] = super().clean() or self.cleaned_data
        if given.get("stop_on_agent_speech") and given.get("said_by") == GestureTrigger.Speaker.AVATAR:
            self.add_error(
                "stop_on_agent_speech",
                "The avatar's own words set this gesture off, so it would stop at once. Let it go on while the avatar speaks.",
            )
        return given


class GestureTriggerRows(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """The triggers of one avatar, which may have gestures of its own."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """Tell each row which gestures there are."""
        return {**super().get_form_kwargs(index), "own": own_choices(self.instance)}


GestureTriggerFormSet = forms.inlineformset_factory(
    Avatar,
    GestureTrigger,
    form=GestureTriggerForm,
    formset=GestureTriggerRows,
    extra=0,
    can_delete=True,
    max_num=GestureTrigger.LIMIT,
    validate_max=True,
)


class LinkForm(forms.ModelForm):  # type: ignore[type-arg]
    """A page that may be shown."""

    class Meta:
        model = Link
        fields = ["title", "url"]
        labels = {"url": "Address"}
        error_messages = {
            "title": {"required": "Give the link a title, as it would be spoken."},
            "url": {"required": "Write the address of the page."},
        }

    def clean_title(self) -> str:
        """One line."""
        return " ".join(self.cleaned_data["title"].split())

    def clean_url(self) -> str:
        """Return the address. Raises `ValidationError` with a sentence for what is no https address of a page."""
        url = str(self.cleaned_data["url"]).strip()
        if wrong := wrong_with_page(url):
            raise ValidationError(wrong)
        return url


def wrong_with_page(url: str) -> str:
    """Return what is wrong with the address of a page in a sentence, "" where nothing is."""
    if not url.startswith("https://"):
        return "The address has to begin with https://."
    try:
        URLValidator(schemes=["https"])(url)
        parts, _ = urlsplit(url), urlsplit(url).port
    except (ValidationError, ValueError):
        return "This is no address of a page."
    return "Leave names and passwords out of the address." if parts.username or parts.password else ""


class LinkRows(forms.BaseInlineFormSet):  # type: ignore[type-arg]
    """All links of an avatar."""

    def clean(self) -> None:
        """Refuse two of one title: nobody could tell which is meant."""
        super().clean()
        titles = [
            form.cleaned_data["title"].casefold()
            for form in self.forms
            if form.cleaned_data.get("title") and not form.cleaned_data.get("DELETE")
        ]
        if len(titles) != len(set(titles)):
            raise ValidationError("Two links have the same title. Give each one of its own.")


LinkFormSet = forms.inlineformset_factory(
    Avatar,
    Link,
    form=LinkForm,
    formset=LinkRows,
    extra=0,
    can_delete=True,
    max_num=Link.LIMIT,
    validate_max=True,
)


GESTURE_CONSENT_TEXT: Final = (
    "I may use this clip: it shows the person in the avatar's video, who agreed to it becoming a gesture of the avatar."
)


class GestureClipForm(forms.Form):
    """A clip that becomes a gesture, what it is called, and the consent that goes with it."""

    clip = forms.FileField(
        label="Clip",
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": "video/mp4,video/quicktime,video/webm"}),
        error_messages={"required": "Choose a clip."},
        help_text="MP4, MOV or WebM of 1 to 10 seconds: same person, same place, same distance as in the avatar's video. "
        "Begin and end with the hands down, looking at the camera.",
    )
    gesture = forms.ChoiceField(label="Gesture", required=False, initial="mini_wave_hello")
    title = forms.CharField(
        label="Name of your own", required=False, max_length=30, help_text="For another gesture than those in the list."
    )
    consent = forms.BooleanField(
        label=GESTURE_CONSENT_TEXT,
        error_messages={"required": "Tick the box: without this consent no gesture is made."},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["gesture"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [*recordable_choices(), ("", "Another one")]

    def clean_clip(self) -> Any:
        """Look at the first bytes, and name the file after what they say."""
        upload = self.cleaned_data["clip"]
        kind = check_source(upload)
        if kind not in VIDEO_TYPES:
            raise ValidationError("This is a picture. A gesture needs a clip: MP4, MOV or WebM.", "not_a_video")
        upload.name = f"clip.{kind}"
        return upload

    def clean(self) -> dict[str, Any]:
        """Find the name on the wire and the label for people."""
        given = self.cleaned_data
        gesture, title = given.get("gesture", ""), " ".join(given.get("title", "").split())
        if gesture:
            given["name"], given["label"] = gesture, title or dict(recordable_choices())[gesture]
        elif "gesture" in given:
            name = re.sub(r"[^a-z]+", "_", title.lower()).strip("_")
            if not name:
                self.add_error("title", "Give the gesture a name of letters, such as Salute.")
            given["name"], given["label"] = name[:30].strip("_"), title
        return given


VOICE_CONSENT_TEXT: Final = (
    "It is my own voice, or the person named here allowed me to keep a sample of theirs. "
    "I can withdraw this at any time, and the sample is deleted."
)


class VoiceSampleForm(forms.Form):
    """Whose voice is in the video, and the consent to keep a sample of it."""

    speaker = forms.CharField(
        label="Who is speaking", max_length=60, error_messages={"required": "Say whose voice it is."}
    )
    consent = forms.BooleanField(
        label=VOICE_CONSENT_TEXT,
        error_messages={"required": "Tick the box: without this consent no voice is kept."},
    )


class DocumentForm(forms.Form):
    """A file to know from."""

    file = forms.FileField(
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".txt,.md,.markdown,.pdf,text/plain,text/markdown,application/pdf"}),
        error_messages={"required": "Choose a file."},
    )

    def clean_file(self) -> Any:
        """Look at the first bytes; what the file is called is kept to show, and never used as a path."""
        upload = self.cleaned_data["file"]
        self.cleaned_data["name"] = _shown_name(upload.name or "")
        upload.name = f"document.{check_document(upload)}"
        return upload


def _shown_name(name: str) -> str:
    """A file's name as it is shown and cited: one line, and its ending kept where it is too long."""
    name = " ".join("".join(letter for letter in name if letter.isprintable()).split()) or "document"
    return name if len(name) <= LONGEST_DOCUMENT_NAME else f"{name[: LONGEST_DOCUMENT_NAME - 12]}…{name[-11:]}"


class PointsForm(forms.Form):
    """The six points of a face placed by hand, as JSON, in pixels of the picture, and what sort of face it is."""

    points = forms.CharField()
    kind = forms.ChoiceField(required=False, choices=[("", "As before"), *Avatar.Kind.choices])
    still_eyes = forms.BooleanField(required=False)

    def clean_points(self) -> dict[str, list[float]]:
        """Read the points.

        Raises `ValidationError` with a sentence when one is missing or is no pair of numbers.
        """
        try:
            given = json.loads(self.cleaned_data["points"])
        except (ValueError, RecursionError) as error:
            raise ValidationError("The points could not be read. Place them again.") from error
        return read_points(given)

    def marked(self) -> dict[str, Any]:
        """Return the valid form as a build keeps it: the six points, and `still_eyes` where the eyes are to keep still."""
        still = {"still_eyes": True} if self.cleaned_data["still_eyes"] else {}
        return {**self.cleaned_data["points"], **still}


def read_points(given: Any) -> dict[str, list[float]]:
    """Return six points from JSON values.

    Raises `ValidationError` with a sentence when one is missing or is no pair of numbers.
    """
    if not isinstance(given, dict):
        raise ValidationError("The points could not be read. Place them again.")
    points: dict[str, list[float]] = {}
    for name in POINT_NAMES:
        point = given.get(name)
        words = name.replace("_", " ")
        if not isinstance(point, list) or len(point) != 2:
            raise ValidationError(f"The point for the {words} is missing.")
        if not all(_is_coordinate(value) for value in point):
            raise ValidationError(f"The point for the {words} lies outside the picture.")
        points[name] = [float(value) for value in point]
    if math.dist(points["left_eye"], points["right_eye"]) < 4:
        raise ValidationError("The eyes lie on each other. Place one point on each eye.")
    return points


def _is_coordinate(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and 0 <= value <= LARGEST_COORDINATE_PX
