"""The WebSocket that tells an avatar's owner how its build goes, and shows how a marked face would speak."""

import asyncio
from contextlib import suppress
from typing import Any

from channels.db import database_sync_to_async
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.core.exceptions import ValidationError

from avatars.marking import CHANNEL, question
from avatars.models import Avatar
from avatars.permissions import can_edit
from avatars.progress import build_status, group_name

CLOSE_FORBIDDEN = 4401
CLOSE_NOT_FOUND = 4404
REREAD_S = 3.0


class BuildConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """Sends the state at once and then every change; asks the builder for sketches of a face that is being marked."""

    reread: asyncio.Task[None] | None = None
    group = ""

    async def connect(self) -> None:
        """Authorise, join the group, say where things stand."""
        await self.accept()
        user, code = self.scope["user"], self.scope["url_route"]["kwargs"]["code"]
        if not user.is_authenticated:
            await self.close(CLOSE_FORBIDDEN)
            return
        avatar = await Avatar.objects.filter(code=code).afirst()
        if avatar is None or not can_edit(user, avatar):
            await self.close(CLOSE_NOT_FOUND)
            return
        self.code = code
        self.sent: dict[str, Any] = {}
        self.group = group_name(code)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self._send_current()
        self.reread = asyncio.create_task(self._reread())

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        if self.reread:
            self.reread.cancel()
            with suppress(asyncio.CancelledError):
                await self.reread
        if self.group:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive_json(self, content: Any, **_: Any) -> None:
        """Have the builder sketch the face as it is marked now; what else a page may say is ignored."""
        if not self.group or not isinstance(content, dict) or content.get("type") != "sketch":
            return
        try:
            asked = await self._question(content)
            if asked:
                await self.channel_layer.send(CHANNEL, asked)
        except ValidationError as refusal:
            await self.send_json({"type": "sketch", "number": content.get("number"), "error": refusal.messages[0]})
        except ChannelFull:
            sentence = "Many faces are being drawn just now. Wait a moment, then move a point."
            await self.send_json({"type": "sketch", "number": content.get("number"), "error": sentence})

    async def build_sketched(self, event: dict[str, Any]) -> None:
        """Pass on what the builder drew."""
        await self.send_json({**event, "type": "sketch"})

    async def build_status(self, event: dict[str, Any]) -> None:
        """Pass on what the builder announced."""
        await self._send(event["status"])

    async def _send(self, status: dict[str, Any]) -> None:
        if status != self.sent:
            self.sent = status
            await self.send_json(status)

    async def _send_current(self) -> None:
        status = await self._current()
        if status is None:
            await self.close(CLOSE_NOT_FOUND)
        else:
            await self._send(status)

    async def _reread(self) -> None:
        """Look in the database now and then, because an announcement may be lost."""
        while True:
            await asyncio.sleep(REREAD_S)
            await self._send_current()

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _question(self, content: dict[str, Any]) -> dict[str, Any] | None:
        # Asked anew each time: an avatar may be deleted or given away while its page is open.
        avatar = Avatar.objects.filter(code=self.code).first()
        if avatar is None or not can_edit(self.scope["user"], avatar):
            return None
        return question(content, avatar, self.channel_name)

    @database_sync_to_async  # type: ignore[untyped-decorator]
    def _current(self) -> dict[str, Any] | None:
        avatar = Avatar.objects.filter(code=self.code).first()
        return build_status(avatar, avatar.latest_build) if avatar else None
