"""A connection that carries nothing but an echo, to find out whether one can be made at all."""

import asyncio
import logging
import re
from typing import Final

from aiortc import RTCDataChannel, RTCSessionDescription
from aiortc.sdp import SessionDescription

from realtime.rtc.network import Network, Unreachable, apply_network, new_connection
from realtime.rtc.peer import OfferRefused

log = logging.getLogger(__name__)

LONGEST_ECHO: Final = 200
MOST_ECHOES: Final = 40


class Probe:
    """Make it, `answer` the offer, and `close` it in every case; `ended` is set when the browser is done with it."""

    def __init__(self, network: Network) -> None:
        self.ended = asyncio.Event()
        self._network = network
        self._connection = new_connection(network)
        self._echoes = 0
        self._connection.on("datachannel", self._on_channel)
        self._connection.on("connectionstatechange", self._on_state)

    async def answer(self, offer_sdp: str) -> str:
        """Take an offer of data channels and nothing else, and return the answer's SDP. Raises as `Peer.answer` does."""
        # With the end of candidates the library gives up as soon as none is left to try, though the browser still tries.
        offer_sdp = re.sub(r"(?m)^a=end-of-candidates\r?\n", "", offer_sdp)
        connection = self._connection
        try:
            if [media.kind for media in SessionDescription.parse(offer_sdp).media] != ["application"]:
                raise OfferRefused("The browser's offer has to ask for a data channel alone.")
            await connection.setRemoteDescription(RTCSessionDescription(sdp=offer_sdp, type="offer"))
            answer = await connection.createAnswer()
            apply_network(self._network, connection)
            await connection.setLocalDescription(answer)
        except (OfferRefused, Unreachable):
            raise
        except Exception as error:
            log.info("offer refused: %s: %s", type(error).__name__, error)
            raise OfferRefused("The browser's offer could not be understood.") from error
        return str(connection.localDescription.sdp)

    async def close(self) -> None:
        """Release everything."""
        await self._connection.close()

    def _on_channel(self, channel: RTCDataChannel) -> None:
        def echo(message: str | bytes) -> None:
            self._echoes += 1
            if self._echoes <= MOST_ECHOES and len(message) <= LONGEST_ECHO:
                channel.send(message)

        channel.on("message", echo)
        channel.on("close", self.ended.set)

    def _on_state(self) -> None:
        if self._connection.connectionState in {"failed", "closed"}:
            self.ended.set()
