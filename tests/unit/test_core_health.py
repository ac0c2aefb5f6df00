"""What the receiver says of itself, and for how long."""

import pytest

from refclock.core.seconds.health import Fault, ReceiverHealth
from refclock.core.seconds.place import Place, apart_m
from refclock.units import NS_PER_S
from refclock.wire.report import Health, Label, LeapInfo, Report, TimeOfDay

HEAD = ("nmea", "RMC", 0, 1)


def heard(*reports: Report, at: int = 0) -> ReceiverHealth:
    """Reports that came at one instant; 500 m and an hour of holdover are allowed."""
    health = ReceiverHealth(500, 3600 * NS_PER_S)
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
    assert health.fault(0) == (Fault("utc-unconfirmed") if confirmed is False else None)


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
    assert heard(Health("ubx", "MON-HW", 0, 1, **word)).fault(0) == (fault and Fault(fault))


def test_a_message_that_does_not_speak_of_a_fault_does_not_take_it_back():
    silent = Health("ubx", "NAV-STATUS", 0, 1)
    health = heard(Health("ubx", "MON-HW", 0, 1, antenna="short", pulse_locked=False), silent)
    assert health.fault(0) == Fault("antenna")
    assert heard(Health("ubx", "TIM-TP", 0, 1, pulse_locked=False), silent).fault(0) == Fault(
        "pulse-unlocked"
    )
    assert heard(silent).valid(0) is None


def test_what_no_report_says_is_unknown():
    health = heard(Report("ubx", "MON-VER", 0, 1))
    assert (health.valid(0), health.utc_confirmed(0), health.fault(0)) == (None, None, None)


def test_every_word_counts_from_when_it_was_heard_and_for_its_own_time():
    """Two and a half seconds for what comes each second, two minutes for what comes now and then."""
    at = 1000 * NS_PER_S
    slow, fast = at + 120 * NS_PER_S, at + 2_500_000_000
    health = heard(Health("ubx", "MON-HW", 0, 1, jamming="critical"), at=at)
    assert [health.fault(slow), health.fault(slow + 1)] == [Fault("jamming"), None]
    health = heard(Health("ubx", "TIM-TP", 0, 1, pulse_locked=False), at=at)
    assert [health.fault(slow), health.fault(slow + 1)] == [Fault("pulse-unlocked"), None]
    health = heard(Label(*HEAD, 0, valid=True, utc_valid=False), at=at)
    assert [health.utc_confirmed(slow), health.utc_confirmed(slow + 1)] == [False, None]
    assert [health.fault(slow), health.fault(slow + 1)] == [Fault("utc-unconfirmed"), None]
    assert [health.valid(fast), health.valid(fast + 1)] == [True, None]


def test_a_fault_ends_when_it_is_taken_back_or_grows_old():
    health = heard(Health("ubx", "MON-HW", 0, 1, antenna="open", pulse_locked=False))
    assert health.fault(120 * NS_PER_S) == Fault("antenna")
    assert health.fault(121 * NS_PER_S) is None
    health.hear(Health("ubx", "MON-HW", 0, 1, antenna="ok"), 0)
    assert health.fault(120 * NS_PER_S) == Fault("pulse-unlocked")
    assert health.fault(121 * NS_PER_S) is None
    health.hear(Health("ubx", "MON-HW", 0, 1, pulse_locked=True), 0)
    assert health.fault(0) is None


def test_a_label_without_a_word_on_utc_takes_its_denial_back():
    health = heard(Label(*HEAD, 0, utc_valid=False), Label(*HEAD, 1))
    assert health.utc_confirmed(0) is None
    assert health.fault(0) is None
    # Another message's word stands.
    health = heard(Label("ubx", "NAV-TIMEUTC", 0, 1, 0, utc_valid=False), Label(*HEAD, 1))
    assert health.utc_confirmed(0) is False


def at(latitude: int, longitude: int, fix: bool = True) -> Health:
    """What a receiver says of its place, in 1e-7 degrees."""
    return Health("ubx", "NAV-PVT", 0, 1, fix=fix, position=(latitude, longitude))


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0, 0), (0, 0), 0),
        ((0, 0), (1, 0), 1),
        ((482_083_000, 163_731_000), (482_083_000 + 44_915, 163_731_000), 500),
        ((482_083_000, 163_731_000), (482_083_000 + 44_916, 163_731_000), 501),
        ((0, 1_799_999_999), (0, -1_799_999_999), 1),  # across the date line
        ((600_000_000, 0), (600_000_000, 89_831), 500),  # at 60 degrees a degree of longitude is half as long
        ((900_000_000, 0), (900_000_000, 1_800_000_000), 3_606_768),  # at the pole: far more than it is
        ((-500_000_000, -10), (500_000_000, 10), 11_132_000),
    ],
)
def test_the_distance_of_two_places(one, other, metres):
    assert apart_m(one, other) == apart_m(other, one) == metres


def test_a_fixed_antenna_that_moves_is_a_fault():
    health = heard(at(0, 0))
    health.place.settle()
    assert health.fault(0) is None
    health.hear(at(44_915, 0), 0)
    assert health.fault(0) is None
    health.hear(at(0, 44_916), 0)
    assert health.fault(0) == Fault("position", 501, 500)
    assert health.fault(10 * NS_PER_S) == Fault("position", 501, 500)
    assert health.fault(11 * NS_PER_S) is None  # said too long ago
    health.hear(at(0, 0), 0)
    assert health.fault(0) is None
    health.hear(at(44_916, 0, fix=False), 0)  # no fix: it does not know where it is
    assert health.fault(0) is None


