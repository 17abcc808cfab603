"""WebSocket addresses of live conversations and of the connection check."""

from django.urls import path

from realtime.check_consumer import CheckConsumer
from realtime.consumers import RoomConsumer, TalkConsumer

websocket_urlpatterns = [
    path("ws/talk/<str:code>/", TalkConsumer.as_asgi()),
    path("ws/room/<str:code>/", RoomConsumer.as_asgi()),
    path("ws/check/", CheckConsumer.as_asgi()),
]
