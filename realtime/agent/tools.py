"""What an avatar can do besides talking, as far as its owner switched it on: one registry for every kind of agent."""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from avatars.engine.gestures import GESTURES, Named
from realtime.agent.calculator import LONGEST_LETTERS, SumRefused, shown, spoken, work_out
from realtime.agent.protocols import AgentSettings, Link

log = logging.getLogger(__name__)

WITHIN_S: Final = 5.0
LONGEST_ARGUMENTS: Final = 2000
GOODBYE: Final = "Goodbye!"
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+-]{0,31}(?:/[A-Za-z0-9_+-]{1,32}){0,2}")

Now = Callable[[tzinfo], datetime]


class Deed(str):
    """No words, but something that happens with the reply that holds it."""


class Card(Deed):
    """The page shows a link, when the reply is let out."""

    link: Link

    def __new__(cls, link: Link) -> "Card":
        """Show this link."""
        card = super().__new__(cls)
        card.link = link
        return card


class Farewell(Deed):
    """The call is over once the reply was heard to its end."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a call.

    told: to the language model. deed: what goes into the reply, a stage direction or a `Deed`, if anything.
    spoken: an answer as good as any, for where no language model words it.
    """

    told: str
    deed: str | None = None
    spoken: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing it can do. parameters: a JSON schema, whose properties are all strings. on: its owner allows it."""

    name: str
    description: str
    parameters: dict[str, Any]
    run: Callable[[Mapping[str, str]], Awaitable[Done]]
    on: bool


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a language model wants done. arguments: JSON as it wrote it, which need not be any."""

    name: str
    arguments: str


class Toolbox:
    """The tools of one conversation."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools if tool.on}

    def __bool__(self) -> bool:
        return bool(self._tools)

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    def functions(self) -> list[dict[str, Any]]:
        """What a model is offered: the name, the description and the parameters of each."""
        return [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in self._tools.values()
        ]

    async def call(self, call: ToolCall) -> Done:
        """Do it, within `WITHIN_S`. What goes wrong is told to the model in a sentence; only a cancellation is raised."""
        tool = self._tools.get(call.name)
        if tool is None:
            return Done("There is no tool of this name.")
        try:
            async with asyncio.timeout(WITHIN_S):
                return await tool.run(_checked(tool.parameters, call.arguments))
        except _Refused as refusal:
            return Done(str(refusal))
        except TimeoutError:
            log.warning("the tool %s took too long", tool.name)
            return Done("This took too long and was given up.")
        except Exception:
            log.exception("the tool %s failed", tool.name)
            return Done("This failed.")


def toolbox_for(settings: AgentSettings, now: Now = datetime.now) -> Toolbox:
    """The tools of an avatar. Where several talk nobody hangs up for all of them."""

    def on(name: str) -> bool:
        return name in settings.tools

    return Toolbox(
        [
            _time(settings.time_zone, now, on("time")),
            _calculator(on("calculator")),
            _gesture(settings.gestures, on("gesture")),
            _hang_up(on("hang_up") and not settings.several),
            _link(settings.links, on("link") and bool(settings.links)),
        ]
    )


def zone_of(name: str) -> tzinfo | None:
    """The time zone of this name, as in "Europe/Berlin"; None where there is none. Never looks outside the zones."""
    if not _ZONE.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):
        return None


class _Refused(Exception):
    """A call that cannot be done. The text tells the model why."""


def _checked(parameters: Mapping[str, Any], written: str) -> dict[str, str]:
    """The arguments that a model wrote, as far as the schema knows them. Raises _Refused."""
    if len(written) > LONGEST_ARGUMENTS:
        raise _Refused("The arguments are too long.")
    try:
        given = json.loads(written or "{}")
    except (ValueError, RecursionError) as error:
        raise _Refused("The arguments are no JSON.") from error
    if not isinstance(given, dict):
        raise _Refused("The arguments have to be an object.")
    known: dict[str, str] = {}
    for name, schema in parameters["properties"].items():
        value = given.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if value is None or value == "":
            if name in parameters["required"]:
                raise _Refused(f"{name} is missing.")
            continue
        if not isinstance(value, str):
            raise _Refused(f"{name} has to be text.")
        if "enum" in schema and value not in schema["enum"]:
            raise _Refused(f"{name} has to be one of: {', '.join(schema['enum'])}.")
        known[name] = value
    return known


def _parameters(required: Sequence[str] = (), **properties: dict[str, Any]) -> dict[str, Any]:
    described = {name: {"type": "string", **more} for name, more in properties.items()}
    return {"type": "object", "properties": described, "required": list(required), "additionalProperties": False}


def _time(visitors: str, now: Now, on: bool) -> Tool:
    async def run(given: Mapping[str, str]) -> Done:
        asked = given.get("time_zone", "")
        zone = zone_of(asked or visitors)
        if zone is None and asked:
            raise _Refused("This time zone is not known. Give a name such as Europe/Paris or Asia/Tokyo.")
        moment = now(zone or UTC)
        day = f"{moment:%A}, {moment.day} {moment:%B %Y}"
        where = (asked or visitors) if zone else "UTC; the visitor's own time zone is not known"
        hour, half = moment.hour % 12 or 12, "a.m." if moment.hour < 12 else "p.m."
        place = "" if zone else " in universal time"
        return Done(
            f"{day}, {moment:%H:%M} ({where})",
            spoken=f"It is {hour}:{moment:%M} {half}{place}, on {day}.",
        )

    return Tool(
        "time",
        "The time and the date now, where the visitor is, or in another time zone.",
        _parameters(time_zone={"description": "A name such as Asia/Tokyo. Leave it out for where the visitor is."}),
        run,
        on,
    )


def _calculator(on: bool) -> Tool:
    async def run(given: Mapping[str, str]) -> Done:
        try:
            value = work_out(given["expression"])
        except SumRefused as refusal:
            raise _Refused(str(refusal)) from refusal
        return Done(shown(value), spoken=f"That is {spoken(value)}.")

    return Tool(
        "calculator",
        "Works out a sum exactly: + - * / ^, parentheses, sqrt() and abs(), and percent as in 15% * 80.",
        _parameters(["expression"], expression={"maxLength": LONGEST_LETTERS}),
        run,
        on,
    )


def _gesture(own: Sequence[Named], on: bool) -> Tool:
    words = dict.fromkeys(gesture.word for gesture in (*own, *GESTURES.values()))

    async def run(given: Mapping[str, str]) -> Done:
        return Done("Your face does it now.", deed=f"[{given['name']}] ")

    return Tool(
        "gesture",
        "Moves your face, once.",
        _parameters(["name"], name={"enum": list(words)}),
        run,
        on,
    )


def _hang_up(on: bool) -> Tool:
    async def run(given: Mapping[str, str]) -> Done:
        return Done(
            "The call ends after your next words. Say goodbye in one short sentence.",
            deed=Farewell(),
            spoken=GOODBYE,
        )

    return Tool(
        "hang_up",
        "Ends the call. Only where the visitor wants to end it, or has said goodbye.",
        _parameters(),
        run,
        on,
    )


def _link(links: Sequence[Link], on: bool) -> Tool:
    by_title = {link.title: link for link in links}

    async def run(given: Mapping[str, str]) -> Done:
        link = by_title[given["title"]]
        told = f"A card with the link “{link.title}” is in front of the visitor now. Do not read the address out."
        return Done(told, deed=Card(link), spoken=f"Here is {link.title}.")

    return Tool(
        "link",
        "Shows the visitor a card with one of these links, which they may open.",
        _parameters(["title"], title={"enum": list(by_title)}),
        run,
        on,
    )
