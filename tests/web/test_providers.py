"""Providers chosen in pages: who may, what is stored and how, what wins, and which addresses are refused."""

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from avatars.models import Avatar
from tests.agent.stub_server import Stub, stub_server
from webapp.providers import chosen, nearby
from webapp.providers.addresses import is_public, wrong_with
from webapp.providers.catalogue import CATALOGUE, BrainModel
from webapp.providers.endpoint import Endpoint
from webapp.providers.models import Download, Provider
from webapp.providers.nearby import Nearby, find_nearby
from webapp.providers.sealing import SealBroken, seal, unseal

Kind = Provider.Kind
KEY = "sk-very-secret-0123456789"
ADMIN_PAGES = ["/settings/brain/", "/settings/brain/models/", "/settings/providers/"]
ADMIN_POSTS = ["/settings/brain/nearby/", "/settings/brain/demo/", "/settings/brain/models/qwen2.5-0.5b/"]


@pytest.fixture
def admin(make_user: Callable[..., Any]) -> Any:
    return make_user("boss", is_staff=True)


@pytest.fixture(autouse=True)
def _nobody_nearby(monkeypatch: pytest.MonkeyPatch) -> None:
    async def nobody() -> list[Nearby]:
        return []

    monkeypatch.setattr("webapp.providers.views.find_nearby", nobody)
    monkeypatch.setattr("webapp.providers.views.brain_ready", lambda url: True)


@pytest.fixture
def fetched(settings: Any, tmp_path: Any) -> BrainModel:
    """A model that lies on this machine."""
    settings.PARLO_DATA_DIR = tmp_path
    model = CATALOGUE["qwen2.5-0.5b"]
    model.file.parent.mkdir()
    model.file.write_bytes(b"GGUF")
    return model


@pytest.fixture
def server() -> Iterator[Stub]:
    with stub_server() as stub:
        yield stub


def fields(kind: Kind, **values: Any) -> dict[str, Any]:
    given = {"url": "", "model": "", "key": "", "rate_hz": 24000, **values}
    return {"kind": kind, "act": given.pop("act", "save"), **{f"{kind}-{name}": given[name] for name in given}}


# Who may


@pytest.mark.parametrize("address", ADMIN_PAGES + ADMIN_POSTS)
def test_settings_are_for_admins(client: Client, creator: Any, address: str) -> None:
    ask = client.get if address in ADMIN_PAGES else client.post
    assert ask(address).status_code == 302
    client.force_login(creator)
    assert ask(address).status_code == 403
    assert not Download.objects.exists()


@pytest.mark.parametrize("address", ADMIN_PAGES)
def test_admins_see_settings(client: Client, admin: Any, address: str) -> None:
    client.force_login(admin)
    response = client.get(address)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]


def test_an_avatars_providers_are_its_owners(client: Client, avatar: Avatar, creator: Any, user: Any) -> None:
    address = f"/studio/{avatar.code}/providers/"
    assert client.get(address).status_code == 302
    client.force_login(user)
    assert client.get(address).status_code == 404
    assert client.post(address, fields(Kind.LLM, url="https://api.example.org/v1", model="m")).status_code == 404
    client.force_login(creator)
    assert client.get(address).status_code == 200


def test_creators_may_be_kept_from_it(client: Client, avatar: Avatar, creator: Any, settings: Any) -> None:
    client.force_login(creator)
    Provider.objects.create(avatar=avatar, kind=Kind.LLM, url="https://api.example.org/v1", model="m")
    assert chosen.own(avatar).thinking
    settings.CREATOR_PROVIDERS = "off"
    assert client.get(f"/studio/{avatar.code}/providers/").status_code == 403
    assert "providers/" not in client.get(f"/studio/{avatar.code}/").content.decode()
    assert not chosen.own(avatar).thinking


# Keys


def test_keys_are_sealed_and_never_shown(client: Client, avatar: Avatar, creator: Any, caplog: Any) -> None:
    client.force_login(creator)
    address = f"/studio/{avatar.code}/providers/"
    with caplog.at_level(logging.DEBUG):
        client.post(address, fields(Kind.LLM, url="https://api.example.org/v1/", model="gpt", key=KEY))
    row = Provider.objects.get(avatar=avatar)
    assert row.url == "https://api.example.org/v1"
    assert KEY not in json.dumps(Provider.objects.values().get(), default=str)
    assert row.key == KEY
    page = client.get(address).content.decode()
    assert KEY not in page
    assert "A key is stored" in page
    assert KEY not in caplog.text
    endpoint = chosen.own(avatar).thinking
    assert endpoint
    assert endpoint.key == KEY
    assert KEY not in repr(endpoint)


