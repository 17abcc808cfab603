"""The demo avatars: described in `demo/demo.json`, built once, owned by nobody, public."""

from pathlib import Path
from typing import Final

DEMO_FILE: Final = Path(__file__).parent / "demo" / "demo.json"
