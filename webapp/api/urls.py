"""Addresses of the API."""

from django.urls import path
from drf_spectacular.views import SpectacularAPIView

from webapp.api.avatars import AvatarDetail, AvatarList
from webapp.api.gestures import GestureDetail, GestureList, GesturePreview
from webapp.api.memories import MemoryDetail, MemoryList

urlpatterns = [
    path("avatars", AvatarList.as_view(), name="api_avatars"),
    path("avatars/<str:code>", AvatarDetail.as_view(), name="api_avatar"),
    path("memories", MemoryList.as_view(), name="api_memories"),
    path("memories/<int:id>", MemoryDetail.as_view(), name="api_memory"),
    path("avatars/<str:code>/gestures", GestureList.as_view(), name="api_gestures"),
    path("avatars/<str:code>/gestures/<str:name>", GestureDetail.as_view(), name="api_gesture"),
    path("avatars/<str:code>/gestures/<str:name>/preview.mp4", GesturePreview.as_view(), name="api_gesture_preview"),
    path("schema", SpectacularAPIView.as_view(), name="api_schema"),
]
