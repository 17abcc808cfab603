"""Compile the kernel beside its source: set-up runs this file.

The library's name holds the digest of what it was made of, so that one made of another source is never loaded. Only the
standard library is used here, and nothing of Parlo.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("face.c")
COMPILERS: Final = ("cc", "gcc", "clang")
# Fast mathematics, but not at link time: there it would change how the whole process rounds very small numbers.
COMPILE: Final = ("-std=c11", "-O3", "-ffast-math", "-fPIC", "-c")
LINK: Final = ("-shared",)
# What every 64-bit x86 processor since 2009 can do.
X86: Final = ("-msse4.1",)


def flags() -> tuple[str, ...]:
    """What the compiler is told on this machine."""
    return (*COMPILE, *X86) if platform.machine().lower() in ("x86_64", "amd64") else COMPILE


def library_path() -> Path:
    """Where the library of this very source lies, or would lie."""
    made_of = SOURCE.read_bytes() + " ".join(flags()).encode()
    return SOURCE.with_name(f"face-{sysconfig.get_platform()}-{hashlib.sha256(made_of).hexdigest()[:12]}.so")


def find_compiler() -> str | None:
    """The C compiler: what CC names, or the first usual name that is there."""
    named = os.environ.get("CC")
    return next((path for name in ((named,) if named else COMPILERS) if (path := shutil.which(name))), None)


def build() -> Path:
    """Compile, unless that has been done. Raises RuntimeError, in words, where it cannot be."""
    path = library_path()
    if path.exists():
        return path
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError("There is no C compiler on this machine.")
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        compiled, linked = Path(folder, "face.o"), Path(folder, "face.so")
        for command in (
            [compiler, *flags(), str(SOURCE), "-o", str(compiled)],
            [compiler, *LINK, str(compiled), "-lm", "-o", str(linked)],
        ):
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode:
                raise RuntimeError(f"{compiler} could not compile the face kernel:\n{ran.stderr.strip()}")
        for stale in path.parent.glob("face-*.so"):
            stale.unlink()
        linked.replace(path)
    return path


if __name__ == "__main__":
    try:
        build()
    except (RuntimeError, OSError) as error:
        print(error, file=sys.stderr)
        print(
            "Parlo runs without its face kernel, but draws each frame about five times slower. "
            "On Debian or Ubuntu: apt-get install gcc libc6-dev, then once more.",
            file=sys.stderr,
        )
