"""Which families does a line speak? And the table that says what each of them is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from refclock.policy import parse_policy
from refclock.wire import families, nmea, recognise, scanner
from refclock.wire.families import CHECKED, FAMILIES, Family, doubts, families_of
from refclock.wire.framing import REFUSED, WAIT
from refclock.wire.recognise import Recogniser
from refclock.wire.report import Health, Label, Report
from refclock.wire.scanner import Scanner

NOW_S = 1_709_210_096


class Bare:
    """A family of three bytes without a checksum: <, a digit that counts seconds (h: health), >."""

    name = "bare"

    def __init__(self) -> None:
        self.frames = 0

    def find(self, data: bytes, at: int) -> int:
        return data.find(b"<", at)

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        if len(data) < at + 3:
            return WAIT
        what = data[at + 1 : at + 2]
        if data[at + 2 : at + 3] != b">" or what not in b"h0123456789":
            return REFUSED
        self.frames += 1
        place = ("bare", "H" if what == b"h" else "T", origin + at, origin + at + 3)
        reports.append(Health(*place) if what == b"h" else Label(*place, NOW_S + int(what)))
        return at + 3


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """The table with a further family in it."""
    table = FAMILIES | {"bare": Family("bare", "a test", Bare, checked=False)}
    for module in (families, scanner, recognise):
        monkeypatch.setattr(module, "FAMILIES", table)


def sentence(second: int, first: str = "GPZDA") -> bytes:
    body = f"{first},1234{second:02},29,02,2024,,".encode()
    return b"$%s*%02X\r\n" % (body, nmea.checksum(body))


def heard(data: bytes) -> list[str]:
    """What is passed on, by message and last digit of the second."""
    recogniser = Recogniser()
    reports = recogniser.feed(data) + recogniser.finish()
    return [f"{one.message}{one.utc_s - NOW_S}" if isinstance(one, Label) else one.message for one in reports]


def frames(text: str) -> bytes:
    return b"".join(b"<%c>" % one for one in text.encode())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1234", ""),
        ("12345", "T1 T2 T3 T4 T5"),
        ("1123456", "T1 T2 T3 T4 T5 T6"),
        ("12245678", "T4 T5 T6 T7 T8"),
        ("13579", ""),
        ("54321", ""),
        ("0h1234h5", "T0 H T1 T2 T3 T4 H T5"),
        ("9h12345", "T1 T2 T3 T4 T5"),
    ],
)
def test_five_seconds_in_a_row_prove_a_family_without_checksums(text, told):
    assert heard(b"noise" + frames(text)) == told.split()
    assert recognise.recognise(frames(text)) == (("bare",) if told else ())


def test_messages_of_one_second_are_one_second():
    candidate = recognise._Candidate("bare")
    labels: list[Report] = [Label("bare", name, 0, 1, NOW_S + at) for at in range(5) for name in ("A", "B")]
    assert candidate.hear(labels[:8]) == []
    assert candidate.hear(labels[8:]) == labels
    assert candidate.hear(labels[:1]) == labels[:1]


def test_what_is_held_back_is_bounded():
    candidate = recognise._Candidate("bare")
    for _ in range(1000):
        candidate.hear([Health("bare", "H", 0, 1)])
    assert len(candidate._held) <= 256


def test_three_frames_with_checksums_prove_a_family():
    assert recognise.recognise(sentence(1) + sentence(2)) == ()
    assert recognise.recognise(sentence(1) + sentence(2) + sentence(3)) == ("nmea",)


def test_a_line_that_speaks_with_checksums_is_no_other_family_s():
    data = b"".join(map(sentence, (1, 2, 3)))
    recogniser = Recogniser()
    recogniser.feed(data)
    assert [one.protocol for one in recogniser.feed(frames("12345") + sentence(4))] == ["nmea"]
    assert recogniser.names() == ("nmea",)
    assert recogniser.counters.frames.get("bare") is None
    # Two good frames may be chance: a line of a family without checksums that quotes them stays its own.
    assert recognise.recognise(data[:60] + frames("12345")) == ("bare",)


def test_counters_are_those_of_what_was_recognised():
    recogniser = Recogniser()
    recogniser.feed(b"--" + frames("12345"))
    assert recogniser.counters.frames == dict.fromkeys(CHECKED, 0) | {"bare": 5}
    assert recogniser.counters.skipped_bytes == 2
    assert recogniser.offset == 17


def test_auto_is_for_families_with_checksums():
    assert "bare" not in families_of("auto")
    assert Scanner("auto").feed(frames("12345")) == []
    assert len(Scanner("bare").feed(frames("12345"))) == 5


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_a_row_fits_its_codec(family):
    make: Callable[[], object] = family.make
    assert make().name == family.name  # type: ignore[attr-defined]
    assert FAMILIES[family.name] is family
    assert set(family.says) <= {"time", "leap", "health", "sawtooth"}
    assert family.says or family.advice
    line = f'baud = {family.baud}\nframing = "{family.framing}"'
    text = f'[receiver]\nprotocol = "{family.name}"\n{line}\n[pps]'
    assert parse_policy(text).receiver.protocol == family.name
    assert replace(family, title=family.title) == family


@pytest.mark.parametrize(
    ("protocol", "timescale", "told", "mend"),
    [
        ("auto", "", "", ""),
        ("nmea", "", "", ""),
        ("truetime", "", "no checksums", 'receiver.timescale = "utc"'),
        ("truetime", "utc", "no checksums", "no year"),
        ("zyfer", "", "no checksums", "mode 2"),
        ("tsip", "", "no checksums", "8E-A2"),
        ("sirf", "", "not read for time", "gpsctl"),
        ("garmin", "", "not read for time", "PGRMC1"),
    ],
)
def test_what_an_operator_must_know_of_a_family(protocol, timescale, told, mend):
    found, what_to_do = doubts(protocol, timescale)
    assert told in found
    assert mend in what_to_do
    assert bool(found) == bool(told)
