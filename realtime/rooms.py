"""Rooms: who may make one, who may enter, and where it is held."""

from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db.models import Q

from avatars.permissions import can_edit, can_talk
from realtime.models import Room
from realtime.placement import WorkerRecord, find_worker, least_loaded, live_workers

# Longer than it takes a worker to load a face and to say with its next beat that it holds the room.
LEASE_S: Final = 10


@dataclass(frozen=True, slots=True)
class Door:
    """A room as one of its two links opens it."""

    room: Room
    watching: bool


def find_door(code: str) -> Door | None:
    """The room behind a link; None where there is none, or where it is over or may not be used any more."""
    room = Room.objects.select_related("avatar", "creator").filter(Q(code=code) | Q(watch_code=code)).first()
    if room is None or not is_open(room):
        return None
    return Door(room, room.code != code)


def is_open(room: Room) -> bool:
    """Whether people may meet in it: before its end, and while whoever made it may talk to its avatar."""
    return not room.is_over and can_talk(room.creator or AnonymousUser(), room.avatar)


def can_close(user: Any, room: Room) -> bool:
    """Whether `user` may close the room for good: whoever made it, and the avatar's owner."""
    made_it = user.is_authenticated and room.creator_id == user.pk
    return bool(made_it or can_edit(user, room.avatar))


def room_worker(room: Room) -> WorkerRecord | None:
    """The worker that holds the room, else the one with the most room for it; None where there is none.

    All who come to one room are sent to one worker, also when they come at the same moment.
    """
    for worker in live_workers():
        if room.code in worker.rooms:
            return worker
    chosen = least_loaded()
    if chosen is None:
        return None
    key = f"room-lease:{room.code}"
    if cache.add(key, chosen.name, LEASE_S):
        return chosen
    leased = find_worker(cache.get(key) or "")
    if leased is None:
        cache.set(key, chosen.name, LEASE_S)
    return leased or chosen
