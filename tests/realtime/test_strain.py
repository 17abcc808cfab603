"""A worker in trouble takes nobody in; one that only stumbled soon does again."""

from realtime.strain import CALM_FOR_S, CALM_MS, LATE_MS, Strain


def test_a_calm_worker_is_not_strained() -> None:
    strain = Strain()
    for second in range(20):
        strain.note(CALM_MS - 1, second)
        assert not strain.strained


def test_trouble_is_noticed_at_once_and_forgotten_after_a_while() -> None:
    strain = Strain()
    strain.note(LATE_MS + 1, 100.0)
    assert strain.strained
    strain.note(0.0, 100.0 + CALM_FOR_S - 0.1)
    assert strain.strained
    strain.note(0.0, 100.0 + CALM_FOR_S)
    assert not strain.strained


def test_between_late_and_calm_it_stays_what_it_was() -> None:
    between_ms = (LATE_MS + CALM_MS) / 2
    strain = Strain()
    strain.note(between_ms, 0.0)
    assert not strain.strained
    strain.note(LATE_MS + 1, 1.0)
    for second in range(2, 30):
        strain.note(between_ms, second)
        assert strain.strained
