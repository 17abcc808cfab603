"""From a picture to an `.imx` file: CPU and wall seconds, bytes, memory, and the time to load it. A process for each picture."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from avatars.build import FacePoints, build_avatar
from avatars.demo import demo_avatars
from avatars.engine.face import Rig
from avatars.engine.portrait import Kind
from avatars.imx import open_imx
from benchmarks.measure import Spread, cpu_of_children_s, print_result

ASTRONAUT = Path(__file__).resolve().parents[1] / "tests/material/astronaut.png"
LOADS = 10


def build(name: str) -> dict[str, Any]:
    """Build one avatar in this process, models included, then load it a few times."""
    source, points, kind = ASTRONAUT, None, None
    for demo in demo_avatars():
        if demo.key == name:
            source, kind = demo.picture, Kind(demo.kind)
            points = FacePoints.from_json(demo.points) if demo.points else None
    with tempfile.TemporaryDirectory() as folder:
        imx = Path(folder) / "avatar.imx"
        report = build_avatar(source, imx, points=points, kind=kind)
        loads_ms = []
        for _ in range(LOADS):
            start_s = time.process_time()
            Rig.from_portrait(open_imx(imx).portrait())
            loads_ms.append((time.process_time() - start_s) * 1000)
    return {
        "picture": name,
        "build_cpu_s": report.cpu_s,
        "build_wall_s": report.wall_s,
        "stage_cpu_s": report.stage_cpu_s,
        "imx_bytes": report.imx_bytes,
        "load_cpu_ms": Spread.of(loads_ms).p50,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def build_apart(name: str) -> dict[str, Any]:
    """The same in a process of its own; its whole CPU and wall time, from the start of Python on, beside the build's."""
    start_s, cpu_s = time.monotonic(), cpu_of_children_s()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.bench_build", "--only", name],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
    )
    whole = {"cpu_s": round(cpu_of_children_s() - cpu_s, 2), "wall_s": round(time.monotonic() - start_s, 2)}
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**figures, **whole}


def main() -> None:
    """Print one JSON object."""
    names = [*(demo.key for demo in demo_avatars()), ASTRONAUT.stem]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=names, help="one picture, in this process")
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(build(arguments.only)))
    else:
        print_result("build", pictures=[build_apart(name) for name in names])


if __name__ == "__main__":
    main()
