"""A second receiver beside a standard: what its messages' arrival tells."""

from dataclasses import replace

import pytest

from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.leap import LeapSecond, LeapSeconds
from refclock.core.witness.companion import Companion
from refclock.policy import ReceiverSettings, parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.report import Health, Label, TimeOfDay

LIMITS = parse_policy("").limits
EXACT = RawRate(0, 0)
SETTINGS = ReceiverSettings(message_delay_ns=100 * NS_PER_MS, message_jitter_ns=20 * NS_PER_MS)
UTC_S = 1_803_859_200
AT = 5 * 10**12
LABEL = Label("nmea", "RMC", 0, 1, UTC_S, valid=True)


def heard(*labels: Label, settings: ReceiverSettings | None = SETTINGS, every_ms: int = 0) -> Companion:
    """One that said this, ``every_ms`` apart."""
    companion = Companion(settings, LIMITS)
    for number, label in enumerate(labels):
        companion.hear(label, AT + number * every_ms * NS_PER_MS, 7, LeapSeconds())
    return companion


def test_a_message_tells_the_second_just_passed_by_when_it_came():
    companion = heard(LABEL)
    middle, half = UTC_S * NS_PER_S + 100 * NS_PER_MS, 20 * NS_PER_MS + 7
    assert companion.interval(AT, EXACT) == Interval(middle - half, middle + half, AT)
    assert companion.age_ns(AT + 5) == 5
    assert Companion(SETTINGS, LIMITS).age_ns(AT) is None
    assert Companion(SETTINGS, LIMITS).interval(AT, EXACT) is None
    ahead = heard(replace(LABEL, frac_ns=30 * NS_PER_MS)).interval(AT, EXACT)
    assert ahead is not None
    assert ahead.lo_ns == middle - half + 30 * NS_PER_MS


def test_a_capture_may_hold_one_that_is_not_configured():
    assert heard(LABEL).configured
    stranger = heard(LABEL, settings=None)
    assert not stranger.configured
    said = stranger.interval(AT, EXACT)
    assert said is not None
    assert said.half_ns == ReceiverSettings().message_jitter_ns + 7


@pytest.mark.parametrize(("later_ms", "as_of_ms"), [(1, 0), (499, 0), (500, 500), (1000, 1000)])
def test_the_first_message_of_a_burst_is_what_the_delay_was_stated_for(later_ms, as_of_ms):
    companion = heard(LABEL, replace(LABEL, message="GNS"), every_ms=later_ms)
    assert companion.age_ns(AT + 2 * NS_PER_S) == 2 * NS_PER_S - as_of_ms * NS_PER_MS


def test_a_burst_begins_with_any_message_and_not_before_the_last():
    companion = Companion(SETTINGS, LIMITS)
    companion.hear(TimeOfDay("nmea", "GGA", 0, 1, 0, valid=True), AT, 7, LeapSeconds())
    assert companion.age_ns(AT) is None
    companion.hear(LABEL, AT + 10, 7, LeapSeconds())
    assert companion.age_ns(AT + 10) == 10
    companion.hear(LABEL, AT + 10, 7, LeapSeconds())
    assert companion.age_ns(AT + 10) == 10
    companion.hear(LABEL, AT - 1, 7, LeapSeconds())  # out of order: another burst
    assert companion.age_ns(AT) == 1


@pytest.mark.parametrize(
    ("change", "speaks"),
    [
        ({}, True),
        ({"label_edge": "next"}, False),
        ({"yearless": True}, False),
        ({"timescale": "gps"}, False),
        ({"timescale": "unstated"}, False),
        ({"second60": True}, False),
        ({"valid": False}, False),
        ({"valid": None}, False),
        ({"utc_valid": False}, False),
    ],
)
def test_what_it_says_counts_if_it_vouches_for_a_second_of_utc(change, speaks):
    assert (heard(replace(LABEL, **change)).interval(AT, EXACT) is not None) is speaks


def test_the_operator_may_vouch_for_a_time_scale_that_is_not_stated():
    vouched = replace(SETTINGS, timescale="utc")
    assert heard(replace(LABEL, timescale="unstated"), settings=vouched).interval(AT, EXACT) is not None
    assert heard(replace(LABEL, timescale="gps"), settings=vouched).interval(AT, EXACT) is None


def test_around_a_leap_second_it_says_nothing():
    leap, companion = LeapSeconds(), Companion(SETTINGS, LIMITS)
    leap.confirmed.append(LeapSecond(UTC_S + 3, 1))
    companion.hear(LABEL, AT, 7, leap)
    assert companion.interval(AT, EXACT) is not None
    companion.hear(replace(LABEL, utc_s=UTC_S + 1), AT, 7, leap)
    assert companion.interval(AT, EXACT) is None


@pytest.mark.parametrize(("later_ns", "speaks"), [(4 * NS_PER_S, True), (4 * NS_PER_S + 1, False)])
def test_it_speaks_for_four_seconds(later_ns, speaks):
    companion = heard(LABEL)
    # What keeps its validity fresh comes later than its label.
    companion.hear(Health("ubx", "NAV-STATUS", 0, 1, fix=True), AT + later_ns, 7, LeapSeconds())
    assert (companion.interval(AT + later_ns, EXACT) is not None) is speaks


def test_a_counter_that_began_anew_forgets_what_it_said_and_how_it_was():
    companion = heard(LABEL, replace(LABEL, valid=False))
    companion.forget_raw()
    assert companion.age_ns(AT) is None
    companion.hear(replace(LABEL, message="GNS"), AT, 7, LeapSeconds())
    assert companion.interval(AT, EXACT) is not None
