"""Pictures for tests; README.md tells where each comes from."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ASTRONAUT = FOLDER / "astronaut.png"
MONA_LISA = FOLDER / "monalisa.jpg"
RACCOON = FOLDER / "raccoon.jpg"
GREY_MOUTH = FOLDER / "grey_mouth.onnx"
RACCOON_POINTS = FOLDER / "raccoon.points.json"
