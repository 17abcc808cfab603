"""Every static file that a template asks for exists; a missing one would fail the page in production."""

import re
from pathlib import Path

from django.contrib.staticfiles import finders

TEMPLATES = Path(__file__).parents[2] / "templates"
STATIC = re.compile(r"""\{%\s*static\s+['"]([^'"]+)['"]""")


def test_templates_name_static_files_that_exist() -> None:
    asked = {name for path in TEMPLATES.rglob("*.html") for name in STATIC.findall(path.read_text(encoding="utf-8"))}
    assert asked
    assert {name for name in asked if not finders.find(name)} == set()
