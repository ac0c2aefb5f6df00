"""What counts as an answer, and that nothing else does, whatever the bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.detect import answers
from refclock.detect.answers import Answer
from refclock.detect.probe import QUESTIONS
from refclock.world import encoders

JUDGES = [judge for question in QUESTIONS for judge in (question.judge, question.confirm)]


@given(st.binary(max_size=600), st.sampled_from(JUDGES))
def test_noise_is_judged_without_complaint(data, judge):
    found = judge(data)
    assert found is None or all(
        text.isascii() and text.isprintable() for text in (found.model, found.serial, found.firmware)
    )


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: f"{one.title} {one.ask!r}")
def test_a_line_that_gives_back_what_it_gets_answers_nothing(question):
    """A loop-back plug, and every echo."""
    assert question.judge(question.ask) is None
    for asked in question.asks[1:]:
        assert question.confirm(asked) is None


@pytest.mark.parametrize(
    ("judge", "data"),
    [
        (answers.braces, b"[=sa5x|63]"),
        (answers.sentence("PMTK705"), b"$PMTK705,AXN*00\r\n"),
        (answers.sentence("PMTK705"), encoders.nmea("PMTK001,605,3")),
        (answers.version_ubx, encoders.ubx(0x0A, 0x04, bytes(40))[:-1] + b"\x00"),
        (answers.version_ubx, encoders.ubx(0x0A, 0x04, bytes(12))),
        (answers.version_ubx, b"\xb5\x62\x0a\x04\xff\xff"),
        (answers.version_tsip, b"\x10\x45\x03\x00\x0d\x15\x05\x0a\x02\x0c\x11\x04\x10\x03"),
        (answers.version_tsip, b"\x10\x45\x03\x10\x03"),
        (answers.packet_tsip1(0x90), b"\x10\x90\x01\x00\x02\x00\x92\x10\x03"),
        (answers.oncore(b"Aw", 8), b"@@Aw\x01\x36\r\n"),
        (answers.identification, b"*IDN?\r\nKEITHLEY INSTRUMENTS INC.,MODEL 2000,1234567,A20\r\nscpi > "),
        (answers.identification, b"HEWLETT-PACKARD,34401A,0,11-5-2\r\n"),
        (answers.telemetry, b"0,0x0000,SN,0x0010\r\n"),
        (answers.prs10, b"PRS10\r"),
        (answers.number, b"version 12\r\n"),
    ],
)
def test_what_only_resembles_an_answer_is_none(judge, data):
    assert judge(data) is None


def test_an_answer_is_found_among_other_talk():
    version = b"1.00 (59842)".ljust(30, b"\0") + b"00070000".ljust(10, b"\0")
    talk = encoders.nmea("GPTXT,01,01,02,hello") + b"\xb5\x62\x0a\x04\x05"
    found = answers.version_ubx(talk + encoders.ubx(0x0A, 0x04, version) + talk)
    assert found == Answer("", "u-blox, hardware 00070000", "", "1.00 (59842)")
    quoted = b"\x10\x8f\xab\x10\x10\x03"
    packet = b"\x10\x45\x03\x00\x07\x15\x05\x0a\x02\x0c\x10\x10\x04\x10\x03"
    assert answers.version_tsip(quoted + packet) == Answer("", "TSIP receiver", "", "3.0")


def test_what_a_device_calls_itself_cannot_drive_a_terminal():
    found = answers.identification(b"HEWLETT-PACKARD,58503A\x1b[31m,3542A\x07,3543-A\r\n")
    assert found == Answer("hp", "HEWLETT-PACKARD 58503A[31m", "3542A", "3543-A")
