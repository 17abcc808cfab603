"""How many bits a picture may have on its way to one browser: a few fixed rungs, left for good reasons only.

Every change of rung is a new encoder and so a key frame. So estimates of the bandwidth are not followed: a rung is left
downwards when the network shows that it is too much, upwards after a while of calm. Who climbs in vain waits longer each time.
"""

import math
from collections import deque
from typing import Final

# Of the most that a picture of its size may have.
RUNGS: Final = (1.0, 2 / 3, 4 / 9, 5 / 18, 1 / 6)
# A conversation begins in the middle, and is at the top after a few seconds where nothing speaks against it.
FIRST_RUNG: Final = 2
FIRST_CALM_S: Final = 2.0
CALM_S: Final = 10.0
LONGEST_CALM_S: Final = 120.0
# Trouble so soon after a climb was because of it.
IN_VAIN_WITHIN_S: Final = 8.0
# What was sent before a step downwards is still reported for a while after it, and each begins with the burst of a key frame.
SETTLING_S: Final = 1.5
BURST_S: Final = 0.8

# More packets than this are lost only where there are too many of them; below, losses may be the network's nature.
TOO_MANY_LOST: Final = 0.15
FAR_TOO_MANY_LOST: Final = 0.3
# Browsers report many times a second, of a few packets each: what is judged are seconds, three in a row or a bad one alone.
JUDGED_S: Final = 0.9
JUDGED_PACKETS: Final = 20
REPORTS: Final = 3
# An estimate that stops at this share of what is sent says that packets wait ever longer.
WAITING_SHARE: Final = 0.9
LONG_WAITING_SHARE: Final = 0.7
TWICE_WITHIN_S: Final = 3.0
MEASURED_S: Final = 2.0
# Less is too little to conclude anything from.
LEAST_KBIT_S: Final = 60.0


class Ladder:
    """Which of `RUNGS` a browser's network bears. All times in seconds of one clock that never goes back."""

    def __init__(self) -> None:
        self.rung = FIRST_RUNG
        self._sent: deque[tuple[float, int]] = deque()
        self._due = self._lost = 0
        self._since_s: float | None = None
        self._shares: deque[float] = deque(maxlen=REPORTS)
        self._estimate_kbit_s: float | None = None
        self._waited_s: float | None = None
        self._stepped_s: float | None = None
        self._climbed_s = self._descended_s = -math.inf
        self._calm_s = FIRST_CALM_S

    def sent(self, size: int, now_s: float) -> None:
        """So many bytes were sent."""
        self._sent.append((now_s, size))
        while self._sent[0][0] < now_s - MEASURED_S:
            self._sent.popleft()
        if self._stepped_s is None:
            self._stepped_s = now_s
        self._climb(now_s)

    def reported(self, due: int, lost: int, now_s: float) -> None:
        """The browser reports that so many packets were due since its last report, and how many of them did not come."""
        if self._since_s is None:
            self._since_s = now_s
        self._due, self._lost = self._due + due, self._lost + lost
        if now_s - self._since_s < JUDGED_S or self._due < JUDGED_PACKETS:
            return
        share = max(0, self._lost) / self._due
        self._due, self._lost, self._since_s = 0, 0, now_s
        self._shares.append(share)
        if share > FAR_TOO_MANY_LOST:
            self._descend(2, now_s)
        elif self._lossy(TOO_MANY_LOST):
            self._descend(1, now_s)

    def _lossy(self, share: float) -> bool:
        return len(self._shares) == REPORTS and sum(self._shares) / REPORTS > share

    def estimated(self, kbit_s: float, now_s: float) -> None:
        """The browser estimates that so much gets through. Only one that does not grow says something: they grow slowly."""
        before, self._estimate_kbit_s = self._estimate_kbit_s, kbit_s
        sent_kbit_s = sum(size for _, size in self._sent) / 125 / MEASURED_S
        if before is None or kbit_s > before or sent_kbit_s < LEAST_KBIT_S:
            return
        if kbit_s < LONG_WAITING_SHARE * sent_kbit_s:
            self._descend(2, now_s)
        elif kbit_s < WAITING_SHARE * sent_kbit_s:
            # A busy machine makes packets wait as well, once.
            again = self._waited_s is not None and now_s - self._waited_s < TWICE_WITHIN_S
            self._waited_s = now_s
            if again:
                self._descend(1, now_s)

    def _descend(self, steps: int, now_s: float) -> None:
        if now_s - self._descended_s < SETTLING_S or now_s - self._climbed_s < BURST_S:
            return
        if now_s - self._climbed_s < IN_VAIN_WITHIN_S:
            self._calm_s = min(max(2 * self._calm_s, CALM_S), LONGEST_CALM_S)
        elif now_s - self._descended_s > LONGEST_CALM_S:
            self._calm_s = CALM_S
        self._descended_s, self._climbed_s = now_s, -math.inf
        self._step(min(self.rung + steps, len(RUNGS) - 1), now_s)

    def _climb(self, now_s: float) -> None:
        assert self._stepped_s is not None
        if self.rung == 0 or self._lossy(0.8 * TOO_MANY_LOST) or now_s - self._stepped_s < self._calm_s:
            return
        self._climbed_s = now_s
        self._step(self.rung - 1, now_s)

    def _step(self, rung: int, now_s: float) -> None:
        self.rung, self._stepped_s, self._waited_s = rung, now_s, None
        self._shares.clear()
        self._due, self._lost, self._since_s = 0, 0, now_s
