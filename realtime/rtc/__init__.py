"""Talking to browsers over WebRTC: the only place that knows aiortc. It knows neither Django nor the agent."""

from realtime.rtc.clock import FRAME_S, FrameClock, Tick
from realtime.rtc.forwarder import Forwarder, ForwarderGone, Viewer
from realtime.rtc.janus import JanusServer
from realtime.rtc.loopback import offer_loopback
from realtime.rtc.network import Network, TurnServer, Unreachable
from realtime.rtc.outlet import Outlet
from realtime.rtc.peer import OfferRefused, Peer, PeerListener
from realtime.rtc.probe import Probe
from realtime.rtc.tracks import Feed
from realtime.rtc.transport import FanOut, Several, Transport, TransportStats

__all__ = [
    "FRAME_S",
    "FanOut",
    "Feed",
    "Forwarder",
    "ForwarderGone",
    "FrameClock",
    "JanusServer",
    "Network",
    "OfferRefused",
    "Outlet",
    "Peer",
    "PeerListener",
    "Probe",
    "Several",
    "Tick",
    "Transport",
    "TransportStats",
    "TurnServer",
    "Unreachable",
    "Viewer",
    "offer_loopback",
]
