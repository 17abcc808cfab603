"""What admins see of the conversations that go on, and how they end one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.test import Client

from avatars.models import Avatar
from realtime.live import FrameRates, LiveSession, find_holder, live_sessions, publish
from realtime.placement import Registration, WorkerRecord

ROW = LiveSession(uuid4().hex, "A000000000", "speaking", 1, 2, 24.9, 3.1, 0, 61, 12.5)
PAGE = "/settings/sessions/"


@dataclass
class Counted:
    id: UUID
    spoken_frames: int = 0
    idle_frames: int = 0


def test_rates_are_those_of_the_last_three_seconds() -> None:
    rates, session = FrameRates(), Counted(uuid4())
    assert rates.note([session], 0.0) == {session.id: 0.0}
    for half_second in range(1, 21):
        # 25 frames a second at first, then half of them.
        session.idle_frames += 12 if half_second % 2 and half_second <= 10 else 13 if half_second <= 10 else 6
        found = rates.note([session], half_second / 2)[session.id]
        if half_second == 10:
            assert found == pytest.approx(25, abs=0.5)
    assert found == pytest.approx(12, abs=0.5)
    assert rates.note([], 11.0) == {}
    assert rates.note([session], 11.5) == {session.id: 0.0}


@pytest.fixture
def worker() -> WorkerRecord:
    """A worker that lives, with one session."""
    record = WorkerRecord("here.1.abc", "media.abc", 3, 1)
    Registration().beat(record)
    publish(record.name, [ROW])
    return record


@pytest.fixture
def admin(client: Client, make_user: Callable[..., Any]) -> Client:
    client.force_login(make_user("admin", is_staff=True))
    return client


def test_sessions_are_known_by_worker(worker: WorkerRecord) -> None:
    publish(worker.name, [ROW, replace(ROW, id="b", lasts_s=90)])
    ((found, rows),) = live_sessions()
    assert (found, [row.id for row in rows]) == (worker, ["b", ROW.id])
    assert find_holder(ROW.id) == worker
    assert find_holder(uuid4().hex) is None


def test_the_page_tells_how_a_session_fares(
    admin: Client, worker: WorkerRecord, make_avatar: Callable[..., Avatar]
) -> None:
    make_avatar(code=ROW.avatar, name="Ada <b>")
    for address in (PAGE, f"{PAGE}list/"):
        page = admin.get(address).content.decode()
        for words in ("Ada &lt;b&gt;", "speaking", "24.9", "3.1 ms", "61 s", "12.5 s", "2 watching", "room for 2 more"):
            assert words in page, words


def test_the_page_says_that_nobody_talks(admin: Client) -> None:
    assert "No media worker is running" in admin.get(PAGE).content.decode()
    Registration().beat(WorkerRecord("here.1.abc", "media.abc", 3, 0))
    assert "Nobody talks here" in admin.get(PAGE).content.decode()


def test_an_admin_hangs_up(admin: Client, worker: WorkerRecord) -> None:
    assert admin.post(f"{PAGE}{UUID(hex=ROW.id)}/hang-up/").status_code == 302
    message = async_to_sync(get_channel_layer().receive)(worker.channel)
    assert message == {"type": "hang_up", "session": ROW.id}
    page = admin.post(f"{PAGE}{uuid4()}/hang-up/", follow=True).content.decode()
    assert "has ended already" in page


@pytest.mark.parametrize("address", [PAGE, f"{PAGE}list/"])
def test_the_page_is_for_admins(client: Client, user: Any, worker: WorkerRecord, address: str) -> None:
    assert client.get(address)["Location"].startswith("/accounts/login/")
    client.force_login(user)
    assert client.get(address).status_code == 403
    assert client.post(f"{PAGE}{UUID(hex=ROW.id)}/hang-up/").status_code == 403
