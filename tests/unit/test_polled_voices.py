"""The simulated receivers that are asked: what each answers, and what the codec makes of it."""

import pytest

from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.answers import xor
from refclock.wire.report import Health, Label, Reply, Report
from refclock.wire.scanner import Scanner
from refclock.world.chance import Chance
from refclock.world.encoders import civil
from refclock.world.labels import Label as Name
from refclock.world.moment import Moment
from refclock.world.voices.asked import Asked
from refclock.world.voices.hp import Hp
from refclock.world.voices.jackson import JacksonLabs
from refclock.world.voices.standards import Csac, Hp5071, Prs10, Sa5x
from refclock.world.voices.voice import Now, Voice

START_S = 1_803_859_200


def now(since_ms: int = 200, second: int = START_S, **state: object) -> Now:
    """An instant of the world."""
    label, coming = (Name(at, False, civil(at)) for at in (second, second + 1))
    return Now(label, coming, since_ms * NS_PER_MS, Moment(second, **state))  # type: ignore[arg-type]


def made(kind: type[Voice]) -> Voice:
    """A voice."""
    return kind(Chance(1, "voice"), START_S)


def told(voice: Voice, data: bytes, at: Now) -> bytes:
    """All that it answers."""
    return b"".join(answer for _, answer in voice.hears(data, at))


def reports(family: str, data: bytes) -> list[Report]:
    """What the codec hears."""
    return Scanner(family).feed(data)


def test_an_hp_names_the_coming_pulse_or_waits_for_the_one_after():
    voice = made(Hp)
    zone = told(voice, b":PTIME:TZONE?\r", now()) * 2
    for since_ms, second in ((200, START_S + 1), (977, START_S + 1), (979, START_S + 2)):
        ((delay_ns, answer),) = voice.hears(b":PTIME:TCODE?\r", now(since_ms))
        (label,) = (one for one in reports("hp", zone + answer) if isinstance(one, Label))
        assert label.utc_s == second
        lead_ns = (second - START_S) * NS_PER_S - since_ms * NS_PER_MS - delay_ns
        assert 0 < lead_ns < 1000 * NS_PER_MS


def test_an_hp_s_prompt_keeps_an_error_until_somebody_asks_for_it():
    voice = made(Hp)
    assert told(voice, b":PTIME:WRONG?\r", now()).endswith(b"E-113> ")
    assert told(voice, b"\r", now()).endswith(b"E-113> ")
    assert b"T2" in told(voice, b":PTIME:TCODE?\r", now())
    assert told(voice, b":SYST:ERR?\r", now()).endswith(b"scpi > ")
    assert b"Z3801A" in told(voice, b"*IDN?\r", now())


def test_an_hp_s_zone_holdover_and_leap_count():
    voice = made(Hp)
    assert isinstance(voice, Hp)
    voice.zone = (5, 30)
    zone = told(voice, b":PTIME:TZONE?\r", now()) * 2
    answer = told(voice, b":PTIME:TCODE?\r", now(change=1))
    (label,) = (one for one in reports("hp", zone + answer) if isinstance(one, Label))
    assert label.utc_s == START_S + 1
    assert b"T22027" in told(voice, b":PTIME:TCODE?\r", now(change=-1))
    assert [one.message for one in reports("hp", told(voice, b":PTIME:LEAP:ACC?\r", now()))] == ["LEAP"]
    for second, fix, held_s in ((0, True, None), (5, False, 1), (15, False, 11), (16, True, None)):
        data = told(voice, b":ROSC:HOLD:DUR?\r", now(second=START_S + second, fix=fix))
        (health,) = reports("hp", data)
        assert isinstance(health, Health)
        assert (health.holdover, health.holdover_s) == (held_s is not None, held_s)


def test_a_command_may_come_in_pieces():
    voice = made(Prs10)
    assert told(voice, b"I", now()) == b""
    assert told(voice, b"D?\rLO?\r", now()) == b"PRS10_3.24_SN_12345\r1\r"
    assert isinstance(voice, Asked)
    assert voice.heard == [b"ID?", b"LO?"]
    assert told(voice, b"\rXX?\r", now()) == b""


@pytest.mark.parametrize("fix", [True, False])
def test_every_standard_says_whether_it_is_locked(fix):
    at = now(fix=fix)
    kind: type[Voice]
    other: type[Voice]
    for family, kind, asked in (
        ("5071a", Hp5071, b"SYST:PRINT?\r\n"),
        ("csac", Csac, b"!^\r\n"),
        ("prs10", Prs10, b"ST?\r"),
    ):
        (health,) = reports(family, told(made(kind), asked, at))
        assert isinstance(health, Health)
        assert health.locked is fix
    for family, other, asked in (("sa5x", Sa5x, b"{get,Locked|70}"), ("prs10", Prs10, b"LO?\r")):
        (reply,) = reports(family, told(made(other), asked, at))
        assert isinstance(reply, Reply)
        assert reply.text == str(int(fix))


def test_a_csac_notices_the_byte_that_resynchronises_it():
    voice = made(Csac)
    assert isinstance(voice, Csac)
    told(voice, b"!^\r\n!6\r\n^6", now())
    assert voice.resynchronised == 0
    told(voice, b"*IDN?\r\nSYNC?\r\n", now())
    assert voice.resynchronised == 1
    told(voice, b"!S\r\n", now())
    assert voice.resynchronised == 1


def test_a_csac_in_checksum_mode():
    voice = made(Csac)
    assert isinstance(voice, Csac)
    assert told(voice, b"!^*5E\r\n", now()) == b"?\r\n"
    voice.checksums = True
    assert told(voice, b"!^\r\n!^*5F\r\n^", now()) == b""
    assert [one.message for one in reports("csac", told(voice, b"!6*36\r\n!^*5E\r\n", now()))] == ["6", "^"]
    assert told(voice, b"!T?*%02X\r\n" % xor(b"T?"), now()).startswith(b"0*")


def test_an_sa5x_answers_errors_too():
    voice = made(Sa5x)
    texts = [
        one.text
        for one in reports("sa5x", told(voice, b"{device?|27}{get,Locked|71}{set,X}", now()))
        if isinstance(one, Reply)
    ]
    assert texts == ["sa5x", "3", "2"]


def test_a_5071a_has_a_calendar_that_nobody_set():
    voice = made(Hp5071)
    assert b"\r\n0\r\n" in told(voice, b"PTIM:MJD?\r\n", now())
    assert reports("5071a", told(voice, b"PTIM:TIME?\r\nPTIM:MJD?\r\nNONSENSE\r\n", now())) == []


def test_a_jackson_labs_speaks_by_itself_and_when_asked():
    voice = made(JacksonLabs)
    at = now(jamming=3, fix=False)
    (health,) = reports("jackson-labs", told(voice, b"SYNC:HEALTH?\r\n", at))
    assert isinstance(health, Health)
    assert (health.holdover, health.jamming) == (True, "critical")
    assert len(voice.says(at.label, at.moment)) == 3
    assert told(voice, b"GPS?\r\n", at).endswith(b"E-113> ")


def test_a_voice_that_knows_no_answer_says_nothing():
    assert told(made(Asked), b"anything\r\n", now()) == b""


def test_a_garbled_reading_is_said_in_place_of_the_right_one():
    voice = made(Hp)
    answer = told(voice, b":PTIME:TCODE?\r", now(reading=civil(START_S + 99)._replace(hour=62)))
    assert b"T22027030162" in answer
    assert reports("hp", answer) == []
