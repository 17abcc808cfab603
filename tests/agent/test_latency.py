"""How long a turn takes on the virtual clock: what the providers take is fixed, and the rest is ours."""

import asyncio

import numpy as np
import pytest

from realtime.agent.protocols import HEARING_RATE_HZ
from realtime.agent.vad import FRAME_SAMPLES
from tests.agent.fakes import Conversation, FakeLanguageModel, FakeVoice
from tests.agent.virtual_time import run_virtually

HEARING_S, FIRST_TOKEN_S, WORD_S, VOICE_S = 0.150, 0.150, 0.010, 0.080
PACKET_SAMPLES = HEARING_RATE_HZ // 50
SPOKEN_S = 1.0
SAID = "I keep the old light for everybody who is out at sea tonight, and there is always tea."


async def first_sound_s(late_samples: int) -> float:
    """From the last sample of a voice to the first sound of the answer; packets of 20 ms, cut where they fall."""
    mind = FakeLanguageModel(lambda _: SAID, first_s=FIRST_TOKEN_S, word_s=WORD_S)
    async with Conversation("What do you do?", mind=mind, voice=FakeVoice(VOICE_S)) as talk:
        talk.ears.delay_s = HEARING_S
        sound = np.zeros(3 * HEARING_RATE_HZ, np.float32)
        end = int(SPOKEN_S * HEARING_RATE_HZ) + late_samples
        sound[:end] = 0.9
        begun_s = asyncio.get_running_loop().time()
        for at in range(0, len(sound), PACKET_SAMPLES):
            await asyncio.sleep(PACKET_SAMPLES / HEARING_RATE_HZ)
            talk.agent.hear(sound[at : at + PACKET_SAMPLES])
        assert talk.stage.played[0][1] == "I keep the old light"
        return talk.stage.first_played_s - begun_s - end / HEARING_RATE_HZ


@pytest.fixture(scope="module")
def turns_s() -> list[float]:
    return [run_virtually(first_sound_s(late)) for late in range(0, 5 * FRAME_SAMPLES, 128)]


def test_with_providers_far_away_the_first_sound_comes_within_half_a_second(turns_s: list[float]) -> None:
    assert sorted(turns_s)[len(turns_s) // 2] <= 0.500


def test_of_that_at_most_120_ms_are_ours(turns_s: list[float]) -> None:
    """The time until the first piece has its five words is counted as ours, for one could begin with less."""
    assert max(turns_s) - (HEARING_S + FIRST_TOKEN_S + VOICE_S) <= 0.120
