"""The web process: pages and the API over HTTP, signalling and build progress over WebSocket."""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "webapp.settings")
django_application = get_asgi_application()

# The consumers import models, so they can only be imported once Django is set up.
from avatars.routing import websocket_urlpatterns as build_urlpatterns  # noqa: E402
from realtime.routing import websocket_urlpatterns as talk_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter([*build_urlpatterns, *talk_urlpatterns]))
        ),
    }
)
