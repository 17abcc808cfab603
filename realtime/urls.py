"""Addresses of rooms, and of what goes on now."""

from django.urls import path

from realtime import live_views, room_views

urlpatterns = [
    path("a/<str:code>/rooms/", room_views.open_room, name="open_room"),
    path("r/<str:code>/", room_views.room, name="room"),
    path("r/<str:code>/poster.jpg", room_views.room_poster, name="room_poster"),
    path("settings/sessions/", live_views.sessions, name="live_sessions"),
    path("settings/sessions/list/", live_views.session_list, name="live_session_list"),
    path("settings/sessions/<uuid:session_id>/hang-up/", live_views.hang_up, name="hang_up"),
    path("r/<str:code>/close/", room_views.close_room, name="close_room"),
]
