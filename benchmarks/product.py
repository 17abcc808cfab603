"""The whole product for a benchmark: started in a folder of its own, its demo avatars built, nothing else going on."""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import cpu_s, family, members
from tests.browser.product import Product

BUILT_WITHIN_S = 180.0
QUIET_FOR_S = 3.0
QUIET_CPU_S = 0.06
AVATARS = (
    "import json; from avatars.models import Avatar; "
    "print(json.dumps([[a.name, a.code, a.state] for a in Avatar.objects.order_by('name')]))"
)


class MeasuredProduct(Product):
    """A `Product` with a few settings of its own, which tells its processes."""

    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """The product's, with the settings on top."""
        return {**super().environment, "LLM_URL": "", "STT_URL": "", "TTS_URL": "", **getattr(self, "settings", {})}

    def processes(self) -> dict[str, int]:
        """Process numbers by role."""
        assert self._supervisor is not None
        return family(self._supervisor.pid)

    def media_workers(self) -> list[int]:
        """Process numbers of the media workers."""
        assert self._supervisor is not None
        return [process for role, process in members(self._supervisor.pid) if role == "media"]

    def avatars(self) -> dict[str, str]:
        """Codes by name; waits until all are built."""
        deadline_s = time.monotonic() + BUILT_WITHIN_S
        while True:
            found = json.loads(self.manage("shell", "-v", "0", "-c", AVATARS).splitlines()[-1])
            if all(state == "ready" for _, _, state in found):
                return {name: code for name, code, _ in found}
            if time.monotonic() > deadline_s:
                raise SystemExit(f"The demo avatars were not built in time: {found}")
            time.sleep(1)

    def settle(self) -> None:
        """Wait until the builder and the media worker do nothing."""
        processes = self.processes()
        busy = [processes["builder"], processes["media"]]
        for _ in range(20):
            before_s = sum(map(cpu_s, busy))
            time.sleep(QUIET_FOR_S)
            if sum(map(cpu_s, busy)) - before_s < QUIET_CPU_S * QUIET_FOR_S:
                return


@contextmanager
def product(**settings: str) -> Iterator[MeasuredProduct]:
    """A running Parlo with these settings in its environment; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="parlo-bench-") as folder:
        running = MeasuredProduct(Path(folder) / "data")
        running.settings = settings
        try:
            running.start()
            yield running
        finally:
            running.stop()
