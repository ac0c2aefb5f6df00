"""True time of the emulated world, and what its servers make of it at a leap second."""

from pathlib import Path

from refclock.stage.play import Stage, TrueTime
from refclock.units import NS_PER_S


def test_true_time_may_be_another_and_goes_on_from_there():
    truth = TrueTime(0)
    raw_ns = truth.raw_at(truth.now_ns())
    before_ns = truth.at(raw_ns)
    truth.set(before_ns + 1000 * NS_PER_S)
    # Less what passed between the two calls.
    assert 900 * NS_PER_S < truth.at(raw_ns) - before_ns <= 1000 * NS_PER_S


def test_utc_is_a_second_behind_once_one_was_inserted(tmp_path: Path):
    with Stage(tmp_path) as stage:
        now_s = stage.truth.now_ns() // NS_PER_S
        for later in (None, now_s + 3600):
            stage.leap_at_s = later
            assert stage.utc_ns() >= now_s * NS_PER_S
        stage.leap_at_s = now_s
        true_ns = stage.truth.now_ns()
        assert true_ns - NS_PER_S <= stage.utc_ns() <= stage.truth.now_ns() - NS_PER_S
