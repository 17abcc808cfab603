"""What avatars remember of users who allow it: kept here, and nowhere else. Never in a log."""

from typing import Any

import structlog
from channels.db import database_sync_to_async
from django.db import transaction

from avatars.models import Avatar
from realtime.agent import Providers, Recollection, drawn_facts, same_fact
from realtime.models import Acquaintance, Memory

logger = structlog.get_logger(__name__)

# A letter budget for a token budget.
LETTERS_A_TOKEN = 4


def remembered(user_id: Any, avatar: Avatar) -> tuple[str, ...]:
    """What the avatar knows of a user, the oldest first; nothing where one of them does not want that."""
    if user_id is None or not avatar.remembers:
        return ()
    memories = Memory.objects.filter(acquaintance__user=user_id, acquaintance__avatar=avatar)
    return tuple(memories.values_list("text", flat=True))


def may_remember(user_id: Any, avatar_id: int) -> bool:
    """Tell whether both of them want it at this moment."""
    return Acquaintance.objects.filter(user=user_id, avatar=avatar_id, avatar__remembers=True).exists()


def remember(user_id: Any, avatar_id: int, facts: list[str]) -> int:
    """Keep facts, as long as the user still allows it; the oldest make room. Returns how many were new."""
    with transaction.atomic():
        acquaintance = (
            Acquaintance.objects.select_for_update()
            .filter(user=user_id, avatar=avatar_id, avatar__remembers=True)
            .first()
        )
        if acquaintance is None:
            return 0
        known = {same_fact(text) for text in acquaintance.memories.values_list("text", flat=True)}
        new = [fact for fact in facts if same_fact(fact) not in known]
        Memory.objects.bulk_create(Memory(acquaintance=acquaintance, text=fact) for fact in new)
        kept = acquaintance.memories.order_by("-pk").values_list("pk", flat=True)[: Memory.LIMIT]
        acquaintance.memories.exclude(pk__in=list(kept)).delete()
        return len(new)


class Recollector:
    """Draws facts from one conversation of a user with an avatar, when it is over.

    known: what the avatar was told; what the user deletes meanwhile does not come back from there.
    """

    def __init__(self, user_id: Any, avatar: Avatar, known: tuple[str, ...], providers: Providers) -> None:
        self._user_id = user_id
        self._avatar_id = avatar.pk
        self._known = known
        self._providers = providers

    async def recollect(self, recollection: Recollection) -> None:
        """Ask the language model, and keep what it writes. Without consent it is not even asked. Never raises."""
        if not any(turn["role"] == "user" for turn in recollection.turns) and not recollection.notes:
            return
        try:
            if not await database_sync_to_async(may_remember)(self._user_id, self._avatar_id):
                return
            most_letters = LETTERS_A_TOKEN * self._providers.history_tokens
            facts = await drawn_facts(self._providers.language_model, self._known, recollection, most_letters)
            new = await database_sync_to_async(remember)(self._user_id, self._avatar_id, facts)
            logger.info("A conversation is remembered", facts=new)
        except Exception as error:
            # Neither the words nor what the model made of them belong in a log.
            logger.warning("A conversation could not be remembered", reason=type(error).__name__)
