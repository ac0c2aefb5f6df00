"""Which dates may be believed; and seconds whose message names no year: the floor gives it, nobody else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.core.seconds.dates import Dates
from refclock.core.seconds.leap import LeapSecond, LeapSeconds
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.wire.report import Label


def posix(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def yearless(day: int, tod_s: int = 0, *, second60: bool = False) -> Label:
    """Day 1 to 366 of some year."""
    return Label("truetime", "XL-DC", 0, 16, (day - 1) * 86_400 + tod_s, second60=second60, yearless=True)


def dated(floor: str, day: int, tod_s: int = 0) -> int | None:
    found = Dates(posix(floor)).dated(yearless(day, tod_s))
    return None if found is None else found.utc_s


@pytest.mark.parametrize(
    ("floor", "day", "tod_s", "expected"),
    [
        ("2027-03-01", 60, 0, "2027-03-01"),
        ("2027-03-01", 365, 86_399, "2027-12-31T23:59:59"),
        ("2027-03-01", 1, 0, "2028-01-01"),
        # Up to a day before the floor it is that day, and refused as such; earlier is the next year's.
        ("2027-03-01", 59, 0, "2027-02-28"),
        ("2027-03-01", 58, 86_399, "2028-02-27T23:59:59"),
        # Around New Year.
        ("2027-12-31T23:59:59", 365, 86_399, "2027-12-31T23:59:59"),
        ("2027-12-31T23:59:59", 1, 0, "2028-01-01"),
        ("2028-01-01", 1, 0, "2028-01-01"),
        ("2028-01-01T00:00:01", 365, 86_399, "2027-12-31T23:59:59"),
        ("2028-01-01T00:00:01", 366, 0, "2028-12-31"),
        # Leap years: day 60 is 29 February or 1 March, and 366 exists or does not.
        ("2028-02-01", 60, 0, "2028-02-29"),
        ("2029-02-01", 60, 0, "2029-03-01"),
        ("2027-03-01", 366, 0, "2028-12-31"),
        ("2029-02-01", 366, 0, None),
        ("2025-02-01", 366, 0, None),
    ],
)
def test_the_year_is_the_one_after_the_floor(floor, day, tod_s, expected):
    assert dated(floor, day, tod_s) == (None if expected is None else posix(expected))


def test_what_was_fed_moves_the_floor_along():
    dates = Dates(posix("2027-03-01"))
    dates.fed_s = posix("2027-12-31T23:59:59")
    new_year = dates.dated(yearless(1))
    assert new_year is not None
    assert (new_year.utc_s, new_year.yearless) == (posix("2028-01-01"), False)
    dates.fed_s = posix("2028-12-30")
    leap_second = dates.dated(yearless(366, 86_399, second60=True))
    assert leap_second is not None
    assert (leap_second.utc_s, leap_second.second60) == (posix("2028-12-31T23:59:59"), True)


def test_a_label_with_its_year_is_left_alone():
    label = Label("meinberg", "Standard", 0, 32, 5)
    assert Dates(posix("2027-03-01")).dated(label) is label


def test_the_operator_may_raise_the_floor_and_not_the_ceiling():
    built = Dates(posix("2026-01-01"))
    told = Dates(posix("2026-01-01"), posix("2027-06-01"))
    assert told.floor_s == posix("2027-06-01")
    assert told.ceiling_s == built.ceiling_s
    assert Dates(posix("2026-01-01"), posix("2025-06-01")).floor_s == posix("2026-01-01")
    found = told.dated(yearless(5))
    assert found is not None
    assert found.utc_s == posix("2028-01-05")


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001
    st.integers(-86_400, 364 * 86_400 - 1),
)
def test_the_truth_is_found_for_a_year_less_a_day_after_the_floor(floor, ahead_s):
    floor_s = int(floor.replace(tzinfo=UTC).timestamp())
    truth = datetime.fromtimestamp(floor_s + ahead_s, UTC)
    day = truth.timetuple().tm_yday
    found = Dates(floor_s).dated(yearless(day, (floor_s + ahead_s) % 86_400))
    assert found is not None
    assert found.utc_s == floor_s + ahead_s


# ---- the window ----

BUILD = 1_767_225_600  # 2026-01-01T00:00:00Z
CEILING = 2_398_377_600  # 2046-01-01T00:00:00Z
MONTH = 1_830_297_600  # 2028-01-01T00:00:00Z


def judged(
    utc_s: int, second60: bool = False, dates: Dates | None = None, moved_ns: int | None = 55
) -> Refused | None:
    leap = LeapSeconds()
    leap.confirmed.append(LeapSecond(MONTH, 1))
    second = Second(Edge(77, 1, 0), utc_s, second60, 0, 0)
    return (dates or Dates(BUILD)).judge(second, leap, moved_ns)


def test_the_window_is_twenty_years_from_the_build_date_the_end_excluded():
    assert judged(BUILD) is None
    assert judged(CEILING - 1) is None
    assert judged(BUILD - 1) == Refused(77, "date-floor", BUILD - 1, BUILD, BUILD - 1, moved_ns=55)
    assert judged(CEILING) == Refused(77, "date-ceiling", CEILING, CEILING, CEILING, moved_ns=55)


def test_the_floor_rises_and_never_sinks():
    dates = Dates(BUILD)
    dates.raise_floor(BUILD + 100)
    dates.raise_floor(BUILD + 50)
    assert dates.floor_s == BUILD + 100
    assert judged(BUILD + 99, dates=dates) is not None
    assert judged(BUILD + 100, dates=dates) is None


def test_the_next_believable_second_is_the_one_after_what_was_fed():
    dates = Dates(BUILD)
    assert dates.next_s() == BUILD
    dates.fed_s = BUILD + 7
    assert dates.next_s() == BUILD + 8
    dates.raise_floor(BUILD + 20)
    assert dates.next_s() == BUILD + 20


@pytest.mark.parametrize(
    ("utc_s", "reason"),
    [(MONTH - 1, "leap-second"), (MONTH, "leap-unconfirmed"), (BUILD, "leap-unconfirmed")],
)
def test_a_60_is_never_fed_and_a_violation_unless_confirmed(utc_s, reason):
    assert judged(utc_s, second60=True) == Refused(77, reason, 1, 0, utc_s)


@pytest.mark.parametrize(
    ("moved_ms", "leaps"),
    [(-1000, True), (-1499, True), (-501, True), (-1501, False), (-499, False), (0, False), (1000, False)],
)
def test_a_59_said_twice_is_the_leap_second_where_one_is_confirmed_and_nowhere_else(moved_ms, leaps):
    moved_ns = moved_ms * 10**6
    expected = Refused(77, "leap-second", 1, 0, MONTH - 1) if leaps else None
    assert judged(MONTH - 1, moved_ns=moved_ns) == expected
    assert judged(MONTH, moved_ns=moved_ns) is None
    assert judged(MONTH - 1, moved_ns=None) is None  # nothing was accepted before it
