"""`python -m benchmarks [NAME ...]`: run the benchmarks, or some, and renew results.json and docs/performance.md.

Each runs in a process of its own, in the environment that Parlo's own processes have. What was not run keeps its last
figures, unless they are from another machine.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from avatars.engine.face.kernel import unavailable_because
from benchmarks import tables
from benchmarks.curve import curve
from benchmarks.machine import describe
from webapp.programs import LEAN

USUAL = ("render", "build", "start", "serve", "room", "talk", "interrupt", "sync", "network", "memory")
# These take long, and are run when they are asked for.
NAMES = (*USUAL, "soak", "ramp")
ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("results.json")
PAGE = ROOT / "docs" / "performance.md"
CURVE = ROOT / "docs" / "pictures" / "sessions.svg"


def run(called: str) -> dict[str, Any]:
    """Run one benchmark, called by its name and maybe options; its last line is its result."""
    print(f"{called} ...", flush=True)
    name, *options = called.split()
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.bench_{name}", *options],
        cwd=ROOT,
        env={**os.environ, **LEAN},
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"The benchmark {name} failed; what it said stands above.")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    del figures["bench"]
    return {"date": datetime.now(UTC).date().isoformat(), **figures}


def least_disturbed(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """The run during which the neighbours took least; whatever its figures are."""
    return min(runs, key=lambda figures: sum(disturbances(figures)))


def disturbances(figures: Any) -> Iterator[float]:
    """Every `neighbours_cores` in a result."""
    if isinstance(figures, dict):
        for name, value in figures.items():
            yield from (value,) if name == "neighbours_cores" else disturbances(value)
    elif isinstance(figures, list):
        for value in figures:
            yield from disturbances(value)


def kept(machine: dict[str, Any]) -> dict[str, Any]:
    """The last figures from this machine, by benchmark."""
    if not RESULTS.exists():
        return {}
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    return dict(results["benches"]) if results["machine"] == machine else {}


def write(machine: dict[str, Any], benches: dict[str, Any]) -> None:
    """Renew the results and the tables of the page."""
    ordered = {name: benches[name] for name in NAMES if name in benches}
    text = json.dumps({"machine": machine, "benches": ordered}, indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    if "ramp" in ordered:
        CURVE.write_text(curve(ordered["ramp"]), encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    for made in (
        tables.figures,
        tables.sessions,
        tables.ramp,
        tables.turns,
        tables.network,
        tables.memory,
        tables.soak,
        tables.builds,
    ):
        page = between_marks(page, made.__name__, made(ordered))
    PAGE.write_text(between_marks(page, "machine", tables.machine(machine, ordered)), encoding="utf-8")


def between_marks(page: str, name: str, text: str) -> str:
    """The page with `text` between its two marks of this name."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = page.partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise SystemExit(f"{PAGE.name} has lost its marks {begin} and {end}.")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> None:
    """Run what was asked for, and print the figures beside their targets, and the steps of a turn."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"some of {', '.join(NAMES)}, each maybe with options of its own, as in 'sync --minutes 30'; "
        f"none is {', '.join(USUAL)}",
    )
    parser.add_argument("--times", type=int, default=1, help="run each so often and keep the least disturbed run")
    arguments = parser.parse_args()
    if why_not := unavailable_because():
        parser.error(f"{why_not} What would be measured is not what people run: bin/setup makes it.")
    if unknown := {called.partition(" ")[0] for called in arguments.names} - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    machine = describe()
    benches = kept(machine)
    for called in arguments.names or USUAL:
        runs: list[dict[str, Any]] = []
        for _ in range(max(1, arguments.times)):
            runs.append(run(called))
            benches[called.partition(" ")[0]] = {**least_disturbed(runs), "runs": len(runs)}
            write(machine, benches)
    print(tables.figures(benches), tables.turns(benches), sep="\n\n")


if __name__ == "__main__":
    main()
