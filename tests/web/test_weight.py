"""The web process stays light: pages and signalling load no engine."""

import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
import django
django.setup()
import webapp.asgi
from django.urls import get_resolver
get_resolver().url_patterns
from avatars.forms import AvatarForm
AvatarForm()
heavy = {"onnxruntime", "cv2", "av", "aiortc", "faster_whisper", "ctranslate2", "hibari"} & set(sys.modules)
print(",".join(sorted(heavy)))
"""


def test_the_web_process_loads_no_engine(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "PARLO_DATA_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "webapp.settings",
        "OMP_NUM_THREADS": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""
