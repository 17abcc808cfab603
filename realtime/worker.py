"""The media worker: holds sessions, hears of new ones over the channel layer, and says that it lives."""

import asyncio
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer

from avatars.engine.performer import Mood
from avatars.models import Avatar
from realtime.agent import AgentSettings, Cue, Providers, SaidBy, Trigger, WrittenPair
from realtime.casting import Casting
from realtime.frames import FrameThread
from realtime.likenesses import Likenesses
from realtime.models import Session as SessionRow
from realtime.placement import BEAT_S, Registration, WorkerRecord, live_workers
from realtime.probes import Probes
from realtime.rtc import OfferRefused, Unreachable
from realtime.session import Backstage, Session
from realtime.sessions import close_abandoned, close_session, open_session, update_session
from realtime.stage import Temperament
from realtime.strain import Strain
from realtime.taskset import TaskSet
from webapp.providers.endpoint import Choice

logger = structlog.get_logger(__name__)

RECEIVE_AGAIN_S: Final = 0.5
BOOKKEEPING_EVERY_S: Final = 10.0
# A loop that has not turned for so long cannot serve anybody.
LOOP_STUCK_S: Final = 5.0

FULL: Final = "All places are taken at the moment. Try again in a little while."
STRAINED: Final = "This machine is busy with the conversations it holds. Try again in a little while."
FACE_BROKEN: Final = "This avatar's file cannot be opened. Its owner can build it again."
GONE: Final = "This conversation has ended. Start a new one."
STOPPING: Final = "The machine that held this conversation stops."


