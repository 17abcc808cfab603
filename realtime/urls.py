"""Addresses of rooms."""

from django.urls import path

from realtime import room_views

urlpatterns = [
    path("a/<str:code>/rooms/", room_views.open_room, name="open_room"),
    path("r/<str:code>/", room_views.room, name="room"),
    path("r/<str:code>/poster.jpg", room_views.room_poster, name="room_poster"),
    path("r/<str:code>/close/", room_views.close_room, name="close_room"),
]
