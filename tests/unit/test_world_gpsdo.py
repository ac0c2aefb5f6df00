"""The voices of disciplined clocks that speak NMEA: what they say of time, and of their oscillator."""

import pytest

from refclock.model import Mode
from refclock.wire.recognise import recognise
from refclock.wire.report import Health, Label, LeapInfo
from refclock.world.deeds import month_end
from refclock.world.voices.table import VOICES
from tests.unit.test_world_timecodes import START_S, Heard, Played

VOICE = {
    "jackson-labs-nmea": "PJLTS",
    "furuno": "PERDCRW,TPS1",
    "spectratime": "PTNTA",
    "hp58534a": "PFEC,GPtps",
}
LEAP_S = 18


def health(heard, voice):
    """What the clock's own sentence says of it, with the second counted from the begin."""
    return [
        (second - START_S, one)
        for second, one in heard.reports
        if isinstance(one, Health) and one.message == VOICE[voice]
    ]


@pytest.mark.parametrize("voice", VOICE)
def test_an_honest_clock_is_right(voice):
    heard = Heard(voice)
    off: dict[str, set[int]] = {label.message: set() for _, label in heard.labels}
    for second, label in heard.labels:
        off[label.message].add(label.utc_s - second)
    assert off.pop("PTNTA", {LEAP_S}) == {LEAP_S}
    assert all(errors == {0} for errors in off.values())
    assert VOICE[voice] in {one.message for _, one in heard.reports}
    assert (heard.counters.skipped_bytes, sum(heard.counters.damaged.values())) == (0, 0)
    assert {one.pulse_locked for _, one in health(heard, voice)} <= {True}
    assert {one.holdover for _, one in health(heard, voice)} <= {False, None}


def test_without_checksums_it_is_a_family_of_its_own():
    heard = Heard("hp58534a")
    assert b"*" not in heard.data
    assert recognise(heard.data) == ("nmea-unchecked",)
    assert {label.protocol for _, label in heard.labels} == {"nmea-unchecked"}


def test_gps_time_is_told_apart():
    scales = {label.message: label.timescale for _, label in Heard("spectratime").labels}
    assert scales == {"RMC": "utc", "PTNTA": "gps"}


def test_a_jackson_labs_clock_counts_its_holdover():
    told = health(Heard("jackson-labs-nmea", "no-fix@10s", seconds=200), "jackson-labs-nmea")
    assert {one.holdover for second, one in told if second < 10} == {False}
    assert [one.holdover_s for second, one in told if second >= 10] == list(range(1, 191))
    assert {one.pulse_locked for second, one in told if second >= 10} == {None}


def test_a_clock_that_warms_up_has_no_locked_pulse():
    for voice in ("jackson-labs-nmea", "furuno", "spectratime"):
        told = health(Heard(voice, seconds=90, cold_s=60), voice)
        assert {one.pulse_locked for second, one in told if second < 60} == {False}, voice
        assert {one.pulse_locked for second, one in told if second >= 60} == {True}, voice


def test_spectratime_runs_free_without_satellites():
    told = health(Heard("spectratime", "no-fix@10s"), "spectratime")
    assert {one.holdover for second, one in told if second >= 10} == {True}


def test_jamming_in_holdover_is_told():
    told = health(Heard("jackson-labs-nmea", "jam@10s"), "jackson-labs-nmea")
    assert {one.jamming for second, one in told if second >= 11} == {"critical"}


def test_a_furuno_announces_a_leap_second_and_all_show_it():
    leap_at_s = month_end(START_S)
    for voice in VOICE:
        heard = Heard(voice, seconds=20, start_s=leap_at_s - 10, leap_at_s=leap_at_s)
        errors = {
            (second >= leap_at_s, label.utc_s - second)
            for second, label in heard.labels
            if label.timescale == "utc"
        }
        assert errors == {(False, 0), (True, -1)}, voice
        told = {(one.change, one.at_s) for one in heard.all(LeapInfo)}
        assert told == ({(1, leap_at_s), (0, None)} if voice == "furuno" else set())
        assert any(one.second60 for one in heard.all(Label))


@pytest.mark.parametrize("voice", VOICE)
def test_an_honest_clock_is_vetted(voice):
    played = Played(voice)
    assert played.mode is Mode.VETTED
    assert played.astray == []
    assert played.reasons == {"dwell"}


@pytest.mark.parametrize("voice", VOICE)
@pytest.mark.parametrize("attack", ["label:-1s", "date:+365d", "week:-1024", "replay:20s", "inject:+1h"])
def test_an_attack_is_refused(voice, attack):
    played = Played(voice, f"{attack}@3m")
    assert len(played.published) >= 30
    assert played.astray == []
    assert played.reasons - {"dwell"}


@pytest.mark.parametrize("voice", VOICE)
def test_dates_that_no_calendar_knows_do_no_harm(voice):
    for text in ("date:+9000w", "date:-9000w", "date:+999999w", "leap:+500", "leap:-500", "step:+40000d"):
        assert Heard(voice, text, seconds=12).data


def test_the_baud_rate_is_the_usual_one():
    assert {VOICES[voice].baud for voice in VOICE} == {115_200, 38_400, 9600}
