"""Where the embedded Valkey listens."""

import hashlib
import os
import tempfile
from pathlib import Path

# The kernel refuses longer socket addresses (108 bytes on Linux, 104 on macOS).
LONGEST_SOCKET_PATH = 100


def valkey_socket(data_dir: Path) -> Path:
    """Return the Unix socket of the embedded Valkey for this data directory; only its owner can connect.

    A data directory too deep for a socket address gets a private folder named after it in the system's temporary one.
    """
    path = data_dir / "valkey" / "valkey.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"parlo-{os.getuid()}-{digest}" / "valkey.sock"