def test_a_key_stays_with_its_server(client: Client, avatar: Avatar, creator: Any) -> None:
    client.force_login(creator)
    address = f"/studio/{avatar.code}/providers/"
    client.post(address, fields(Kind.LLM, url="https://api.example.org/v1", model="a", key=KEY))
    client.post(address, fields(Kind.LLM, url="https://api.example.org/other/v1", model="b"))
    assert Provider.objects.get().key == KEY
    client.post(address, fields(Kind.LLM, url="https://thief.example.net/v1", model="b"))
    assert Provider.objects.get().key == ""


def test_the_secret_key_can_be_changed(settings: Any, avatar: Avatar) -> None:
    sealed = seal(KEY)
    assert sealed != seal(KEY)
    row = Provider.objects.create(
        avatar=avatar, kind=Kind.TTS, url="https://x.example.org", model="m", sealed_key=sealed
    )
    old, settings.SECRET_KEY = settings.SECRET_KEY, "another key altogether"
    with pytest.raises(SealBroken, match="Enter it again"):
        unseal(sealed)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert unseal(sealed) == KEY
    call_command("reseal_keys")
    settings.SECRET_KEY_FALLBACKS = []
    row.refresh_from_db()
    assert row.key == KEY


def test_a_lost_key_is_counted_and_kept_out(settings: Any, avatar: Avatar, capsys: Any) -> None:
    Provider.objects.create(avatar=avatar, kind=Kind.LLM, url="https://x.example.org", model="m", sealed_key=seal(KEY))
    settings.SECRET_KEY = "another key altogether"
    call_command("reseal_keys")
    assert "1 can not be read any more" in capsys.readouterr().out
    assert chosen.own(avatar).thinking == Endpoint(
        "https://x.example.org", "m", "", public_only=True, who="The avatar's owner should check"
    )


# Addresses


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2001:4860:4860::8888", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:7f00:1::", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://api.example.org/v1", "must begin with https"),
        ("https://127.0.0.1/v1", "CREATOR_PROVIDERS"),
        ("https://[::1]/v1", "CREATOR_PROVIDERS"),
        ("https://localhost/v1", "CREATOR_PROVIDERS"),
        ("https://valkey:6379/v1", "CREATOR_PROVIDERS"),
        ("https://metadata.google.internal/v1", "CREATOR_PROVIDERS"),
        ("https://169.254.169.254/latest", "CREATOR_PROVIDERS"),
        ("https://user:word@api.example.org/v1", "Leave names"),
        ("https://api.example.org/v1?key=1", "Leave names"),
        ("https://api.example.org/a b", "no spaces"),
        ("file:///etc/passwd", "Write an address"),
        ("gopher://x.example.org", "Write an address"),
        ("https://", "Write an address"),
        ("https://x.example.org:99999/", "no web address"),
        ("https://[::1/", "no web address"),
        ("https://api.example.org/v1", ""),
    ],
)
def test_a_creators_address_is_looked_at(
    client: Client, avatar: Avatar, creator: Any, settings: Any, url: str, words: str
) -> None:
    assert words in wrong_with(url, public_only=True)
    client.force_login(creator)
    response = client.post(f"/studio/{avatar.code}/providers/", fields(Kind.STT, url=url, model="m"))
    assert response.status_code == (422 if words else 302)
    assert Provider.objects.exists() is not bool(words)
    if words:
        assert words in response.content.decode().replace("&#x27;", "'")


def test_the_operator_may_open_the_network(client: Client, avatar: Avatar, creator: Any, settings: Any) -> None:
    settings.CREATOR_PROVIDERS = "any"
    client.force_login(creator)
    client.post(f"/studio/{avatar.code}/providers/", fields(Kind.STT, url="http://10.0.0.7:9000/v1", model="m"))
    endpoint = chosen.own(avatar).hearing
    assert endpoint
    assert not endpoint.public_only


# What wins