class MediaWorker:
    """One a process. `run` until `stop`."""

    def __init__(self, providers: Providers, capacity: int, choice: Choice | None = None) -> None:
        self.name = f"{socket.gethostname()[:40]}.{os.getpid()}.{uuid4().hex[:6]}"
        self.channel = f"media.{uuid4().hex}"
        self.capacity = capacity
        self.sessions: dict[UUID, Session] = {}
        self._opening: set[UUID] = set()
        self._likenesses = Likenesses()
        self._prepare = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._casting = Casting(providers, choice)
        self._backstage = Backstage(providers, FrameThread(), self._prepare)
        self._strain = Strain()
        self._stopping = asyncio.Event()
        self._turned_s = time.monotonic()
        self._locks: dict[UUID, asyncio.Lock] = {}
        self._tasks = TaskSet("a media worker")
        self._probes = Probes()
        self._living: set[str] = set()
        self._heart = threading.Thread(target=self._beat, name="heart", daemon=True)

    def stop(self) -> None:
        """End; from the event loop."""
        self._stopping.set()

    async def run(self) -> None:
        """Serve until `stop`."""
        self._backstage.frames.start()
        self._heart.start()
        for work in (self._receive, self._turn, self._keep_books):
            self._tasks.spawn(work())
        await self._stopping.wait()
        await self._tasks.cancel()
        await self._probes.close()
        for session in list(self.sessions.values()):
            await self._say(session.reply, "media.refused", session.id, code="worker_lost", message=STOPPING)
        await asyncio.gather(*(self._close(session, SessionRow.Reason.STOPPED) for session in self.sessions.values()))
        self._backstage.frames.stop()
        self._prepare.shutdown(cancel_futures=True)
        await asyncio.to_thread(self._heart.join)

    # Heart and hearing

    def _beat(self) -> None:
        registration = Registration()
        while not self._stopping.is_set():
            try:
                if time.monotonic() - self._turned_s < LOOP_STUCK_S:
                    registration.beat(self._record())
            except Exception as error:
                logger.warning("The worker could not say that it lives", reason=str(error))
            time.sleep(BEAT_S)
        try:
            registration.leave()
        except Exception as error:
            logger.warning("The worker could not say goodbye", reason=str(error))

    def _record(self) -> WorkerRecord:
        """What is said of this worker. One that is strained has no room."""
        frames, held = self._backstage.frames, len(self.sessions)
        self._strain.note(frames.late_ms if held else 0.0, frames.all_skipped, time.monotonic())
        capacity = min(self.capacity, held) if self._strain.strained else self.capacity
        return WorkerRecord(self.name, self.channel, capacity, held)

    async def _turn(self) -> None:
        while True:
            self._turned_s = time.monotonic()
            await asyncio.sleep(BEAT_S)

    async def _receive(self) -> None:
        layer = get_channel_layer()
        while True:
            try:
                message = await layer.receive(self.channel)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                # Sessions go on without Valkey; only new ones cannot come.
                logger.warning("The worker hears nothing", reason=str(error))
                await asyncio.sleep(RECEIVE_AGAIN_S)
                continue
            if message["type"] == "temperament":
                self._take_on(message)
            else:
                self._tasks.spawn(self._handle(message))

    async def _keep_books(self) -> None:
        """Note what sessions have used, and end those of workers that died."""
        while True:
            await asyncio.sleep(BOOKKEEPING_EVERY_S)
            try:
                await database_sync_to_async(self._update_rows)()
            except Exception as error:
                logger.warning("Sessions could not be noted", reason=str(error))

    def _update_rows(self) -> None:
        for session in list(self.sessions.values()):
            update_session(session.id, session.spoken_s, session.idle_s)
        # After a restart of Valkey a living worker is missing until its next beat.
        before, self._living = self._living, {worker.name for worker in live_workers()} | {self.name}
        if abandoned := close_abandoned(before | self._living):
            logger.info("Sessions of lost workers were ended", count=abandoned)

    # Messages

    async def _handle(self, message: dict[str, Any]) -> None:
        """Act on one message; those of one session in order."""
        session_id = UUID(hex=message["session"])
        if message["type"] == "probe":
            await self._probe(session_id, message["sdp"], message["reply"])
            return
        async with self._locks.setdefault(session_id, asyncio.Lock()):
            session = self.sessions.get(session_id)
            kind, reply = message["type"], message["reply"]
            if kind == "open":
                await self._open(session_id, message)
            elif session is None:
                if kind == "offer":
                    await self._say(reply, "media.refused", session_id, code="worker_lost", message=GONE)
            elif kind == "offer":
                await self._answer(session, message["sdp"], reply)
            elif kind == "candidate":
                await session.add_candidate(message["candidate"])
            elif kind == "leave":
                await self._close(session, SessionRow.Reason.LEFT)
            elif kind == "gone":
                session.gone(reply)
        if session_id not in self.sessions:
            self._locks.pop(session_id, None)

    def _take_on(self, message: dict[str, Any]) -> None:
        """Let an avatar's owner see in the conversations that go on what they have just chosen."""
        temperament = Temperament(Mood(message["mood"]), message["idle_gestures"])
        for session in self.sessions.values():
            if session.avatar == message["avatar"]:
                session.stage.take_on(temperament)

    async def _open(self, session_id: UUID, message: dict[str, Any]) -> None:
        reply = message["reply"]
        session = self.sessions.get(session_id)
        if session is not None and not session.over:
            session.joined(reply)
            await self._say(reply, "media.opened", session_id, place=session_id.hex)
            return
        if len(self.sessions) + len(self._opening) >= self.capacity:
            await self._say(reply, "media.refused", session_id, code="full", message=FULL)
            return
        if self.sessions and self._strain.strained:
            await self._say(reply, "media.refused", session_id, code="full", message=STRAINED)
            return
        # What has ended is in the books and stays ended: who comes back too late begins a new session.
        place = uuid4() if message["again"] else session_id
        self._opening.add(place)
        try:
            avatar = await Avatar.objects.aget(code=message["avatar"])
            session = self.sessions[place] = Session(
                place,
                await self._likenesses.rig(avatar.imx.name or ""),
                await database_sync_to_async(agent_settings)(avatar),
                replace(self._backstage, providers=await self._casting.providers_for(avatar)),
                self._session_ended,
                avatar.code,
                temperament_of(avatar),
            )
        except Avatar.DoesNotExist:
            await self._say(reply, "media.refused", session_id, code="not_found", message="This avatar is gone.")
            return
        except Exception as error:
            logger.error("An avatar cannot be opened", avatar=message["avatar"], reason=str(error))
            await self._say(reply, "media.refused", session_id, code="not_ready", message=FACE_BROKEN)
            return
        finally:
            self._opening.discard(place)
        session.joined(reply)
        logger.info("Session opens", session=place.hex, avatar=avatar.code)
        await self._say(reply, "media.opened", session_id, place=place.hex)
        await database_sync_to_async(open_session)(place, avatar, message["user"], self.name)

    async def _answer(self, session: Session, sdp: str, reply: str) -> None:
        try:
            answer = await session.answer(sdp, reply)
        except (OfferRefused, Unreachable) as refusal:
            code = "offer" if isinstance(refusal, OfferRefused) else "unreachable"
            await self._say(reply, "media.refused", session.id, code=code, message=str(refusal))
            if isinstance(refusal, Unreachable):
                await self._close(session, SessionRow.Reason.FAILED)
            return
        await self._say(reply, "media.answer", session.id, sdp=answer)

    async def _probe(self, probe_id: UUID, sdp: str, reply: str) -> None:
        """Take part in a page's connection check."""
        try:
            answer = await self._probes.answer(probe_id, sdp)
        except (OfferRefused, Unreachable) as refusal:
            code = "offer" if isinstance(refusal, OfferRefused) else "unreachable"
            await self._say(reply, "media.refused", probe_id, code=code, message=str(refusal))
            return
        await self._say(reply, "media.answer", probe_id, sdp=answer)

    def _session_ended(self, session: Session, reason: str, sentence: str) -> None:
        self._tasks.spawn(self._finish(session, reason, sentence))

    async def _finish(self, session: Session, reason: str, sentence: str) -> None:
        if reason != SessionRow.Reason.LEFT:
            await self._say(session.reply, "media.ended", session.id, reason=reason, message=sentence)
        await self._close(session, reason)

    async def _close(self, session: Session, reason: str) -> None:
        if self.sessions.get(session.id) is not session:
            return
        del self.sessions[session.id]
        await session.close()
        logger.info("Session ends", session=session.id.hex, reason=reason, spoken_s=round(session.spoken_s, 1))
        await database_sync_to_async(close_session)(session.id, reason, session.spoken_s, session.idle_s)

    async def _say(self, channel: str, kind: str, session_id: UUID, **values: Any) -> None:
        try:
            await get_channel_layer().send(channel, {"type": kind, "session": session_id.hex, **values})
        except Exception as error:
            logger.warning("The page could not be told", message=kind, reason=str(error))


def agent_settings(avatar: Avatar) -> AgentSettings:
    """What the agent has to know of an avatar."""
    pairs = tuple(
        WrittenPair(tuple(line.strip() for line in pair.questions.splitlines() if line.strip()), pair.answer)
        for pair in avatar.pairs.all()
    )
    triggers = tuple(
        Trigger(
            tuple(trigger.words.splitlines()),
            Cue(trigger.gesture, trigger.stop_on_user_speech, trigger.stop_on_agent_speech),
            SaidBy(trigger.said_by),
        )
        for trigger in avatar.triggers.all()
    )
    return AgentSettings(avatar.persona, avatar.greeting, avatar.voice, avatar.name, pairs, triggers)


def temperament_of(avatar: Avatar) -> Temperament:
    """How its face is by nature."""
    return Temperament(Mood(avatar.mood), avatar.idle_gestures)
