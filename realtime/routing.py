"""WebSocket addresses of live conversations."""

from django.urls import path

from realtime.consumers import TalkConsumer

websocket_urlpatterns = [path("ws/talk/<str:code>/", TalkConsumer.as_asgi())]
