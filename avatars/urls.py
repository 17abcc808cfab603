"""Addresses of avatars and of the studio."""

from django.urls import path

from avatars import studio, views
from avatars.knowledge import pages
from avatars.recorded import pages as recorded
from avatars.voice import pages as voice

urlpatterns = [
    path("", views.gallery, name="gallery"),
    path("a/<str:code>/", views.avatar_page, name="avatar"),
    path("a/<str:code>/talk/", views.talk, name="talk"),
    path("a/<str:code>/poster.jpg", views.poster, name="avatar_poster"),
    path("a/<str:code>/preview.mp4", views.preview, name="avatar_preview"),
    path("studio/", studio.studio, name="studio"),
    path("studio/new/", studio.new, name="studio_new"),
    path("studio/voices/<str:voice>.wav", studio.voice_sample, name="voice_sample"),
    path("studio/<str:code>/", studio.detail, name="studio_avatar"),
    path("studio/<str:code>/points/", studio.points, name="studio_points"),
    path("studio/<str:code>/mouth/stop/", studio.stop_mouth, name="studio_mouth_stop"),
    path("studio/<str:code>/replace/", studio.replace, name="studio_replace"),
    path("studio/<str:code>/source/", studio.source, name="studio_source"),
    path("studio/<str:code>/delete/", studio.delete, name="studio_delete"),
    path("studio/<str:code>/knowledge/", pages.knowledge, name="studio_knowledge"),
    path("studio/<str:code>/knowledge/list/", pages.documents, name="studio_documents"),
    path("studio/<str:code>/knowledge/<int:number>/delete/", pages.delete, name="studio_document_delete"),
    path("studio/<str:code>/gestures/", recorded.gestures, name="studio_gestures"),
    path("studio/<str:code>/gestures/list/", recorded.clips, name="studio_gesture_clips"),
    path("studio/<str:code>/gestures/<int:number>/preview.mp4", recorded.preview, name="studio_gesture_preview"),
    path("studio/<str:code>/gestures/<int:number>/delete/", recorded.delete, name="studio_gesture_delete"),
    path("studio/<str:code>/voice/", voice.voice, name="studio_voice"),
    path("studio/<str:code>/voice/sample/", voice.sample, name="studio_voice_sample"),
    path("studio/<str:code>/voice/sample.wav", voice.sound, name="studio_voice_sound"),
    path("studio/<str:code>/voice/withdraw/", voice.withdraw, name="studio_voice_withdraw"),
    path("studio/<str:code>/download/", studio.download, name="studio_download"),
]
