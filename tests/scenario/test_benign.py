"""A night in which nobody attacks: no rejection, no accusation, every holdover with its cause.

bench/benign.py does the same for sixty days.
"""

import pytest
from benign import live
from search.weeks import happening, table_of

from refclock.policy import PROFILES

HOUR_S = 3600
NIGHT_S = 1_814_400_000 - 2 * HOUR_S  # 2027-06-30T22:00:00Z, before a leap second


@pytest.mark.parametrize("profile", PROFILES)
def test_an_honest_night_with_a_leap_second_raises_no_alarm(profile: str) -> None:
    """Two silences, an hour without NTP across the leap second, a false server, slow paths, a restart after
    the leap second and a reboot."""
    table = (
        happening("gap", 2_000, 1_800),
        happening("ntp-silence", 5_400, HOUR_S),
        happening("gap", 7_180, 40),
        happening("restart", 9_500, 0),
        happening("delay", 10_000, 1_200),
        happening("ntp-liar", 11_500, 1_800),
        happening("reboot", 13_600, 45),
    )
    weeks = live(profile, "ubx", table, seconds=4 * HOUR_S + 600, start_s=NIGHT_S, seed=11, thin=5)
    assert not weeks.alarms, table_of([weeks])
    assert weeks.published > 3_000
    assert len(weeks.holdovers) >= 2
    assert weeks.worst_ns < 1_000_000


def test_what_is_due_is_told_from_what_is_not() -> None:
    """The same watch objects to a holdover and a rejection that its timetable knows nothing of."""
    table = (happening("gap", 900, 60),)
    weeks = live("kdc", "nmea", table, seconds=1_800, start_s=NIGHT_S, leap=False, seed=3)
    assert not weeks.alarms
    unknown = happening("gap", 900, 60)
    secret = type(unknown)("", 900, 60, "step:+5ms@900s")
    weeks = live("kdc", "nmea", (secret,), seconds=1_800, start_s=NIGHT_S, leap=False, seed=3)
    assert any("rejected" in alarm for alarm in weeks.alarms)
    assert any("holdover without a cause" in alarm for alarm in weeks.alarms)