def test_before_trust_every_place_is_its_place():
    health = heard(at(0, 0))
    assert health.fault(0) is None
    health.place.settle()
    health.hear(at(500_000_000, 0), 0)
    health.place.settle()
    assert health.fault(0) is None


def holdover(told: bool | None, age_s: int | None = None, message: str = "PJLTS") -> Health:
    return Health("nmea", message, 0, 1, holdover=told, holdover_s=age_s)


def test_holdover_is_a_fault_when_it_lasts_too_long():
    health = heard(holdover(True))
    for second in range(0, 3660, 60):
        health.hear(holdover(True), second * NS_PER_S)
        assert health.fault(second * NS_PER_S) is None, second
    health.hear(holdover(True), 3601 * NS_PER_S)
    assert health.fault(3601 * NS_PER_S) == Fault("receiver-holdover", 3601 * NS_PER_S, 3600 * NS_PER_S)
    health.hear(holdover(None), 3602 * NS_PER_S)  # says nothing of it
    assert health.fault(3602 * NS_PER_S) == Fault("receiver-holdover", 3602 * NS_PER_S, 3600 * NS_PER_S)
    assert health.fault(3722 * NS_PER_S) is None  # nothing said for two minutes is unknown
    health.hear(holdover(False), 3602 * NS_PER_S)
    assert health.fault(3602 * NS_PER_S) is None
    health.hear(holdover(True), 3603 * NS_PER_S)  # a new one begins
    assert health.fault(3603 * NS_PER_S) is None


def test_the_age_that_the_receiver_states_counts_from_before_it_was_heard():
    assert heard(holdover(True, 3600)).fault(0) is None
    health = heard(holdover(True, 3601))
    assert health.fault(0) == Fault("receiver-holdover", 3601 * NS_PER_S, 3600 * NS_PER_S)
    health.hear(holdover(True, 5), NS_PER_S)  # it cannot talk itself younger
    assert health.fault(NS_PER_S) == Fault("receiver-holdover", 3602 * NS_PER_S, 3600 * NS_PER_S)


def test_one_message_that_says_holdover_is_enough():
    health = heard(holdover(True, 4000), holdover(False, message="other"))
    assert health.fault(0) == Fault("receiver-holdover", 4000 * NS_PER_S, 3600 * NS_PER_S)
    # Of two that say so the one that lasts longer counts, each for two minutes.
    health = heard(holdover(True, 3700), holdover(True, 4000, message="other"))
    assert health.fault(0) == Fault("receiver-holdover", 4000 * NS_PER_S, 3600 * NS_PER_S)
    late = 120 * NS_PER_S
    assert health.fault(late) == Fault("receiver-holdover", 4120 * NS_PER_S, 3600 * NS_PER_S)
    assert health.fault(late + 1) is None


def test_who_has_its_reference_is_not_in_holdover_however_short_that_may_be():
    health = ReceiverHealth(500, 0)
    assert health.fault(0) is None
    health.hear(holdover(False), 0)
    assert health.fault(0) is None
    health.hear(holdover(True), 0)
    assert health.fault(1) == Fault("receiver-holdover", 1, 0)


def test_a_standard_s_lock_is_believed_for_sixteen_seconds():
    health = heard(Health("prs10", "LO", 0, 1, locked=True))
    assert [health.locked(16 * NS_PER_S), health.locked(16 * NS_PER_S + 1)] == [True, None]
    health.hear(Health("prs10", "ST", 0, 1, locked=False), 0)
    assert health.locked(0) is False
    assert health.fault(16 * NS_PER_S) == Fault("standard-unlocked")


def test_a_fix_without_a_place_says_nothing_of_where_it_is():
    health = heard(at(0, 0))
    health.place.settle()
    health.hear(Health("nmea", "GGA", 0, 1, fix=True), NS_PER_S)
    assert health.place.astray_m(NS_PER_S) == 0
    health.hear(at(44_916, 0), 2 * NS_PER_S)
    health.hear(Health("nmea", "GGA", 0, 1, fix=True), 3 * NS_PER_S)
    assert health.place.astray_m(3 * NS_PER_S) == 501


@pytest.mark.parametrize(
    ("latitude", "percent"),
    [(5, 100), (15, 99), (25, 94), (35, 87), (45, 77), (55, 65), (65, 50), (75, 35), (85, 18)],
)
def test_a_degree_of_longitude_is_as_long_as_at_the_near_end_of_its_ten_degrees(latitude, percent):
    """The cosine of 10 degrees is 0.985, and so on: rounded up, for a distance must not seem less."""
    metres = -(-percent * 11_132 // 100)
    for sign in (1, -1):
        here, there = sign * latitude * 10**7, sign * min(latitude * 10**7 + 5_000, 90 * 10**7)
        assert apart_m((here, 0), (there, 10**6)) == metres
        assert apart_m((there, 10**6), (here, 0)) == metres


def test_of_two_places_in_different_belts_the_one_nearer_to_the_equator_counts():
    one, other = (9_999_999 * 10, 0), (10**8, 10**6)
    assert apart_m(one, other) == apart_m(other, one) == 11_132


def test_a_place_that_was_never_told_has_not_moved():
    place = Place()
    place.settle()
    assert place.astray_m(0) == 0
    late = 1000 * NS_PER_S
    place.hear((0, 0), late)
    assert place.astray_m(late) == 0  # nowhere is its place yet
    place.settle()
    place.hear((44_916, 0), late)
    assert [place.astray_m(late + 10 * NS_PER_S), place.astray_m(late + 10 * NS_PER_S + 1)] == [501, 0]
