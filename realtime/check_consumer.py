"""The connection check's WebSocket: tells the page what to try, and relays its offers to a media worker."""

from contextlib import suppress
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from asgiref.sync import sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings

from realtime.consumers import CLOSE_TOO_MANY, LONGEST_SDP, NO_WORKER, UNAVAILABLE
from realtime.ice import ice_servers
from realtime.placement import least_loaded
from realtime.throttle import too_often

logger = structlog.get_logger(__name__)

CHECKS_A_MINUTE: Final = 10
MOST_PROBES: Final = 24
LONGEST_NAME: Final = 100


class CheckConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """One run of the check. Each probe has a name of the page's and an id of ours."""

    async def connect(self) -> None:
        """Say which servers there are; the socket is accepted first, so that the page can be told why it is closed."""
        await self.accept()
        self.names: dict[UUID, str] = {}
        try:
            if await too_often(self.scope, "checks", CHECKS_A_MINUTE):
                await self.close(CLOSE_TOO_MANY)
                return
        except Exception as error:
            logger.warning("Connection checks cannot be counted", reason=str(error))
            await self.send_json({"type": "error", "name": "", "code": "internal", "message": UNAVAILABLE})
            return
        await self.send_json(
            {"type": "servers", "ice_servers": ice_servers(uuid4()), "ice_policy": settings.ICE_POLICY}
        )

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """Read a message; what is not JSON counts as one that says nothing."""
        with suppress(ValueError, RecursionError):
            return await super().decode_json(text_data)
        return None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Take text only."""
        if text_data:
            await super().receive(text_data=text_data, **kwargs)

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Pass one offer on."""
        match content:
            case {"type": "probe", "name": str(name), "sdp": str(sdp)} if (
                len(name) <= LONGEST_NAME and len(sdp) <= LONGEST_SDP and len(self.names) < MOST_PROBES
            ):
                await self._probe(name, sdp)

    async def _probe(self, name: str, sdp: str) -> None:
        probe = uuid4()
        self.names[probe] = name
        try:
            worker = await sync_to_async(least_loaded)()
            if worker is None:
                await self._refuse(name, "no_worker", NO_WORKER)
                return
            message = {"type": "probe", "session": probe.hex, "reply": self.channel_name, "sdp": sdp}
            await self.channel_layer.send(worker.channel, message)
        except Exception as error:
            logger.warning("A connection check could not be passed on", reason=str(error))
            await self._refuse(name, "internal", UNAVAILABLE)

    async def _refuse(self, name: str, code: str, message: str) -> None:
        await self.send_json({"type": "error", "name": name, "code": code, "message": message})

    # What the media worker says

    async def media_answer(self, event: dict[str, Any]) -> None:
        """The answer to one offer."""
        await self.send_json({"type": "answer", "name": self.names[UUID(hex=event["session"])], "sdp": event["sdp"]})

    async def media_refused(self, event: dict[str, Any]) -> None:
        """The worker cannot do it."""
        await self._refuse(self.names[UUID(hex=event["session"])], event["code"], event["message"])
