"""`python -m avatars.build.painting AVATAR.imx VIDEO OUT.imx`: learn a mouth in a process of its own.

Writes JSON, one object a line: `share` and `message` on the way, and last `used` with `trial` and `faults`, or `refused`.
Whoever stops reading stops it.
"""

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any

# One thread, as all that works beside conversations; the library reads this when it is imported.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["OMP_NUM_THREADS"] = "1"

from avatars.build.painting.learn import TooLittleSpeech, learn_mouth
from avatars.build.refusal import BuildRefused
from avatars.imx import ImxError

SAY_EVERY_S = 0.5
# Builds and conversations come first.
NICENESS = 10


def _say(**words: Any) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main(avatar: str, source: str, out: str) -> None:
    """Learn, and say how it goes."""
    said_s = 0.0

    def told(share: float, text: str) -> None:
        nonlocal said_s
        if time.monotonic() - said_s > SAY_EVERY_S:
            said_s = time.monotonic()
            _say(share=round(share, 3), message=text)

    try:
        learnt = learn_mouth(Path(avatar), Path(source), Path(out), told)
    except (TooLittleSpeech, BuildRefused, ImxError, ValueError) as error:
        _say(refused=str(error))
        return
    _say(used=learnt.mouth is not None, trial=learnt.trial.to_json(), faults=learnt.trial.faults)


if __name__ == "__main__":
    os.nice(NICENESS)
    # What onnxruntime advises about its quantisation is nothing to act on.
    logging.getLogger().setLevel(logging.ERROR)
    main(*sys.argv[1:4])
