"""Make the network of the audio driver, or score it.

corpus speaks what is learnt from and judged by, lessons puts it in rooms and on telephones, train makes a network of
that, score judges the one that ships, beside phones and plain loudness. The packages this takes stand in requirements-train.txt.
"""

import argparse
import os
from pathlib import Path
from typing import Final

# One thread: the same numbers every time, and the other cores left to others.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

FOLDER: Final = Path("var/training")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(prog="python -m avatars.engine.speech.training", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the corpus lies (%(default)s)")
    tasks = parser.add_subparsers(dest="task", required=True)
    tasks.add_parser("corpus", help="speak the corpus")
    tasks.add_parser("lessons", help="turn the corpus into what is heard and what the mouth should do")
    training = tasks.add_parser("train", help="train a network")
    training.add_argument("out", type=Path, help="the ONNX file to write")
    scoring = tasks.add_parser("score", help="score the network that ships")
    scoring.add_argument(
        "--recordings", type=Path, nargs="*", default=[], help="folders with the files that recordings.json names"
    )
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    {"corpus": _corpus, "lessons": _lessons, "train": _train, "score": _score}[chosen.task](chosen)


def _corpus(chosen: argparse.Namespace) -> None:
    from avatars.engine.speech.training import corpus

    for name in corpus.SOURCES:
        print(f"{name}: {corpus.make(name, chosen.folder):.0f} minutes", flush=True)


def _lessons(chosen: argparse.Namespace) -> None:
    from avatars.engine.speech.training import lessons

    for number in range(lessons.PASSES):
        lessons.make(chosen.folder, number).save(_tape(chosen, number))


def _tape(chosen: argparse.Namespace, number: int) -> Path:
    return Path(chosen.folder, f"lessons-{number}.npz")


def _train(chosen: argparse.Namespace) -> None:
    from avatars.engine.speech.training import lessons, onnx_file, train
    from avatars.engine.speech.training.network import Parameters

    def told(line: str, so_far: Parameters) -> None:
        print(line, flush=True)
        onnx_file.write(so_far, chosen.out)

    material = lessons.load_lessons([_tape(chosen, number) for number in range(lessons.PASSES)])
    print(f"{len(material.heard) / 3000:.0f} minutes of lessons", flush=True)
    onnx_file.write(train.train(material, told), chosen.out)


def _score(chosen: argparse.Namespace) -> None:
    from avatars.engine.speech.training import report

    print(report.table(chosen.folder, [*chosen.recordings, Path("tests/material/speech")]))
    print(report.speed())


if __name__ == "__main__":
    main()