def test_the_settings_win_and_the_page_says_so(client: Client, admin: Any, settings: Any) -> None:
    client.force_login(admin)
    client.post("/settings/providers/", fields(Kind.LLM, url="http://10.0.0.7:9000/v1", model="mine"))
    stored = chosen.for_all().thinking
    assert stored
    assert (stored.model, stored.public_only) == ("mine", False)
    settings.LLM_URL, settings.LLM_MODEL = "http://brain.example.org/v1", "theirs"
    thinking = chosen.for_all().thinking
    assert thinking
    assert thinking.model == "theirs"
    for address in ("/settings/providers/", "/settings/brain/"):
        assert "LLM_URL</code> is set" in client.get(address).content.decode()
    client.post("/settings/brain/demo/")
    assert Provider.objects.count() == 1


def test_an_empty_address_is_no_choice(client: Client, admin: Any) -> None:
    client.force_login(admin)
    client.post("/settings/providers/", fields(Kind.TTS, url="http://10.0.0.7:9000/v1", model="m", voice="v"))
    assert Provider.objects.get().voice == "v"
    client.post("/settings/providers/", fields(Kind.TTS))
    assert not Provider.objects.exists()


def test_a_model_must_be_named(client: Client, admin: Any) -> None:
    client.force_login(admin)
    response = client.post("/settings/providers/", fields(Kind.TTS, url="http://10.0.0.7:9000/v1"))
    assert response.status_code == 422
    assert "Name the model" in response.content.decode()


