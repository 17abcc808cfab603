"""What the log says of a conversation: which session and which turn, and nothing that anybody said."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.agent.fakes import Conversation, FakeLanguageModel, FakeVoice
from tests.agent.virtual_time import run_virtually
from webapp.logs import logging_settings

SECRETS = ("zebra", "walrus", "ocelot")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Everything that is logged, as JSON."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    configuration = structlog.get_config()
    given = logging_settings(level="DEBUG", as_json=True)["formatters"]["parlo"]
    handler.setFormatter(given["()"](processors=given["processors"], foreign_pre_chain=given["foreign_pre_chain"]))
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.removeHandler(handler)
    root.setLevel(level)
    structlog.configure(**configuration)
    structlog.contextvars.clear_contextvars()


async def converse(*heard: str | Exception, **fakes: object) -> None:
    structlog.contextvars.bind_contextvars(session="5e55")
    async with Conversation(*heard, greeting="Hello, ocelot.", **fakes) as talk:  # type: ignore[arg-type]
        await talk.silence(3000)
        await talk.speak()
        await talk.silence(5000)
        talk.agent.read("My friend the walrus says hello.")
        await talk.silence(4000)


def test_nothing_that_is_said_is_logged(written: io.StringIO) -> None:
    run_virtually(converse("I saw a zebra yesterday."))
    assert not [word for word in SECRETS if word in written.getvalue()]


def test_failures_are_logged_with_session_and_turn_and_without_words(written: io.StringIO) -> None:
    mind = FakeLanguageModel(lambda question: f"{question} That is an ocelot indeed, my friend.", fails_after=3)
    voice = FakeVoice(fails=True)
    run_virtually(converse("I saw a zebra yesterday.", mind=mind, voice=voice))
    assert not [word for word in SECRETS if word in written.getvalue()]
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    failures = [line for line in lines if line["level"] == "warning"]
    assert failures
    assert all(line["session"] == "5e55" for line in failures)
    assert {line["turn"] for line in failures} >= {1, 2}
