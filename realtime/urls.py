"""Addresses of rooms, of what goes on now, and of what is remembered."""

from django.urls import path

from realtime import live_views, memory_views, room_views

urlpatterns = [
    path("a/<str:code>/rooms/", room_views.open_room, name="open_room"),
    path("r/<str:code>/", room_views.room, name="room"),
    path("r/<str:code>/poster.jpg", room_views.room_poster, name="room_poster"),
    path("a/<str:code>/remember/", memory_views.allow, name="remember"),
    path("accounts/memories/", memory_views.memories, name="account_memories"),
    path("accounts/memories/<int:number>/delete/", memory_views.forget, name="forget"),
    path("accounts/memories/of/<int:number>/delete/", memory_views.forget_all, name="forget_all"),
    path("accounts/memories/of/<int:number>/withdraw/", memory_views.withdraw, name="withdraw_memory"),
    path("settings/sessions/", live_views.sessions, name="live_sessions"),
    path("settings/sessions/list/", live_views.session_list, name="live_session_list"),
    path("settings/sessions/<uuid:session_id>/hang-up/", live_views.hang_up, name="hang_up"),
    path("r/<str:code>/close/", room_views.close_room, name="close_room"),
]
