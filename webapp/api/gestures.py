"""The recorded gestures of an avatar, for its owner alone."""

from typing import Any

from django.http import Http404
from django.http.response import HttpResponseBase
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from avatars.files import answer_file
from avatars.forms import GESTURE_CONSENT_TEXT, GestureClipForm
from avatars.gestures import recordable_choices
from avatars.models import Avatar, GestureClip
from avatars.permissions import can_edit
from avatars.recorded.pages import ClipRefused, add_clip
from avatars.recorded.recording import remove


class GestureSerializer(serializers.ModelSerializer[GestureClip]):
    """One recorded gesture and how far it is."""

    word = serializers.CharField(read_only=True, help_text="Written in a text as in `[wave]`.")
    preview_url = serializers.SerializerMethodField()

    class Meta:
        model = GestureClip
        fields = ["name", "label", "word", "state", "progress", "message", "preview_url", "created_at"]

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_preview_url(self, clip: GestureClip) -> str | None:
        """Return the address of a short film of it."""
        if not clip.preview.name:
            return None
        address = reverse("api_gesture_preview", args=[clip.avatar.code, clip.name])
        return str(self.context["request"].build_absolute_uri(address))


class NewGestureSerializer(serializers.Serializer[GestureClip]):
    """What a new gesture is made from, as the schema shows it; `GestureClipForm` is what checks it."""

    clip = serializers.FileField(help_text="An MP4, MOV or WebM video of 1 to 10 seconds of the avatar's person.")
    gesture = serializers.ChoiceField(choices=recordable_choices(), required=False, help_text="Its name on the wire.")
    title = serializers.CharField(max_length=30, required=False, help_text="The name of another gesture, in words.")
    consent = serializers.BooleanField(help_text=GESTURE_CONSENT_TEXT)


def _own(request: Request, code: str) -> Avatar:
    avatar = Avatar.objects.filter(code=code).first()
    if avatar is None or not can_edit(request.user, avatar):
        raise Http404
    return avatar


class GestureList(APIView):
    """The recorded gestures of an avatar of your own; POST makes one."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses=GestureSerializer(many=True))
    def get(self, request: Request, code: str) -> Response:
        """List them."""
        rows = _own(request, code).gesture_clips.all()
        return Response(GestureSerializer(rows, many=True, context={"request": request}).data)

    @extend_schema(request={"multipart/form-data": NewGestureSerializer}, responses={202: GestureSerializer})
    def post(self, request: Request, code: str) -> Response:
        """Begin to make a gesture of a clip; ask for it by its name to hear how that goes."""
        avatar = _own(request, code)
        form = GestureClipForm(request.POST, request.FILES)
        if not form.is_valid():
            raise ValidationError({field: [str(words) for words in found] for field, found in form.errors.items()})
        try:
            clip = add_clip(avatar, form, request.user.pk or 0)
        except ClipRefused as refusal:
            raise ValidationError({"clip": [str(refusal)]}) from refusal
        return Response(GestureSerializer(clip, context={"request": request}).data, status=202)


class GestureDetail(APIView):
    """One recorded gesture by its name."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses=GestureSerializer)
    def get(self, request: Request, code: str, name: str) -> Response:
        """Tell how far it is."""
        return Response(GestureSerializer(_clip(request, code, name), context={"request": request}).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, code: str, name: str) -> Response:
        """Forget the clip, and take the gesture out of the avatar's file, which takes some seconds."""
        remove(_clip(request, code, name))
        return Response(status=204)


class GesturePreview(APIView):
    """A short film of one recorded gesture, as the avatar performs it."""

    permission_classes = [IsAuthenticated]

    @extend_schema(responses={(200, "video/mp4"): bytes})
    def get(self, request: Request, code: str, name: str) -> HttpResponseBase:
        """Send it."""
        return answer_file(request._request, _clip(request, code, name).preview, "video/mp4")


def _clip(request: Request, code: str, name: str) -> Any:
    clip = _own(request, code).gesture_clips.filter(name=name).first()
    if clip is None:
        raise Http404
    return clip
