"""What the receiver says of itself, and for how long."""

import pytest

from refclock.core.seconds.health import ReceiverHealth
from refclock.units import NS_PER_S
from refclock.wire.report import Health, Label, LeapInfo, Report, TimeOfDay

HEAD = ("nmea", "RMC", 0, 1)


def heard(*reports: Report, at: int = 0) -> ReceiverHealth:
    """Reports that came at one instant."""
    health = ReceiverHealth()
    for report in reports:
        health.hear(report, at)
    return health


@pytest.mark.parametrize(
    ("reports", "valid"),
    [
        ([], None),
        ([Label(*HEAD, 0)], None),
        ([Label(*HEAD, 0, valid=True)], True),
        ([Label(*HEAD, 0, valid=False)], False),
        ([TimeOfDay("nmea", "GGA", 0, 1, 0, valid=True)], True),
        ([Label(*HEAD, 0, valid=True), TimeOfDay("nmea", "GGA", 0, 1, 0, valid=False)], False),
        ([Label(*HEAD, 0, valid=False), Label(*HEAD, 0, valid=True)], True),  # its latest word
        ([Health("ubx", "NAV-STATUS", 0, 1, fix=False)], False),
    ],
)
def test_one_denial_outweighs_all_affirmations(reports, valid):
    assert heard(*reports).valid(0) is valid


def test_a_word_not_repeated_is_no_word():
    health = heard(Label(*HEAD, 0, valid=True))
    assert health.valid(2_500_000_000) is True
    assert health.valid(2_500_000_001) is None


@pytest.mark.parametrize(
    ("reports", "confirmed"),
    [
        ([], None),
        ([Label(*HEAD, 0, utc_valid=True)], True),
        ([LeapInfo("ubx", "NAV-TIMELS", 0, 1, utc_valid=False)], False),
        ([Label(*HEAD, 0, utc_valid=True), LeapInfo("ubx", "NAV-TIMELS", 0, 1, utc_valid=False)], False),
    ],
)
def test_utc_is_confirmed_by_all_or_not_at_all(reports, confirmed):
    health = heard(*reports)
    assert health.utc_confirmed(0) is confirmed
    assert health.utc_confirmed(121 * NS_PER_S) is None
    assert health.fault(0) == ("utc-unconfirmed" if confirmed is False else None)


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ({"antenna": "open"}, "antenna"),
        ({"antenna": "short"}, "antenna"),
        ({"antenna": "ok"}, None),
        ({"jamming": "critical"}, "jamming"),
        ({"jamming": "warning"}, None),
        ({"spoofing": "indicated"}, "spoofing"),
        ({"spoofing": "multiple"}, "spoofing"),
        ({"spoofing": "none"}, None),
        ({"pulse_locked": False}, "pulse-unlocked"),
        ({"pulse_locked": True}, None),
    ],
)
def test_faults(word, fault):
    assert heard(Health("ubx", "MON-HW", 0, 1, **word)).fault(0) == fault


def test_a_fault_ends_when_it_is_taken_back_or_grows_old():
    health = heard(Health("ubx", "MON-HW", 0, 1, antenna="open", pulse_locked=False))
    assert health.fault(120 * NS_PER_S) == "antenna"
    assert health.fault(121 * NS_PER_S) is None
    health.hear(Health("ubx", "MON-HW", 0, 1, antenna="ok"), 0)
    assert health.fault(0) == "pulse-unlocked"
    assert health.fault(3 * NS_PER_S) is None
    health.hear(Health("ubx", "MON-HW", 0, 1, pulse_locked=True), 0)
    assert health.fault(0) is None
