"""Tools in a conversation: several rounds, what shows when, interruptions, and models that lie. Most of it on virtual time."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache

from realtime.agent import AgentSettings, Link
from realtime.agent.protocols import Message, ProviderError, ReplyCutShort
from realtime.agent.providers.openai_llm import MOST_CALLS, OpenAiLanguageModel
from realtime.agent.tool_use import MOST_ROUNDS, ToolUser
from realtime.agent.tools import Card, Farewell, ToolCall, toolbox_for
from tests.agent.fakes import Conversation, FakeLanguageModel, FakeToolCaller
from tests.agent.stub_server import Stub, stub_server
from tests.agent.test_conversation import virtually
from webapp.providers.endpoint import Choice, Endpoint
from webapp.providers.refusals import refuses_tools

ALL = frozenset({"time", "calculator", "gesture", "hang_up", "link"})
HOURS = Link("Opening hours", "https://museum.example/hours")
SUM = ToolCall("calculator", '{"expression": "6*7"}')
CARD = ToolCall("link", '{"title": "Opening hours"}')
LEAVE = ToolCall("hang_up", "{}")


def talking(*heard: str, replies: list[list[Any]], **how: Any) -> Conversation:
    return Conversation(*heard, mind=FakeToolCaller(replies=replies), tools=ALL, links=(HOURS,), **how)


@virtually
async def test_a_result_is_told_and_the_answer_spoken() -> None:
    async with talking("What is six times seven?", replies=[[SUM], ["It is ", "42."]]) as talk:
        await talk.speak()
        await talk.silence(3000)
        assert talk.stage.captions("avatar") == ["It is 42."]
        first, second = talk.mind.asked
        assert second[: len(first)] == first
        call, result = second[len(first) :]
        assert call["tool_calls"][0]["function"] == {"name": "calculator", "arguments": '{"expression": "6*7"}'}
        assert result == {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "42"}


@virtually
async def test_the_history_keeps_only_what_was_said() -> None:
    async with talking("Six times seven?", "And now?", replies=[[SUM], ["It is 42."], ["Now it is late."]]) as talk:
        for _ in range(2):
            await talk.speak()
            await talk.silence(3000)
        assert [message["role"] for message in talk.mind.asked[-1]] == ["system", "user", "assistant", "user"]


@virtually
async def test_what_is_shown_waits_for_the_end_of_the_turn() -> None:
    async with talking("Show me when you are open.", replies=[[CARD], ["Here you ", "are."]]) as talk:
        await talk.speak()
        await talk.silence(320)
        assert len(talk.mind.asked) >= 1
        assert not talk.stage.of_type("card")
        await talk.silence(3000)
        (card,) = talk.stage.of_type("card")
        assert card == {"type": "card", "turn": 1, "title": "Opening hours", "url": HOURS.url}
        assert talk.stage.captions("avatar") == ["Here you are."]


@virtually
async def test_what_was_begun_for_a_turn_that_goes_on_never_shows() -> None:
    replies: list[list[Any]] = [[CARD, "Here it is."], ["Tea it is."]]
    async with talking("Show me", "Show me some tea.", replies=replies) as talk:
        talk.mind.first_s = 0.01
        await talk.speak()
        await talk.silence(300)
        await talk.speak()
        await talk.silence(4000)
        assert len(talk.mind.asked) == 3
        assert not talk.stage.of_type("card")
        assert talk.stage.captions("avatar") == ["Tea it is."]


@virtually
async def test_a_gesture_is_played() -> None:
    nod = ToolCall("gesture", '{"name": "nod"}')
    async with talking("Nod, please.", replies=[[nod], ["Like this."]]) as talk:
        await talk.speak()
        await talk.silence(3000)
        assert [word for word, _ in talk.stage.gestures] == ["nod"]
        assert talk.stage.captions("avatar") == ["Like this."]


@virtually
async def test_it_hangs_up_when_its_goodbye_was_heard() -> None:
    async with talking("I have to go.", replies=[[LEAVE], ["Goodbye, and come back soon."]]) as talk:
        await talk.speak()
        await talk.silence(800)
        assert talk.stage.played
        assert not talk.stage.hung_up_s
        await talk.silence(3000)
        assert len(talk.stage.hung_up_s) == 1
        assert talk.stage.captions("avatar") == ["Goodbye, and come back soon."]


@virtually
async def test_a_goodbye_said_with_the_call_is_not_said_twice() -> None:
    async with talking("Bye.", replies=[["Goodbye, then.", LEAVE], ["Goodbye again."]]) as talk:
        await talk.speak()
        await talk.silence(3000)
        assert talk.stage.captions("avatar") == ["Goodbye, then."]
        assert len(talk.mind.asked) == 1
        assert len(talk.stage.hung_up_s) == 1


@pytest.mark.parametrize("after", [[], [ProviderError("The language model cannot be reached.")]])
def test_who_has_no_words_for_goodbye_says_goodbye(after: list[Any]) -> None:
    @virtually
    async def scenario() -> None:
        async with talking("Bye.", replies=[[LEAVE], after]) as talk:
            await talk.speak()
            await talk.silence(3000)
            assert talk.stage.captions("avatar") == ["Goodbye!"]
            assert len(talk.stage.hung_up_s) == 1
            assert not talk.stage.of_type("notice")

    scenario()


@virtually
async def test_who_speaks_over_the_goodbye_is_not_hung_up_on() -> None:
    replies: list[list[Any]] = [[LEAVE], ["Goodbye, my friend, it was lovely to have you here today."], ["Of course."]]
    async with talking("I have to go.", "Wait, one more thing.", replies=replies) as talk:
        await talk.speak()
        await talk.silence(1000)
        await talk.speak()
        await talk.silence(4000)
        assert not talk.stage.hung_up_s
        assert talk.stage.captions("avatar") == ["Of course."]


@virtually
async def test_a_model_that_only_calls_is_stopped_and_apologised_for() -> None:
    async with talking("What is six times seven?", replies=[[SUM]]) as talk:
        await talk.speak()
        await talk.silence(6000)
        assert len(talk.mind.asked) == MOST_ROUNDS + 1
        assert talk.mind.may_call == [True] * MOST_ROUNDS + [False]
        assert talk.stage.of_type("notice")[0]["code"] == "no_answer"


@virtually
async def test_nonsense_is_told_to_the_model_and_harms_nobody() -> None:
    nonsense = [ToolCall("rm", "-rf"), ToolCall("calculator", "{{{"), ToolCall("link", '{"title": "Other"}')]
    async with talking("Do it.", replies=[[*nonsense], ["I cannot."]]) as talk:
        await talk.speak()
        await talk.silence(3000)
        results = [message["content"] for message in talk.mind.asked[1] if message["role"] == "tool"]
        assert [result.split()[0] for result in results] == ["There", "The", "title"]
        (made,) = [message["tool_calls"] for message in talk.mind.asked[1] if "tool_calls" in message]
        assert all(isinstance(json.loads(call["function"]["arguments"]), dict) for call in made)
        assert talk.stage.captions("avatar") == ["I cannot."]
        assert not talk.stage.of_type("card")


@virtually
async def test_an_interruption_ends_a_tool_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    async def slow(*_: Any) -> Any:
        try:
            await asyncio.sleep(4)
        finally:
            ended.append("ended")

    monkeypatch.setattr("realtime.agent.tools.Toolbox.call", slow)
    async with talking("Six times seven?", replies=[["Let me see. ", SUM], ["It is 42."]]) as talk:
        await talk.speak()
        await talk.silence(1000)
        assert not ended
        talk.agent.interrupt()
        await talk.silence(500)
        assert ended == ["ended"]
        assert len(talk.mind.asked) == 1


@virtually
async def test_where_no_model_calls_tools_plain_requests_are_met() -> None:
    async with Conversation("What's 12 times 7?", "Hang up, please.", tools=ALL, links=(HOURS,)) as talk:
        for _ in range(2):
            await talk.speak()
            await talk.silence(3500)
        assert talk.stage.captions("avatar") == ["That is 84.", "Goodbye!"]
        assert not talk.mind.asked
        assert len(talk.stage.hung_up_s) == 1


@virtually
async def test_what_is_switched_off_is_not_done() -> None:
    async with Conversation("What's 12 times 7?", tools=frozenset({"time"})) as talk:
        await talk.speak()
        await talk.silence(3500)
        assert len(talk.mind.asked) == 1


# Against a server

ASKED: list[Message] = [{"role": "user", "content": "What is six times seven?"}]


@pytest.fixture
def server() -> Iterator[Stub]:
    with stub_server() as stub:
        yield stub


def piece(index: int | None = 0, **function: Any) -> dict[str, Any]:
    call = {"index": index, "type": "function", "function": function}
    return {"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]}


def words(*texts: str) -> list[dict[str, Any]]:
    return [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]


def end(reason: str | None = "tool_calls") -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


async def said(model: OpenAiLanguageModel, *tools: str) -> list[str]:
    settings = AgentSettings(tools=frozenset(tools or ALL), links=(HOURS,))
    return [text async for text in ToolUser(model, toolbox_for(settings)).reply(ASKED)]


async def test_a_call_comes_in_pieces(server: Stub) -> None:
    server.replies = [
        [piece(name="calculator", arguments=""), piece(arguments='{"expre'), piece(arguments='ssion": "6*7"}'), end()],
        [*words("It is ", "42."), end("stop")],
    ]
    assert await said(OpenAiLanguageModel(Endpoint(server.url, "m"))) == ["It is ", "42."]
    first, second = (json.loads(body) for _, body in server.asked)
    assert [tool["function"]["name"] for tool in first["tools"]] == ["time", "calculator", "gesture", "hang_up", "link"]
    assert first["tool_choice"] == "auto"
    assert second["tools"] == first["tools"]
    assert second["messages"][0] == first["messages"][0]
    assert second["messages"][-1]["content"] == "42"


async def test_two_calls_at_once_are_both_answered(server: Stub) -> None:
    server.replies = [
        [
            piece(0, name="calculator", arguments='{"expression":"1+1"}'),
            piece(1, name="link", arguments='{"title":"Opening hours"}'),
            end(),
        ],
        [*words("Two."), end("stop")],
    ]
    card, text = await said(OpenAiLanguageModel(Endpoint(server.url, "m")))
    assert isinstance(card, Card)
    assert text == "Two."
    results = [m["content"] for m in json.loads(server.asked[1][1])["messages"] if m["role"] == "tool"]
    assert results[0] == "2"
    assert results[1].startswith("A card")


@pytest.mark.parametrize(
    "pieces",
    [
        # No numbers, and an ending that says nothing of calls, as some servers send them.
        [piece(None, name="hang_up", arguments="{}"), end("stop")],
        [piece(0, name="hang_up", arguments=None), end()],
        [piece(0, name="hang_up", arguments={}), end()],
    ],
)
async def test_calls_as_some_servers_send_them(server: Stub, pieces: list[dict[str, Any]]) -> None:
    server.replies = [pieces, [*words("Bye."), end("stop")]]
    farewell, text = await said(OpenAiLanguageModel(Endpoint(server.url, "m")))
    assert isinstance(farewell, Farewell)
    assert text == "Bye."


@pytest.mark.parametrize("reason", [None, "length"])
async def test_a_call_that_was_broken_off_is_not_made(server: Stub, reason: str | None) -> None:
    server.replies = [[piece(name="hang_up", arguments="{"), *([end(reason)] if reason else [])]]
    with pytest.raises(ProviderError, match="broke off"):
        await said(OpenAiLanguageModel(Endpoint(server.url, "m")))


async def test_words_cut_short_take_their_call_with_them(server: Stub) -> None:
    server.replies = [[*words("And so"), piece(name="hang_up", arguments="{}"), end("length")]]
    with pytest.raises(ReplyCutShort):
        await said(OpenAiLanguageModel(Endpoint(server.url, "m")))


async def test_a_flood_of_calls_is_cut(server: Stub) -> None:
    flood = [piece(n, name="calculator" * 30, arguments="9" * 9000) for n in range(200)]
    server.replies = [[*flood, end()], [*words("Enough."), end("stop")]]
    assert await said(OpenAiLanguageModel(Endpoint(server.url, "m"))) == ["Enough."]
    second = json.loads(server.asked[1][1])
    assert sum(message["role"] == "tool" for message in second["messages"]) <= MOST_CALLS
    assert len(server.asked[1][1]) < 10_000


async def test_a_server_that_refuses_tools_is_asked_without_them_and_remembered(server: Stub) -> None:
    cache.clear()
    server.refuses_tools = True
    server.says("I think ", "42.")
    endpoint = Endpoint(server.url, "old-one")
    model = OpenAiLanguageModel(endpoint)
    assert model.calls_tools
    assert await said(model) == ["I think ", "42."]
    assert not model.calls_tools
    assert refuses_tools(Choice(thinking=endpoint))
    assert not refuses_tools(Choice(thinking=Endpoint(server.url, "another")))
    before = len(server.asked)
    assert await said(model) == ["I think ", "42."]
    assert len(server.asked) == before + 1


async def test_a_server_that_fails_either_way_is_not_blamed_for_the_tools(server: Stub) -> None:
    cache.clear()
    server.status = 400
    endpoint = Endpoint(server.url, "broken")
    model = OpenAiLanguageModel(endpoint)
    with pytest.raises(ProviderError):
        await said(model)
    assert model.calls_tools
    assert not refuses_tools(Choice(thinking=endpoint))


async def test_the_local_brain_reads_the_tools_ahead(server: Stub) -> None:
    server.says("Hm.")
    settings = AgentSettings(tools=frozenset({"time"}))
    await ToolUser(OpenAiLanguageModel(Endpoint(server.url, "m"), read_ahead=True), toolbox_for(settings)).prepare(
        ASKED
    )
    assert json.loads(server.asked[0][1])["tools"][0]["function"]["name"] == "time"


async def test_the_demo_brain_is_offered_none(server: Stub) -> None:
    server.says("Hm.")
    assert await said(OpenAiLanguageModel(Endpoint(server.url, "m"), tools=False)) == ["Hm."]
    assert "tools" not in json.loads(server.asked[0][1])


async def test_a_mind_without_tools_is_asked_as_ever() -> None:
    mind = FakeLanguageModel(first_s=0, word_s=0)
    told = [text async for text in ToolUser(mind, toolbox_for(AgentSettings(tools=ALL))).reply(ASKED)]
    assert "".join(told).startswith("You said")
