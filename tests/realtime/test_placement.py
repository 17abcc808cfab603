"""Which media workers there are: they say so themselves, and are forgotten when they stop saying it."""

import time

import pytest
from django.core.cache import cache

from realtime import placement
from realtime.placement import (
    BEAT_S,
    LOST_AFTER_S,
    NoSlot,
    Registration,
    WorkerRecord,
    find_worker,
    least_loaded,
    live_workers,
)


def record(name: str = "one", capacity: int = 4, sessions: int = 0) -> WorkerRecord:
    return WorkerRecord(name, f"media.{name}", capacity, sessions)


def registered(one: WorkerRecord) -> Registration:
    registration = Registration()
    registration.beat(one)
    return registration


def test_without_workers_there_is_nobody_to_ask() -> None:
    assert live_workers() == []
    assert least_loaded() is None
    assert find_worker("one") is None


def test_a_beat_makes_a_worker_known_and_the_next_one_renews_what_is_known() -> None:
    registration = registered(record())
    assert live_workers() == [record()]
    registration.beat(record(sessions=3))
    assert live_workers() == [record(sessions=3)]
    assert find_worker("one") == record(sessions=3)


def test_the_worker_with_the_most_room_is_asked() -> None:
    registered(record("busy", capacity=8, sessions=7))
    registered(record("free", capacity=4, sessions=1))
    registered(record("full", capacity=2, sessions=2))
    chosen = least_loaded()
    assert chosen is not None
    assert (chosen.name, chosen.room) == ("free", 3)


def test_a_full_house_is_a_worker_without_room() -> None:
    registered(record("full", capacity=2, sessions=2))
    registered(record("fuller", capacity=2, sessions=3))
    chosen = least_loaded()
    assert chosen is not None
    assert (chosen.name, chosen.room) == ("full", 0)


def test_workers_keep_their_slots_apart() -> None:
    registrations = [registered(record(str(number))) for number in range(5)]
    for number, registration in enumerate(registrations):
        registration.beat(record(str(number), sessions=1))
    assert sorted(worker.name for worker in live_workers()) == list("01234")


def test_who_leaves_is_gone_at_once_and_may_leave_twice() -> None:
    registration, other = registered(record("one")), registered(record("two"))
    registration.leave()
    registration.leave()
    assert live_workers() == [record("two")]
    other.leave()
    Registration().leave()
    assert live_workers() == []


def test_who_left_may_come_back() -> None:
    registration = registered(record())
    registration.leave()
    registration.beat(record())
    assert live_workers() == [record()]


def test_a_worker_that_stops_beating_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(record())
    now_s = time.time()
    monkeypatch.setattr("django.core.cache.backends.locmem.time.time", lambda: now_s + LOST_AFTER_S + 0.1)
    assert live_workers() == []
    assert LOST_AFTER_S > 2 * BEAT_S


def test_a_worker_whose_slot_was_stolen_takes_another() -> None:
    slow = registered(record("slow"))
    # It was silent so long that its slot went to somebody else.
    cache.delete("media-worker:0")
    quick = registered(record("quick"))
    assert live_workers() == [record("quick")]
    slow.beat(record("slow"))
    quick.beat(record("quick"))
    assert sorted(worker.name for worker in live_workers()) == ["quick", "slow"]


def test_a_worker_whose_entry_was_lost_with_valkey_is_back_at_its_next_beat() -> None:
    registration = registered(record())
    cache.clear()
    assert live_workers() == []
    registration.beat(record())
    assert live_workers() == [record()]


def test_who_leaves_does_not_take_another_with_them() -> None:
    slow = registered(record("slow"))
    cache.delete("media-worker:0")
    registered(record("quick"))
    slow.leave()
    assert live_workers() == [record("quick")]


def test_there_are_only_so_many_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "SLOTS", 2)
    registrations = [registered(record("one")), registered(record("two"))]
    third = Registration()
    with pytest.raises(NoSlot, match="2 media workers"):
        third.beat(record("three"))
    third.leave()
    registrations[0].leave()
    third.beat(record("three"))
    assert sorted(worker.name for worker in live_workers()) == ["three", "two"]
