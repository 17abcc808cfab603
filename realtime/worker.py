"""The media worker: holds sessions, hears of new ones over the channel layer, and says that it lives."""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings

from avatars.engine.performer import Activity, Mood
from avatars.models import Avatar
from realtime.agent import Providers
from realtime.bookkeeper import Bookkeeper
from realtime.casting import Casting
from realtime.forwarding import janus_server
from realtime.frames import FrameThread
from realtime.guests import MOST_SEATS, Guest, Limits, NoSeat
from realtime.likenesses import Likenesses
from realtime.live import FrameRates, LiveSession, publish
from realtime.memory import Recollector, remembered
from realtime.models import Session as SessionRow
from realtime.placement import BEAT_S, Registration, WorkerRecord, live_workers
from realtime.probes import Probes
from realtime.role import agent_settings, temperament_of
from realtime.rtc import ForwarderGone, OfferRefused, Unreachable
from realtime.seat import Seat
from realtime.session import Backstage, Session
from realtime.sessions import close_abandoned, enter_end, note_turns, open_session, update_session
from realtime.slip import Bearer, read_slip, seal_slip
from realtime.stage import Temperament
from realtime.strain import Strain
from realtime.taskset import TaskSet
from realtime.vitals import Vitals
from realtime.vitals import publish as publish_vitals
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
HUNG_UP: Final = "Whoever runs this Parlo has ended the conversation."
ROOM_CLOSED: Final = "This room was closed."
WATCH_ONLY: Final = "Those who watch this room are offered a connection. Load the page again."
STOPPING: Final = "The machine that held this conversation stops."
# So long an avatar may finish what it says before its conversation moves to another worker.
FINISHED_WITHIN_S: Final = 20.0
LOOK_AROUND_S: Final = 0.2


