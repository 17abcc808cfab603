"""One end of a call in a process of its own, so that it can live in a network of its own. It speaks JSON, line by line.

`python -m tests.rtc.far_end worker|visitor NETWORK`: the visitor says its offer, hears the answer, and says what it was shown.
"""

import asyncio
import json
import sys
from typing import Any

from realtime.rtc import Network, TurnServer
from tests.rtc.browser import Browser
from tests.rtc.test_peer import Call

PICTURES = 10


def network_of(text: str) -> Network:
    """Read what `described` wrote."""
    values = json.loads(text)
    turn = TurnServer(**values["turn"]) if values["turn"] else None
    return Network(range(*values["ports"]) if values["ports"] else None, tuple(values["announced"]), None, turn)


def described(network: Network) -> str:
    """A network as an argument on a command line."""
    turn = network.turn and {name: getattr(network.turn, name) for name in TurnServer.__slots__}
    ports = [network.ports.start, network.ports.stop] if network.ports else None
    return json.dumps({"ports": ports, "announced": network.announced, "turn": turn})


def say(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def hear() -> dict[str, Any]:
    heard: dict[str, Any] = json.loads(await asyncio.to_thread(sys.stdin.readline))
    return heard


async def worker(network: Network) -> None:
    call = Call(network)
    say(answer=await call.peer.answer((await hear())["offer"]))
    call.play()
    await asyncio.to_thread(sys.stdin.read)
    await call.close()


async def visitor(network: Network) -> None:
    browser = Browser(network)
    say(offer=await browser.offer())
    await browser.take((await hear())["answer"])
    await browser.connected()
    await browser.until(lambda b: len(b.pictures) >= PICTURES)
    ice = browser.connection.sctp.transport.transport._connection
    (pair,) = ice._nominated.values()
    say(local=pair.local_candidate.type, remote=pair.remote_addr[0])
    await browser.close()


if __name__ == "__main__":
    asyncio.run({"worker": worker, "visitor": visitor}[sys.argv[1]](network_of(sys.argv[2])))
