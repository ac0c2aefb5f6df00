"""Who is wrong, by what the others say; and in words."""

import pytest

from refclock.core.blame.attribution import Departure, attribute, in_words
from refclock.core.seconds.interval import Interval
from refclock.model import Accuse
from refclock.units import NS_PER_MS, NS_PER_S

MOVED = 100 * NS_PER_MS
RAW = Interval(-5, 5, 0)
RECEIVER = Interval(MOVED - 5, MOVED + 5, 0)
BOTH = Interval(-MOVED, 2 * MOVED, 0)
NEITHER = Interval(-2 * MOVED, -MOVED, 0)


@pytest.mark.parametrize(
    ("quorum", "rtc", "source", "witnesses"),
    [
        (RAW, RAW, "receiver", ["raw", "ntp", "rtc"]),
        (RAW, None, "receiver", ["raw", "ntp"]),
        (None, RAW, "receiver", ["raw", "rtc"]),
        (RAW, BOTH, "receiver", ["raw", "ntp"]),
        (RECEIVER, RECEIVER, "raw", ["receiver", "ntp", "rtc"]),
        (RECEIVER, None, "ambiguous", ["receiver", "ntp"]),
        (None, RECEIVER, "ambiguous", ["receiver", "rtc"]),
        (RECEIVER, BOTH, "ambiguous", ["receiver", "ntp"]),
        (RECEIVER, RAW, "receiver+ntp", ["raw", "rtc"]),
        (RAW, RECEIVER, "ambiguous", []),
        (BOTH, BOTH, "ambiguous", []),
        (NEITHER, NEITHER, "ambiguous", []),
        (None, None, "ambiguous", []),
    ],
)
def test_who_holds_with_whom(quorum, rtc, source, witnesses):
    left = Departure(0, MOVED, NS_PER_S, 0, NS_PER_MS)
    found = attribute(7, left, quorum, rtc)
    assert (found.raw_ns, found.source) == (7, source)
    assert found.evidence == {"moved_ns": MOVED, "took_ns": NS_PER_S, "witnesses": witnesses}


@pytest.mark.parametrize(("beyond_ns", "source"), [(0, "receiver"), (1, "ambiguous")])
def test_one_holds_with_a_prediction_up_to_what_that_may_be_off_itself(beyond_ns, source):
    left = Departure(0, MOVED, NS_PER_S, 0, NS_PER_MS)
    near_raw = Interval(NS_PER_MS + beyond_ns, NS_PER_MS + beyond_ns, 0)
    assert attribute(7, left, near_raw, None).source == source
    # and with the receiver alike: from there on it is no witness against it
    near_receiver = Interval(MOVED - NS_PER_MS - beyond_ns, MOVED - NS_PER_MS - beyond_ns, 0)
    assert attribute(7, left, near_receiver, RECEIVER).source == ("raw" if not beyond_ns else "ambiguous")


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (
            {"moved_ns": 3_200_000, "took_ns": 41 * NS_PER_S, "witnesses": ["raw", "rtc", "ntp"]},
            "receiver moved +3.20 ms in 41 s against raw, rtc and ntp",
        ),
        ({"off_ns": -5}, "receiver is off -5 ns"),
        ({"moved_ns": 7, "took_ns": NS_PER_S}, "receiver moved +7 ns in 1 s"),
        ({"moved_ns": 7, "took_ns": NS_PER_S - 1}, "receiver moved +7 ns at once"),
        ({"moved_ns": "much", "witnesses": ["raw"]}, "receiver moved much against raw"),
        ({"moved_ns": 0, "witnesses": []}, "receiver moved 0 ns"),
        ({}, "receiver moved 0 ns"),
    ],
)
def test_in_words(evidence, words):
    assert in_words(Accuse(0, "receiver", evidence)) == words
