"""How the avatar holds itself, and what the page says about it."""

from typing import Final

from avatars.engine.performer import Activity
from realtime.agent.protocols import Stage

# While nobody speaks the avatar is at ease, yet the page should say that it listens.
_SHOWN: Final = {
    Activity.IDLE: "listening",
    Activity.LISTENING: "listening",
    Activity.THINKING: "thinking",
    Activity.SPEAKING: "speaking",
}


class Bearing:
    """Tells the stage and the browser of every change, once."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._activity: Activity | None = None
        self._shown = ""

    def be(self, activity: Activity) -> None:
        """Take this bearing."""
        if activity is not self._activity:
            self._activity = activity
            self._stage.set_activity(activity)
        if (shown := _SHOWN[activity]) != self._shown:
            self._shown = shown
            self._stage.send({"type": "state", "state": shown})
