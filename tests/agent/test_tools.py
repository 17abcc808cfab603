"""The registry of tools: what is offered, what each does, and what becomes of calls that make no sense."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest

from realtime.agent import AgentSettings, Link
from realtime.agent.plain_requests import plain_request
from realtime.agent.tools import WITHIN_S, Card, Done, Farewell, Tool, Toolbox, ToolCall, toolbox_for, zone_of
from tests.agent.virtual_time import run_virtually

HOURS = Link("Opening hours", "https://museum.example/hours")
EVERYTHING = AgentSettings(
    tools=frozenset({"time", "calculator", "gesture", "hang_up", "link"}), links=(HOURS,), time_zone="Europe/Berlin"
)


def fixed(zone: tzinfo) -> datetime:
    return datetime(2026, 11, 26, 14, 5, tzinfo=UTC).astimezone(zone)


def called(name: str, arguments: Any = None, settings: AgentSettings = EVERYTHING) -> Done:
    written = arguments if isinstance(arguments, str) else json.dumps(arguments or {})
    return run_virtually(toolbox_for(settings, fixed).call(ToolCall(name, written)))


def offered(settings: AgentSettings) -> list[str]:
    return [function["name"] for function in toolbox_for(settings).functions()]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (EVERYTHING, ["time", "calculator", "gesture", "hang_up", "link"]),
        (AgentSettings(), []),
        (AgentSettings(tools=frozenset({"time", "surprise"})), ["time"]),
        # Nothing to show, and nobody who may hang up for all.
        (replace(EVERYTHING, links=()), ["time", "calculator", "gesture", "hang_up"]),
        (replace(EVERYTHING, several=True), ["time", "calculator", "gesture", "link"]),
    ],
)
def test_only_what_the_owner_switched_on_is_offered(asked: AgentSettings, names: list[str]) -> None:
    assert offered(asked) == names


def test_what_is_offered_is_a_schema() -> None:
    for function in toolbox_for(EVERYTHING).functions():
        assert set(function) == {"name", "description", "parameters"}
        schema = function["parameters"]
        assert schema["type"] == "object"
        assert set(schema["required"]) <= set(schema["properties"])
        assert json.loads(json.dumps(function)) == function


@pytest.mark.parametrize(
    ("name", "arguments", "told"),
    [
        ("time", {}, "Thursday, 26 November 2026, 15:05 (Europe/Berlin)"),
        ("time", {"time_zone": "America/New_York"}, "Thursday, 26 November 2026, 09:05 (America/New_York)"),
        ("time", {"time_zone": "../../etc/passwd"}, "This time zone is not known"),
        ("time", {"time_zone": "Mars/Olympus"}, "This time zone is not known"),
        ("calculator", {"expression": "6*7"}, "42"),
        ("calculator", {"expression": 42}, "42"),
        ("calculator", {"expression": "1/0"}, "divided by zero"),
        ("calculator", {}, "expression is missing"),
        ("calculator", {"expression": ["1"]}, "expression has to be text"),
        ("calculator", "[1]", "have to be an object"),
        ("calculator", '{"expression": "1', "no JSON"),
        ("calculator", "[" * 50_000, "too long"),
        ("gesture", {"name": "nod"}, "Your face does it now"),
        ("gesture", {"name": "explode"}, "one of: nod"),
        ("link", {"title": "Opening hours"}, "A card with the link “Opening hours”"),
        ("link", {"title": "https://evil.example"}, "one of: Opening hours"),
        ("hang_up", {}, "Say goodbye"),
        ("shell", {"command": "ls"}, "There is no tool of this name"),
    ],
)
def test_what_a_call_is_told(name: str, arguments: Any, told: str) -> None:
    assert told in called(name, arguments).told


def test_what_happens_with_a_call() -> None:
    assert called("gesture", {"name": "nod"}).deed == "[nod] "
    assert isinstance(called("hang_up").deed, Farewell)
    card = called("link", {"title": "Opening hours"}).deed
    assert isinstance(card, Card)
    assert card.link == HOURS
    assert called("link", {"title": "Elsewhere"}).deed is None


def test_an_unknown_place_is_said_to_be_unknown() -> None:
    told = called("time", settings=replace(EVERYTHING, time_zone="Nowhere")).told
    assert "14:05 (UTC; the visitor's own time zone is not known)" in told


@pytest.mark.parametrize(
    "name", ["", "/etc/localtime", "../UTC", "a" * 400, "Europe/Berlin\n", "\0", "Europe", "Zone/No"]
)
def test_what_is_no_time_zone_is_none(name: str) -> None:
    assert zone_of(name) is None


def test_a_tool_that_hangs_or_fails_is_told_and_no_more() -> None:
    async def hangs(_: Any) -> Done:
        await asyncio.sleep(WITHIN_S + 1)
        return Done("late")

    async def fails(_: Any) -> Done:
        raise RuntimeError("secret detail")

    schema = {"type": "object", "properties": {}, "required": []}
    box = Toolbox([Tool("slow", "", schema, hangs, True), Tool("broken", "", schema, fails, True)])
    assert "too long" in run_virtually(box.call(ToolCall("slow", ""))).told
    assert run_virtually(box.call(ToolCall("broken", "{}"))).told == "This failed."


@pytest.mark.parametrize(
    ("words", "name", "argument"),
    [
        ("What time is it?", "time", ""),
        ("Could you tell me the time, please?", "time", ""),
        ("What's today's date?", "time", ""),
        ("What day is it today?", "time", ""),
        ("What's 12 times 7?", "calculator", "12  *  7"),
        ("How much is fifteen percent of 80?", "calculator", "15  % *  80"),
        ("What is 1,000 divided by 4?", "calculator", "1,000  /  4"),
        ("Please hang up now.", "hang_up", ""),
        ("Can you end the call?", "hang_up", ""),
        ("Show me the opening hours.", "link", "Opening hours"),
        ("Open the link to the opening hours, please", "link", "Opening hours"),
    ],
)
def test_plain_requests_are_understood(words: str, name: str, argument: str) -> None:
    call = plain_request(words, (HOURS,))
    assert call is not None
    assert call.name == name
    assert list(json.loads(call.arguments).values()) == ([argument] if argument else [])


@pytest.mark.parametrize(
    "words",
    [
        "What time do you open?",
        "What time is it in Tokyo?",
        "Don't hang up.",
        "I had to hang up on him.",
        "What is 5?",
        "What is love?",
        "What is the capital of France?",
        "Show me the way.",
        "What's the time signature of a waltz?",
        "",
    ],
)
def test_everything_else_is_for_the_language_model(words: str) -> None:
    assert plain_request(words, (HOURS,)) is None