def test_another_language_needs_ears_for_it(client: Client, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(admin)
    monkeypatch.setattr("webapp.providers.forms.whisper_base_installed", lambda: True)
    response = client.post("/settings/providers/", fields(Kind.STT, language="de"))
    assert "hears English only" in response.content.decode()
    assert client.post("/settings/providers/", fields(Kind.STT, language="de", whisper="base")).status_code == 302
    assert (chosen.for_all().whisper, chosen.for_all().language) == ("base", "de")
    assert "Whisper base, on this machine" in client.get("/settings/providers/").content.decode()


@pytest.mark.parametrize("kind", [Kind.LLM, Kind.STT, Kind.TTS])
def test_saving_one_kind_leaves_the_brain_alone(client: Client, admin: Any, fetched: BrainModel, kind: Kind) -> None:
    Provider.objects.create(kind=Kind.LLM, model="qwen2.5-0.5b")
    client.force_login(admin)
    client.post("/settings/providers/", fields(kind))
    assert chosen.for_all().brain == "qwen2.5-0.5b"


# The demo brain is labelled


def test_the_demo_brain_is_labelled_where_it_answers(
    client: Client, make_avatar: Callable[..., Avatar], fetched: BrainModel
) -> None:
    avatar = make_avatar(visibility=Avatar.Visibility.PUBLIC)
    other = make_avatar(visibility=Avatar.Visibility.PUBLIC)

    def labelled(avatar: Avatar) -> bool:
        found = [client.get(url).content.decode() for url in (avatar.talk_url, avatar.get_absolute_url())]
        assert ("Demo" in found[0]) is ("demo brain" in found[1])
        return "Demo" in found[0]

    assert labelled(avatar)
    Provider.objects.create(avatar=avatar, kind=Kind.LLM, url="https://api.example.org/v1", model="m")
    assert not labelled(avatar)
    assert labelled(other)
    Provider.objects.create(kind=Kind.LLM, model="qwen2.5-0.5b")
    assert not labelled(other)
    fetched.file.unlink()
    assert labelled(other)


def test_admins_are_offered_a_better_one(client: Client, admin: Any, creator: Any) -> None:
    client.force_login(creator)
    assert "demo brain" not in client.get("/studio/").content.decode()
    client.force_login(admin)
    assert "/settings/brain/" in client.get("/studio/").content.decode()


# The page of the brain


def test_a_server_nearby_is_used(client: Client, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def ollama() -> list[Nearby]:
        return [Nearby("Ollama", "http://127.0.0.1:11434/v1", ("llama3.2:3b",))]

    monkeypatch.setattr("webapp.providers.views.find_nearby", ollama)
    client.force_login(admin)
    assert "llama3.2:3b" in client.get("/settings/brain/").content.decode()
    choice = {"url": "http://127.0.0.1:11434/v1", "model": "llama3.2:3b"}
    for wrong in ({"url": "http://10.0.0.1/v1"}, {"model": "other"}, {"url": ""}):
        client.post("/settings/brain/nearby/", choice | wrong)
        assert not Provider.objects.exists()
    client.post("/settings/brain/nearby/", choice)
    thinking = chosen.for_all().thinking
    assert thinking
    assert (thinking.url, thinking.model) == (choice["url"], choice["model"])
    client.post("/settings/brain/demo/")
    assert chosen.for_all().demo_brain


def test_a_model_is_asked_for_stopped_used_and_removed(
    client: Client, admin: Any, settings: Any, tmp_path: Any
) -> None:
    settings.PARLO_DATA_DIR = tmp_path
    client.force_login(admin)
    model = CATALOGUE["qwen2.5-0.5b"]
    address = f"/settings/brain/models/{model.name}/"

    def act(what: str) -> str:
        client.post(address, {"act": what})
        return client.get("/settings/brain/").content.decode()

    assert "is not on this machine yet" in act("use")
    assert chosen.for_all().demo_brain
    assert 'data-busy="yes"' in act("fetch")
    Download.objects.update(state=Download.State.RUNNING, bytes_done=model.size_bytes // 4)
    assert 'value="25"' in client.get("/settings/brain/models/").content.decode()
    page = act("stop")
    assert "Stopped. It can be taken up again." in page
    assert "Go on" in page
    model.part.parent.mkdir()
    model.file.write_bytes(b"GGUF")
    assert "In use" in act("use")
    assert chosen.for_all().brain == model.name
    act("remove")
    assert model.file.exists(), "what thinks at this moment is not removed"
    client.post("/settings/brain/demo/")
    act("remove")
    assert not model.file.exists()
    client.post("/settings/brain/models/nothing/", {"act": "fetch"})
    assert not Download.objects.exists()


def test_a_brain_that_does_not_answer_is_told(client: Client, admin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.force_login(admin)
    assert "does not answer at the moment" not in client.get("/settings/brain/").content.decode()
    monkeypatch.setattr("webapp.providers.views.brain_ready", lambda url: False)
    assert "does not answer at the moment" in client.get("/settings/brain/").content.decode()
    Provider.objects.create(kind=Kind.LLM, url="http://127.0.0.1:11434/v1", model="llama")
    assert "does not answer at the moment" not in client.get("/settings/brain/").content.decode()


# Servers nearby


@pytest.fixture
def answers() -> Iterator[Callable[[str, bytes], int]]:
    """A function that starts a server with one answer, and returns its port."""
    servers = []

    def start(kind: str, body: bytes) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                self.wfile.write(body if self.path == "/v1/models" else b"?")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return int(server.server_port)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


JSON = "application/json; charset=utf-8"


@pytest.mark.parametrize(
    ("kind", "body", "models"),
    [
        (JSON, b'{"object":"list","data":[{"id":"llama3.2"},{"id":"nomic-embed-text"}]}', ("llama3.2",)),
        (JSON, b'{"object":"list","data":null}', ()),
        (JSON, b'{"data":[]}', ()),
        (JSON, b'{"data":[{"name":"x"}]}', None),
        (JSON, b'{"data":[{"id":7}]}', ()),
        (JSON, b'["x"]', None),
        (JSON, b'{"models":[]}', None),
        (JSON, b"{", None),
        (JSON, b"[" * 2_000_000, None),
        ("text/html", b"<html>", None),
    ],
)
async def test_what_answers_nearby(
    answers: Callable[[str, bytes], int], kind: str, body: bytes, models: tuple[str, ...] | None
) -> None:
    port = answers(kind, body)
    found = await find_nearby((("Ollama", port), ("LM Studio", 9)))
    url = f"http://127.0.0.1:{port}/v1"
    assert found == ([] if models is None else [Nearby("Ollama", url, models)])


async def test_a_server_that_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearby, "ASK_WITHIN_S", 0.05)
    closing: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: closing.append(writer), "127.0.0.1", 0)
    async with asyncio.timeout(5):
        assert await find_nearby((("Ollama", silent.sockets[0].getsockname()[1]),)) == []
    for writer in closing:
        writer.close()
    silent.close()


# The test button


def tried(client: Client, address: str, **values: Any) -> dict[str, Any]:
    response = client.post(address, fields(**values, act="test"), headers={"Accept": "application/json"})
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    assert not Provider.objects.exists(), "trying is not saving"
    return answer


def test_trying_a_mind(client: Client, admin: Any, server: Stub) -> None:
    client.force_login(admin)
    server.says("Hello, ", "friend.")
    answer = tried(client, "/settings/providers/", kind=Kind.LLM, url=server.url, model="m", key=KEY)
    assert answer["ok"]
    assert "It said “Hello, friend.”. First word after" in answer["message"]
    assert answer["message"].endswith("It did not use the tool it was offered.")
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "time", "arguments": "{}"}}
    called = [
        {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    server.replies = [server.chunks, called]
    answer = tried(client, "/settings/providers/", kind=Kind.LLM, url=server.url, model="m", key=KEY)
    assert answer["message"].endswith("It can use tools.")
    server.refuses_tools = True
    answer = tried(client, "/settings/providers/", kind=Kind.LLM, url=server.url, model="m", key=KEY)
    assert answer["ok"]
    assert "It refuses tools" in answer["message"]
    server.refuses_tools = False
    server.chunks = []
    assert not tried(client, "/settings/providers/", kind=Kind.LLM, url=server.url, model="m")["ok"]
    server.status = 401
    refused = tried(client, "/settings/providers/", kind=Kind.LLM, url=server.url, model="m")
    assert refused["message"] == "The language model refused the key it was given. Check the key."


def test_trying_a_voice(client: Client, admin: Any, server: Stub) -> None:
    client.force_login(admin)
    server.pcm = b"\x00\x40\x00\xc0" * 24_000
    answer = tried(client, "/settings/providers/", kind=Kind.TTS, url=server.url, model="m")
    assert answer["ok"]
    assert "spoke for 2.0 s" in answer["message"]
    server.pcm = b"\x00\x40\x00\xc0" * 2_400
    assert (
        "rate of the samples"
        in tried(client, "/settings/providers/", kind=Kind.TTS, url=server.url, model="m")["message"]
    )
    server.pcm = b"\x00\x00" * 24_000
    assert "silence" in tried(client, "/settings/providers/", kind=Kind.TTS, url=server.url, model="m")["message"]


def test_trying_ears(client: Client, admin: Any, server: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    import numpy as np

    recording = (np.zeros(16_000, np.float32), "Hello, this is how I sound.")
    monkeypatch.setattr("webapp.providers.trial._recording", lambda: recording)
    client.force_login(admin)
    server.transcript = "Hello, this is how I sound"
    answer = tried(client, "/settings/providers/", kind=Kind.STT, url=server.url, model="m")
    assert answer["ok"]
    assert "It heard “Hello, this is how I sound”" in answer["message"]
    server.transcript = "Completely other words"
    assert not tried(client, "/settings/providers/", kind=Kind.STT, url=server.url, model="m")["ok"]
    server.transcript = ""
    assert "heard nothing" in tried(client, "/settings/providers/", kind=Kind.STT, url=server.url, model="m")["message"]


def test_trying_what_is_not_there(client: Client, admin: Any) -> None:
    client.force_login(admin)
    answer = tried(client, "/settings/providers/", kind=Kind.LLM, url="http://127.0.0.1:9/v1", model="m")
    assert answer == {"ok": False, "message": "The language model cannot be reached. Check its address."}
    assert "no address to try" in tried(client, "/settings/providers/", kind=Kind.LLM)["message"]


def test_a_name_that_leads_inside_is_refused_when_it_is_used(
    client: Client, avatar: Avatar, creator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def inside(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", ("10.0.0.5", port))]

    monkeypatch.setattr("asyncio.base_events.BaseEventLoop.getaddrinfo", inside)
    client.force_login(creator)
    address = f"/studio/{avatar.code}/providers/"
    answer = tried(client, address, kind=Kind.LLM, url="https://rebind.example.org/v1", model="m")
    assert answer["message"] == "The language model has an address that avatars may not use. Check its address."


def test_trying_has_a_limit(client: Client, admin: Any) -> None:
    client.force_login(admin)
    found = [tried(client, "/settings/providers/", kind=Kind.LLM)["message"] for _ in range(30)]
    assert "no address" in found[0]
    assert "Wait a minute" in found[-1]


def test_the_button_works_without_a_script(client: Client, admin: Any) -> None:
    client.force_login(admin)
    page = client.post("/settings/providers/", fields(Kind.LLM, act="test")).content.decode()
    assert "There is no address to try" in page
    assert 'data-ok="no"' in page