class MediaWorker:
    """One a process. `run` until `stop`, or `drain`."""

    def __init__(self, providers: Providers, capacity: int, choice: Choice | None = None) -> None:
        self.name = f"{socket.gethostname()[:40]}.{os.getpid()}.{uuid4().hex[:6]}"
        self.channel = f"media.{uuid4().hex}"
        self.capacity = capacity
        self.sessions: dict[UUID, Session] = {}
        self._rooms: dict[str, Session] = {}
        self._opening: dict[UUID, str] = {}
        self._likenesses = Likenesses()
        self._prepare = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._casting = Casting(providers, choice)
        self._backstage = Backstage(providers, FrameThread(), self._prepare, janus=janus_server())
        self._strain = Strain()
        self._stopping = asyncio.Event()
        self._draining = False
        self._turned_s = time.monotonic()
        self._tasks_alive = 0
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks = TaskSet("a media worker")
        self._recollectors: dict[UUID, Recollector] = {}
        self._recollecting = TaskSet("a media worker")
        self._probes = Probes()
        self._book = Bookkeeper()
        self._living: set[str] = set()
        self._heart = threading.Thread(target=self._beat, name="heart", daemon=True)

    def stop(self) -> None:
        """End; from the event loop."""
        self._stopping.set()

    def drain(self) -> None:
        """End when nobody is being spoken to; from the event loop. Called again: end at once.

        Nobody is taken in any more. Where no other worker has room there is nothing to wait for.
        """
        if self._draining:
            self.stop()
        else:
            self._draining = True
            self._tasks.spawn(self._finish_speaking())

    async def run(self) -> None:
        """Serve until `stop`."""
        self._backstage.frames.start()
        self._heart.start()
        for work in (self._receive, self._turn, self._keep_books):
            self._tasks.spawn(work())
        await self._stopping.wait()
        await self._tasks.cancel()
        await self._recollecting.cancel()
        # First out of the book of workers: pages come back at once, and are not to be sent here again.
        await asyncio.to_thread(self._heart.join)
        await self._probes.close()
        for session in list(self.sessions.values()):
            session.give_slips()
            for seat in session.seats.values():
                await self._say(seat.reply, "media.refused", seat.id, code="worker_lost", message=STOPPING)
        await asyncio.gather(*(self._close(session, SessionRow.Reason.STOPPED) for session in self.sessions.values()))
        await self._book.catch_up()
        self._backstage.frames.stop()
        self._prepare.shutdown(cancel_futures=True)

    async def _finish_speaking(self) -> None:
        """Wait until what is being said has been said, as long as another worker can go on with the conversations; stop."""
        until_s = time.monotonic() + FINISHED_WITHIN_S
        # Half a dozen sessions are looked at more simply than they would all tell.
        while self._speaking() and time.monotonic() < until_s and await self._relieved():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AROUND_S)
        self.stop()

    def _speaking(self) -> bool:
        return any(session.stage.state in (Activity.THINKING, Activity.SPEAKING) for session in self.sessions.values())

    async def _relieved(self) -> bool:
        """Whether another worker has room."""
        try:
            workers = await asyncio.to_thread(live_workers)
        except Exception as error:
            logger.warning("The other workers could not be asked for", reason=str(error))
            return False
        return any(worker.room > 0 for worker in workers if worker.name != self.name)

    # Heart and hearing

    def _beat(self) -> None:
        registration, rates = Registration(), FrameRates()
        while not self._stopping.is_set():
            try:
                if time.monotonic() - self._turned_s < LOOP_STUCK_S:
                    registration.beat(self._record())
                    publish(self.name, self._live(rates))
                    self._backstage.turn_times.publish(self.name)
                    publish_vitals(
                        self.name,
                        Vitals(sessions=len(self.sessions), tasks=self._tasks_alive, threads=threading.active_count()),
                    )
            except Exception as error:
                logger.warning("The worker could not say that it lives", reason=str(error))
            time.sleep(BEAT_S)
        try:
            registration.leave()
        except Exception as error:
            logger.warning("The worker could not say goodbye", reason=str(error))

    def _record(self) -> WorkerRecord:
        """What is said of this worker. One that is strained by what it holds has no room."""
        frames, held = self._backstage.frames, len(self.sessions)
        self._strain.note(frames.late_ms if held else 0.0, time.monotonic())
        full = self._draining or (held and self._strain.strained)
        capacity = min(self.capacity, held) if full else self.capacity
        # Copied: this is another thread.
        rooms = {*self._rooms.copy(), *self._opening.copy().values()} - {""}
        return WorkerRecord(self.name, self.channel, capacity, held, tuple(rooms))

    def _live(self, rates: FrameRates) -> list[LiveSession]:
        """What goes on here, for admins."""
        now_s = time.monotonic()
        # Copied: this is another thread.
        sessions = list(self.sessions.copy().values())
        fps = rates.note(sessions, now_s)
        return [session.seen_by_admins(fps[session.id], now_s) for session in sessions]

    async def _turn(self) -> None:
        while True:
            self._turned_s = time.monotonic()
            self._tasks_alive = len(asyncio.all_tasks())
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
            elif message["type"] == "close_room":
                self._close_room(message["room"])
            elif message["type"] == "hang_up":
                self._hang_up(UUID(hex=message["session"]))
            else:
                self._tasks.spawn(self._handle(message))

    async def _keep_books(self) -> None:
        """Note what sessions have used, and end those of workers that died."""
        while True:
            await asyncio.sleep(BOOKKEEPING_EVERY_S)
            await self._book.catch_up()
            try:
                await database_sync_to_async(self._update_rows)()
            except Exception as error:
                logger.warning("Sessions could not be noted", reason=str(error))

    def _update_rows(self) -> None:
        for session in list(self.sessions.values()):
            update_session(session.id, session.spoken_s, session.idle_s)
            note_turns(session.id, session.turns.copy())
        # After a restart of Valkey a living worker is missing until its next beat.
        before, self._living = self._living, {worker.name for worker in live_workers()} | {self.name}
        if abandoned := close_abandoned(before | self._living):
            logger.info("Sessions of lost workers were ended", count=abandoned)

    # Messages

    async def _handle(self, message: dict[str, Any]) -> None:
        """Act on one message; those of one page in order, and so those that open one room."""
        seat_id, kind, reply = UUID(hex=message["session"]), message["type"], message["reply"]
        if kind == "probe":
            await self._probe(seat_id, message["sdp"], reply)
            return
        found = self._find(seat_id)
        # Everything that is begun in here says in the log which session it belongs to.
        structlog.contextvars.bind_contextvars(session=(found[0].id if found else seat_id).hex)
        key = message.get("room") or seat_id.hex
        async with self._locks.setdefault(key, asyncio.Lock()):
            found = self._find(seat_id)
            if kind == "open":
                await self._open(seat_id, message)
            elif found is None:
                if kind == "offer":
                    await self._say(reply, "media.refused", seat_id, code="worker_lost", message=GONE)
            elif kind == "offer":
                await self._answer(*found, message["sdp"], reply)
            elif kind == "watch":
                await self._offer(*found, reply)
            elif kind == "hello":
                found[0].hello(found[1])
            elif kind == "answer":
                await self._accept(*found, message["sdp"], reply)
            elif kind == "candidate":
                await found[1].add_candidate(message["candidate"])
            elif kind == "leave":
                found[0].left(found[1], SessionRow.Reason.LEFT, "")
            elif kind == "gone":
                found[1].gone(reply, page_closed=message.get("page_closed", False))
        if "room" not in message and self._find(seat_id) is None:
            self._locks.pop(key, None)

    def _find(self, seat_id: UUID) -> tuple[Session, Seat] | None:
        """The seat of this page, and the session it belongs to."""
        for session in self.sessions.values():
            if seat := session.seats.get(seat_id):
                return session, seat
        return None

    def _close_room(self, room: str) -> None:
        """Show everybody out of a room that was closed."""
        if session := self._rooms.get(room):
            session.show_out(ROOM_CLOSED)

    def _hang_up(self, session_id: UUID) -> None:
        """End a session because an admin wants that."""
        if session := self.sessions.get(session_id):
            logger.info("An admin hangs up", session=session_id.hex)
            session.show_out(HUNG_UP)

    def _take_on(self, message: dict[str, Any]) -> None:
        """Let an avatar's owner see in the conversations that go on what they have just chosen."""
        temperament = Temperament(Mood(message["mood"]), message["idle_gestures"])
        for session in self.sessions.values():
            if session.avatar == message["avatar"]:
                session.stage.take_on(temperament)

    async def _open(self, seat_id: UUID, message: dict[str, Any]) -> None:
        reply, room = message["reply"], message.get("room", "")
        found = self._find(seat_id)
        if found is not None and not found[0].over:
            found[1].joined(reply)
            await self._say_opened(found[1], seat_id)
            return
        # What has ended is in the books and stays ended: who comes back too late begins a new session.
        place = uuid4() if message["again"] else seat_id
        session, avatar = self._rooms.get(room), None
        if session is None or session.over:
            begun = await self._begin(seat_id, place, message)
            if begun is None:
                return
            session, avatar = begun
        try:
            seat = session.take_seat(place, Guest(message.get("name", ""), message.get("watching", False)))
        except NoSeat as refusal:
            await self._say(reply, "media.refused", seat_id, code=refusal.code, message=str(refusal))
            return
        seat.joined(reply)
        await self._say_opened(seat, seat_id)
        if avatar is not None:
            await self._book.enter(partial(open_session, session.id, avatar, message["user"], self.name))

    async def _say_opened(self, seat: Seat, asked_as: UUID) -> None:
        forwarded = seat.forwarder is not None
        await self._say(seat.reply, "media.opened", asked_as, place=seat.id.hex, forwarded=forwarded)

    async def _begin(self, seat_id: UUID, place: UUID, message: dict[str, Any]) -> tuple[Session, Avatar] | None:
        """Begin a session for the page at `place`; None where that is impossible and the page has been told so."""
        reply, room = message["reply"], message.get("room", "")
        if len(self.sessions) + len(self._opening) >= self.capacity:
            await self._say(reply, "media.refused", seat_id, code="full", message=FULL)
            return None
        if self._draining or (self.sessions and self._strain.strained):
            await self._say(reply, "media.refused", seat_id, code="full", message=STRAINED)
            return None
        structlog.contextvars.bind_contextvars(session=place.hex)
        self._opening[place] = room
        try:
            avatar = await Avatar.objects.aget(code=message["avatar"])
            viewers = settings.JANUS_MOST_VIEWERS if self._backstage.janus else 0
            limits = Limits(MOST_SEATS, message["talkers"], viewers) if room else None
            rig = await self._likenesses.rig(avatar.imx.name or "")
            providers = await self._casting.providers_for(avatar)
            # Of a room's visitors each has a time zone of their own, and none of them is remembered.
            zone, user_id = ("", None) if room else (message.get("time_zone", ""), message["user"])
            known = await database_sync_to_async(remembered)(user_id, avatar)
            bearer = Bearer(avatar.code, message["user"], room)
            if user_id is not None and not providers.demo_brain:
                # Whether they want it is asked at the end: they may have said so meanwhile.
                self._recollectors[place] = Recollector(user_id, avatar, known, providers)
            session = self.sessions[place] = Session(
                place,
                rig,
                await database_sync_to_async(agent_settings)(
                    avatar,
                    several=bool(room),
                    time_zone=zone,
                    recorded=rig.portrait.recorded,
                    memories=known,
                    resumed=read_slip(message.get("slip", ""), bearer),
                ),
                replace(self._backstage, providers=providers),
                self._session_ended,
                avatar.code,
                temperament_of(avatar),
                limits,
                self._seat_left,
                self._whisper,
                partial(seal_slip, bearer),
            )
        except Avatar.DoesNotExist:
            await self._say(reply, "media.refused", seat_id, code="not_found", message="This avatar is gone.")
            return None
        except Exception as error:
            logger.error("An avatar cannot be opened", avatar=message["avatar"], reason=str(error))
            await self._say(reply, "media.refused", seat_id, code="not_ready", message=FACE_BROKEN)
            return None
        finally:
            self._opening.pop(place, None)
            if place not in self.sessions:
                self._recollectors.pop(place, None)
        if room:
            self._rooms[room] = session
        logger.info("Session opens", session=place.hex, avatar=avatar.code)
        return session, avatar

    async def _answer(self, session: Session, seat: Seat, sdp: str, reply: str) -> None:
        try:
            if seat.forwarder is not None:
                raise OfferRefused(WATCH_ONLY)
            answer = await seat.answer(sdp, reply)
        except (OfferRefused, Unreachable) as refusal:
            code = "offer" if isinstance(refusal, OfferRefused) else "unreachable"
            await self._say(reply, "media.refused", seat.id, code=code, message=str(refusal))
            if isinstance(refusal, Unreachable):
                session.left(seat, SessionRow.Reason.FAILED, str(refusal))
            return
        await self._say(reply, "media.answer", seat.id, sdp=answer)

    async def _offer(self, session: Session, seat: Seat, reply: str) -> None:
        """Offer a page that watches a connection to the server that forwards."""
        if seat.forwarder is None:
            return
        try:
            offer = await seat.offer(seat.forwarder, reply)
        except ForwarderGone as refusal:
            seat.cut_off(str(refusal))
            return
        await self._say(reply, "media.offer", seat.id, sdp=offer)

    async def _accept(self, session: Session, seat: Seat, sdp: str, reply: str) -> None:
        try:
            await seat.accept(sdp)
        except OfferRefused as refusal:
            await self._say(reply, "media.refused", seat.id, code="codec", message=str(refusal))
            session.left(seat, SessionRow.Reason.FAILED, str(refusal))
        except ForwarderGone as refusal:
            seat.cut_off(str(refusal))

    def _whisper(self, seat: Seat, event: Mapping[str, Any]) -> None:
        self._tasks.spawn(self._say(seat.reply, "media.event", seat.id, event=dict(event)))

    def _seat_left(self, seat: Seat, reason: str, sentence: str) -> None:
        self._tasks.spawn(self._say_goodbye(seat, reason, sentence))

    async def _say_goodbye(self, seat: Seat, reason: str, sentence: str) -> None:
        if seat.is_cut_off:
            # The page tries again by itself.
            await self._say(seat.reply, "media.refused", seat.id, code="forwarder", message=sentence)
        elif reason != SessionRow.Reason.LEFT:
            await self._say(seat.reply, "media.ended", seat.id, reason=reason, message=sentence)

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
        for seat in session.seats.values():
            await self._say_goodbye(seat, reason, sentence)
        await self._close(session, reason)

    async def _close(self, session: Session, reason: str) -> None:
        if self.sessions.get(session.id) is not session:
            return
        del self.sessions[session.id]
        for room in [room for room, held in self._rooms.items() if held is session]:
            del self._rooms[room]
            self._locks.pop(room, None)
        for seat_id in session.seats:
            self._locks.pop(seat_id.hex, None)
        await session.close()
        recollector = self._recollectors.pop(session.id, None)
        if recollector is not None and not self._stopping.is_set():
            self._recollecting.spawn(recollector.recollect(session.agent.recollection()))
        logger.info("Session ends", session=session.id.hex, reason=reason, spoken_s=round(session.spoken_s, 1))
        await self._book.enter(partial(enter_end, session.id, reason, session.turns, session.spoken_s, session.idle_s))

    async def _say(self, channel: str, kind: str, session_id: UUID, **values: Any) -> None:
        try:
            await get_channel_layer().send(channel, {"type": kind, "session": session_id.hex, **values})
        except Exception as error:
            logger.warning("The page could not be told", message=kind, reason=str(error))
