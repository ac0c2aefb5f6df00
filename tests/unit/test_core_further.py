"""What the witnesses say together of one second, and what the further ones may add to it."""

from dataclasses import replace

import pytest

from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.core.witness.assessment import Assessment
from refclock.core.witness.further import Further
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS

EXACT = RawRate(0, 0)
AT = 7 * 10**12
UTC = 1_800_000_000 * 10**9
SECOND = Second(Edge(AT, 100, 0), 1_800_000_000, False, 0, 0)
NO = Refused(AT, "quorum", 1, 0)
SAID = Interval(UTC - 5, UTC + 5, AT)
NOBODY = Assessment(None, None, 0, None, None, True)


# ---- the assessment ------------------------------------------------------------------------------------


def test_unasked_nobody_objects_and_nobody_is_missed():
    said = Assessment(None, None, 0, None, None, True)
    assert said.further == 0
    assert said.apart_ns is None
    assert (said.cesium_silent, said.phc_disagrees, said.companion_disagrees) == (False, False, False)
    assert (said.cesium_objects, said.further_objects) == (None, None)


def test_the_further_ones_do_not_count_before_trust():
    assert replace(NOBODY, agreeing=3, further=1).before_trust == 2


@pytest.mark.parametrize(
    ("change", "supports"),
    [
        ({}, False),
        ({"quorum": SAID}, True),
        ({"quorum": SAID, "agreeing": 1}, True),
        ({"agreeing": 1}, False),  # the RTC alone, and there is a network
        ({"agreeing": 1, "networked": False}, True),
        ({"agreeing": 2, "networked": False}, True),
        ({"networked": False}, False),
        ({"agreeing": 1, "further": 1, "networked": False}, False),
        ({"quorum": SAID, "quorum_objects": NO}, False),
        ({"quorum": SAID, "cesium_objects": NO}, False),
        ({"quorum": SAID, "further_objects": NO}, False),
        ({"quorum": SAID, "rtc_objects": NO}, True),
    ],
)
def test_who_supports_a_new_anchor(change, supports):
    assert replace(NOBODY, **change).supports_reanchor is supports


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        ({"quorum": SAID, "rtc": SAID}, ""),
        ({"rtc": SAID}, ": the NTP quorum has no opinion"),
        ({"quorum": SAID}, ": rtc has no opinion"),
        ({"quorum": SAID, "rtc": SAID, "rtc_objects": NO}, ": rtc disagrees"),
        ({"quorum": SAID, "rtc": SAID, "cesium_silent": True}, ": the cesium is silent"),
        ({"quorum": SAID, "rtc": SAID, "companion_disagrees": True}, ": the second receiver disagrees"),
        ({"quorum": SAID, "rtc": SAID, "phc_disagrees": True}, ": phc disagrees"),
        ({}, ": the NTP quorum has no opinion and rtc has no opinion"),
    ],
)
def test_who_is_missed_is_said_in_words(change, missing):
    told = replace(NOBODY, agreeing=1, **change).in_words(2)
    assert told == f"1 of 2 witnesses needed agree{missing}"


# ---- the further witnesses ---------------------------------------------------------------------------


class Said:
    """A witness that says one thing."""

    def __init__(self, interval: Interval | None) -> None:
        self.interval_told = interval

    def at(self, raw_ns: int, rate: RawRate) -> Interval | None:
        assert raw_ns == AT
        return self.interval_told

    interval = at


def joined(
    said: Assessment = NOBODY,
    phc: Interval | None = None,
    chrony: Interval | None = None,
    realm: Interval | None = None,
) -> Assessment:
    further = Further(parse_policy(""))  # kdc: E_q is 100 ms
    for name, interval in (("phc", phc), ("chrony", chrony), ("realm", realm)):
        setattr(further, name, Said(interval))
    return further.join(said, SECOND, UTC, EXACT)


def beside(ns: int) -> Interval:
    """An interval whose nearest point lies so far from the second."""
    return Interval(UTC + ns, UTC + ns + 10, AT)


def test_who_says_nothing_changes_nothing():
    said = replace(NOBODY, agreeing=2)
    assert joined(said) is said


@pytest.mark.parametrize(("off_ns", "agrees"), [(0, True), (100, True), (101, False)])
def test_a_network_card_agrees_within_the_stamp_s_uncertainty(off_ns, agrees):
    said = joined(replace(NOBODY, agreeing=2), phc=beside(off_ns))
    assert (said.agreeing, said.further) == ((3, 1) if agrees else (2, 0))
    assert said.phc_disagrees is not agrees
    assert said.further_objects is None


@pytest.mark.parametrize(("off_ns", "agrees"), [(0, True), (100, True), (101, False)])
def test_chrony_s_sources_agree_where_no_quorum_does(off_ns, agrees):
    said = joined(replace(NOBODY, agreeing=1), chrony=beside(off_ns))
    assert (said.agreeing, said.further) == ((2, 1) if agrees else (1, 0))
    assert said.phc_disagrees is False
    said = joined(replace(NOBODY, quorum=SAID, agreeing=1), chrony=beside(off_ns))
    assert (said.agreeing, said.further) == (1, 0)


def test_both_of_them_are_two():
    said = joined(replace(NOBODY, agreeing=1), phc=beside(0), chrony=beside(0))
    assert (said.agreeing, said.further) == (3, 2)


def test_chrony_s_sources_object_beyond_e_q_and_the_stamp_s_uncertainty():
    limit = 100 * NS_PER_MS + 100
    assert joined(chrony=beside(limit - 10)).further_objects is None
    assert joined(chrony=beside(limit - 9)).further_objects == Refused(
        AT, "chrony", limit + 1, limit, SECOND.utc_s
    )


def test_the_realm_objects_and_never_agrees():
    said = joined(replace(NOBODY, agreeing=1), realm=beside(100))
    assert (said.agreeing, said.further, said.further_objects) == (1, 0, None)
    said = joined(realm=beside(101))
    assert said.further_objects == Refused(AT, "realm", 101, 100, SECOND.utc_s)


def test_a_counter_that_began_anew_is_told_to_all_of_them():
    told = []

    class Forgetful(Said):
        def forget_raw(self) -> None:
            told.append(self)

    further = Further(parse_policy(""))
    for name in ("phc", "chrony", "realm"):
        setattr(further, name, Forgetful(None))
    further.forget_raw()
    assert len(told) == 3
