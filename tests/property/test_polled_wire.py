"""Hostile bytes for the codecs of receivers that are asked, and for the asking itself."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.core.asking.poller import Poller
from refclock.units import NS_PER_MS
from refclock.wire.answers import xor
from refclock.wire.families import FAMILIES, dialogue_of
from refclock.wire.report import Label, Report
from refclock.wire.scanner import Scanner

POLLED = sorted(name for name, row in FAMILIES.items() if row.polled)
TELEMETRY = b"0,0x0000,1209CS00909,0x0040,4381,0.86,1.573,17.62,0.996,28.26,---,-1,---,1,126850,586969,1.10"
GOOD = {
    "hp": [
        b":PTIME:TZONE?\r\n+0,+0\r\nscpi > ", b"T2199505112055233000049\r\n", b"E-113> ",
        b"T220060105075143300003B\r",
        b":ROSC:HOLD:DUR?\r\n1.5E+02,1\r\n", b":PTIME:LEAP:ACC?\r\n+18\r\n",
    ],
    "jackson-labs": [b"Jackson Labs, Fury, 1\r\n", b"0x10\r\n", b"HEALTH STATUS: 0x4\r\n", b"$GPZDA,*00\r\n"],
    "5071a": [b"Status summary: Operating normally\r\n", b"HEWLETT-PACKARD,5071A,1,2\r\n", b"MJD   0\r\n"],
    "csac": [TELEMETRY + b"*%02X\r\n" % xor(TELEMETRY), b"Status,Alarm,SN,Mode,A,B,C,D\r\n", b"?\r\n"],
    "sa5x": [b"[=1|0C]\r\n", b"[!3|12]", b"[=sa5x|62]"],
    "prs10": [b"PRS10_3.24_SN_12345\r", b"1\r", b"0,0,0,0,4,0\r"],
}  # fmt: skip
PIECES = {
    name: st.lists(st.one_of(st.sampled_from(good), st.binary(max_size=30)), max_size=12)
    for name, good in GOOD.items()
}


def scan(family: str, chunks: list[bytes]) -> tuple[list[Report], Scanner]:
    """All reports of a stream in these chunks."""
    scanner = Scanner(family)
    return [report for chunk in chunks for report in scanner.feed(chunk)] + scanner.finish(), scanner


def test_every_polled_family_is_attacked():
    assert sorted(GOOD) == POLLED


@pytest.mark.parametrize("family", POLLED)
@given(data=st.data())
def test_chunks_change_nothing_and_every_byte_is_accounted_for(family, data):
    stream = b"".join(data.draw(PIECES[family]))
    places = data.draw(st.lists(st.integers(0, 400), max_size=12))
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    whole, first = scan(family, [stream])
    pieces, second = scan(family, [stream[start:end] for start, end in pairwise(edges)])
    bytewise, third = scan(family, [stream[at : at + 1] for at in range(len(stream))])
    assert whole == pieces == bytewise
    assert first.counters == second.counters == third.counters
    assert first.offset == len(stream)
    assert 0 <= first.counters.skipped_bytes <= len(stream)
    for report in whole:
        assert 0 <= report.start < report.end <= len(stream)


@pytest.mark.parametrize("family", POLLED)
@given(noise=st.binary(max_size=400))
def test_whatever_comes_nothing_raises_and_little_is_held(family, noise):
    scanner = Scanner(family)
    for _ in range(4):
        scanner.feed(noise)
        assert len(scanner._rest) <= 2100  # NMEA beside Jackson Labs; the others hold a line
    scanner.finish()


@pytest.mark.parametrize("family", [name for name in POLLED if "time" not in FAMILIES[name].says])
@given(data=st.data())
def test_a_standard_never_tells_a_date(family, data):
    reports, _ = scan(family, data.draw(PIECES[family]))
    assert not [one for one in reports if isinstance(one, Label)]


@given(st.integers(0, 21), st.integers(1, 255))
def test_no_damaged_digit_of_a_code_passes_for_another_second(place, flip):
    good = b"T2199505112055233000049\r"
    clean = [one for one in scan("hp", [good])[0] if isinstance(one, Label)]
    damaged = bytearray(good)
    damaged[place] ^= flip
    labels = [one for one in scan("hp", [bytes(damaged)])[0] if isinstance(one, Label)]
    assert all((one.utc_s, one.valid) == (clean[0].utc_s, clean[0].valid) for one in labels)


@pytest.mark.parametrize("family", POLLED)
@given(data=st.data())
def test_whatever_is_heard_only_the_family_s_own_questions_are_asked(family, data):
    dialogue = dialogue_of(family)
    assert dialogue is not None
    allowed = {prefix + sent for sent in dialogue.sent() for prefix in (b"", dialogue.resync)}
    poller, scanner, now = Poller(dialogue, "gps0"), Scanner(family), 0
    proven = gone = False
    for kind, chunk, wait_ms in data.draw(
        st.lists(
            st.tuples(
                st.sampled_from(["say", "noise", "pulse", "hangup", "unsent"]),
                st.one_of(st.sampled_from(GOOD[family]), st.binary(max_size=30)),
                st.integers(0, 3000),
            ),
            max_size=25,
        )
    ):
        now += wait_ms * NS_PER_MS
        if kind == "pulse":
            poller.on_pulse(now)
        elif kind == "hangup":
            gone = not gone
            poller.begin_anew(now, up=not gone)
            proven = False
        else:
            for report in scanner.feed(chunk):
                poller.on_report(report)
                proven |= report.message in dialogue.proof
        assert (poller.wake_at() is None) is gone
        for request in poller.on_time(now):
            assert request.data in allowed
            assert proven or b"S" not in request.data
            if kind != "unsent":
                poller.on_sent(request.data, now)
