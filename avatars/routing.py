"""WebSocket addresses."""

from django.urls import path

from avatars.consumers import BuildConsumer

websocket_urlpatterns = [path("ws/build/<str:code>/", BuildConsumer.as_asgi())]
