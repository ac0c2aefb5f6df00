"""Rejection episodes: when one begins and ends, what it triggers, and what counts within a day."""

import pytest

from refclock.core.rules.episodes import Episodes
from refclock.core.rules.modes import Trigger
from refclock.policy import parse_policy
from refclock.units import NS_PER_S

# kdc: latches after 900 s, a violation after 60 s, three episodes within a day.
LIMITS = parse_policy("").limits
DAY = 86_400
NOON = 1_800_000_000


class Bench:
    """Episodes in whole seconds; the raw counter begins at 0, UTC at NOON."""

    def __init__(self) -> None:
        self.episodes = Episodes(LIMITS)

    def reject(self, at_s: int, what: str = "drift-mask", violation: bool = False) -> str | None:
        """A refused second; returns why something was triggered."""
        due = self.episodes.reject(at_s * NS_PER_S, NOON + at_s, violation, what)
        self.trigger = None if due is None else due[0]
        return None if due is None else due[1]

    def starts(self) -> list[int]:
        """When the episodes of the day began."""
        return [at - NOON for at in self.episodes.starts_s]


def test_before_all_nothing_is_going_on():
    episodes = Episodes(LIMITS)
    assert episodes.began_ns is None
    assert not episodes.accused
    assert episodes.latches_ns() is None
    assert episodes.latch(10**18) is None


def test_an_episode_lasts_from_a_rejected_second_to_the_end():
    bench = Bench()
    assert bench.reject(5) is None
    assert bench.reject(6) is None
    assert bench.episodes.began_ns == 5 * NS_PER_S
    assert bench.starts() == [5]
    bench.episodes.accused = True
    bench.episodes.end()
    assert bench.episodes.began_ns is None
    assert not bench.episodes.accused
    bench.reject(8)
    assert bench.starts() == [5, 8]


def test_the_third_episode_within_a_day_latches_and_a_day_is_not_a_second_longer():
    bench = Bench()
    for at_s in (0, 100):
        assert bench.reject(at_s) is None
        bench.episodes.end()
    assert bench.reject(DAY) is None  # the first is just a day old
    assert bench.starts() == [100, DAY]
    bench.episodes.end()
    assert bench.reject(DAY + 99) == "3 rejections within 24 h"
    assert bench.trigger is Trigger.LATCHED


def test_a_single_pulse_astray_is_no_episode_of_the_day_a_second_one_is():
    bench = Bench()
    bench.reject(0, "edge-window")
    assert bench.episodes.began_ns == 0
    bench.episodes.end()
    assert bench.starts() == []
    bench.reject(10, "edge-window")
    bench.reject(11, "edge-window")
    assert bench.starts() == [11]
    bench.reject(12, "edge-window")
    assert bench.starts() == [11]


def test_noise_before_does_not_excuse_what_comes_after_the_next_accepted_second():
    bench = Bench()
    bench.reject(0, "edge-window")
    bench.episodes.end()
    bench.reject(5, "drift-mask")
    assert bench.starts() == [5]


def test_what_was_not_the_receiver_s_doing_does_not_count():
    bench = Bench()
    bench.episodes.pardon()
    assert bench.starts() == []
    for at_s in (0, 10):
        bench.reject(at_s)
        bench.episodes.end()
    bench.episodes.pardon()  # nothing is going on: what is over stays
    assert bench.starts() == [0, 10]
    bench.reject(20)
    bench.episodes.pardon()
    assert bench.starts() == [0, 10]


def test_a_pardon_for_what_was_not_counted_takes_nothing_away():
    bench = Bench()
    bench.reject(0)
    bench.episodes.end()
    bench.reject(10, "edge-window")
    bench.episodes.pardon()
    assert bench.starts() == [0]


@pytest.mark.parametrize(("lasting_s", "locks"), [(59, False), (60, True), (61, True)])
def test_a_violation_that_is_repeated_for_a_minute_locks(lasting_s, locks):
    bench = Bench()
    assert bench.reject(0, "date-jump", violation=True) is None
    for at_s in range(1, lasting_s):
        bench.reject(at_s, "date-jump", violation=True)
    told = bench.reject(lasting_s, "date-floor", violation=True)
    assert told == ("date-floor" if locks else None)
    assert bench.trigger is (Trigger.VIOLATION if locks else None)


def test_another_complaint_in_between_begins_the_minute_anew():
    bench = Bench()
    bench.reject(0, "date-jump", violation=True)
    bench.reject(30, "drift-mask")
    assert bench.reject(61, "date-jump", violation=True) is None
    assert bench.reject(120, "date-jump", violation=True) is None
    assert bench.reject(121, "date-jump", violation=True) == "date-jump"


def test_an_accepted_second_in_between_begins_the_minute_anew():
    bench = Bench()
    bench.reject(0, "date-jump", violation=True)
    bench.episodes.end()
    assert bench.reject(61, "date-jump", violation=True) is None


@pytest.mark.parametrize(("at_s", "told"), [(899, None), (900, "rejected for 900 s")])
def test_a_rejection_that_lasts_latches(at_s, told):
    bench = Bench()
    bench.reject(0)
    bench.reject(850)
    assert bench.reject(at_s) == told
    assert bench.trigger is (None if told is None else Trigger.LATCHED)


@pytest.mark.parametrize(("last_s", "latches"), [(840, True), (839, False)])
def test_it_latches_by_time_alone_if_it_was_repeated_within_the_last_minute(last_s, latches):
    """A few rejected seconds and then silence are an antenna that came off, not a lie that lasts."""
    bench = Bench()
    bench.reject(0)
    bench.reject(last_s)
    assert bench.episodes.latches_ns() == (900 * NS_PER_S if latches else None)
    due = bench.episodes.latch(900 * NS_PER_S)
    assert due == ((Trigger.LATCHED, "rejected for 900 s") if latches else None)
