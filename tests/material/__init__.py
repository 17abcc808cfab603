"""Pictures for tests; README.md tells where each comes from."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ASTRONAUT = FOLDER / "astronaut.png"
MONA_LISA = FOLDER / "monalisa.jpg"
RACCOON = FOLDER / "raccoon.jpg"
RACCOON_POINTS = FOLDER / "raccoon.points.json"
