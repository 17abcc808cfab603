"""What an avatar plays in a conversation: what its agent and its stage have to know of it, from the database."""

import numpy as np

from avatars.engine.gestures import GESTURES
from avatars.engine.performer import Mood
from avatars.engine.recorded import RecordedGesture
from avatars.models import Avatar, Passage
from realtime.agent import (
    AgentSettings,
    Cue,
    Knowledge,
    KnownPassage,
    Link,
    Recollection,
    SaidBy,
    Trigger,
    WrittenPair,
)
from realtime.stage import Temperament


def agent_settings(
    avatar: Avatar,
    *,
    several: bool = False,
    time_zone: str = "",
    recorded: tuple[RecordedGesture, ...] = (),
    memories: tuple[str, ...] = (),
    resumed: Recollection | None = None,
) -> AgentSettings:
    """What the agent has to know of an avatar, whether it meets several people at once, and of a visitor.

    time_zone: where they are. recorded: the gestures that its face has beside those of every face.
    """
    pairs = tuple(
        WrittenPair(tuple(line.strip() for line in pair.questions.splitlines() if line.strip()), pair.answer)
        for pair in avatar.pairs.all()
    )
    triggers = tuple(
        Trigger(
            tuple(trigger.words.splitlines()),
            Cue(trigger.gesture, trigger.stop_on_user_speech, trigger.stop_on_agent_speech),
            SaidBy(trigger.said_by),
        )
        for trigger in avatar.triggers.all()
        # A recorded gesture may have been deleted since.
        if trigger.gesture in GESTURES or trigger.gesture in {own.name for own in recorded}
    )
    known = knowledge_of(avatar)
    return AgentSettings(
        avatar.persona,
        avatar.greeting,
        avatar.voice,
        avatar.name,
        pairs,
        triggers,
        several,
        known,
        avatar.patience,
        avatar.longest_turn_s,
        avatar.tools,
        tuple(Link(link.title, link.url) for link in avatar.links.all()),
        time_zone,
        recorded,
        memories,
        resumed,
    )


def knowledge_of(avatar: Avatar) -> Knowledge | None:
    """What it knows from files, if anything."""
    rows = list(Passage.objects.filter(document__avatar=avatar).select_related("document"))
    if not rows:
        return None
    passages = tuple(KnownPassage(row.text, row.document.name, row.page, row.heading) for row in rows)
    return Knowledge(passages, np.stack([np.frombuffer(row.meaning, "<f4") for row in rows]))


def temperament_of(avatar: Avatar) -> Temperament:
    """How its face is by nature."""
    return Temperament(Mood(avatar.mood), avatar.idle_gestures)
