"""What is chosen: the settings win, then what an admin stored for all; an avatar's own comes before either."""

from dataclasses import replace
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError

from webapp.providers.catalogue import CATALOGUE
from webapp.providers.endpoint import OPERATOR, OWNER, PARTS, Choice, Endpoint, by_settings
from webapp.providers.models import Provider
from webapp.providers.sealing import SealBroken

logger = structlog.get_logger(__name__)

Kind = Provider.Kind


def for_all() -> Choice:
    """Return what the whole installation uses. Where the tables are not there yet, what the settings say."""
    choice = by_settings(settings)
    try:
        rows = list(Provider.objects.filter(avatar=None))
    except DatabaseError:
        return choice
    for row in rows:
        part = PARTS[row.kind]
        if row.url:
            if getattr(choice, part) is None:
                chosen: Any = {part: _endpoint(row, OPERATOR, public_only=False)}
                choice = replace(choice, **chosen)
        elif row.kind == Kind.LLM and not choice.own_gguf and row.model in CATALOGUE:
            # A file that was removed by hand leaves the demo brain thinking, and that has to be said.
            if CATALOGUE[row.model].file.is_file():
                choice = replace(choice, brain=row.model)
        elif row.kind == Kind.STT and not choice.whisper:
            choice = replace(choice, whisper=row.model, language=row.language or "en")
    return choice


def own(avatar: Any) -> Choice:
    """Return what an avatar uses in place of what all use; nothing where creators may not choose."""
    if settings.CREATOR_PROVIDERS == "off":
        return Choice()
    public_only = settings.CREATOR_PROVIDERS != "any"
    rows = Provider.objects.filter(avatar=avatar).exclude(url="")
    chosen: Any = {PARTS[row.kind]: _endpoint(row, OWNER, public_only=public_only) for row in rows}
    return Choice(**chosen)


def mind_of(avatar: Any) -> Choice:
    """Return the choice that says who thinks for this avatar: its own, or that of all."""
    choice = own(avatar)
    return choice if choice.thinking else for_all()


def demo_brain(avatar: Any) -> bool:
    """Tell whether the tiny model answers for this avatar that comes with Parlo."""
    return own(avatar).demo_brain and for_all().demo_brain


def _endpoint(row: Provider, who: str, *, public_only: bool) -> Endpoint:
    try:
        key = row.key
    except SealBroken as error:
        logger.error("A provider's key is lost", provider=row.pk, reason=str(error))
        key = ""
    return Endpoint(row.url, row.model, key, row.voice, row.rate_hz, row.language or "en", public_only, who)
