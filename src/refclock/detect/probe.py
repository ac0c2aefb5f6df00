"""Active detection: questions that change nothing, one at a time, to a line whose owner permits it.

**A chip-scale cesium (CSAC) obeys single characters at once, and ``S`` shifts its pulse.** So no question
holds the byte 0x53; a CSAC is asked for first, at its own speed, before any other byte is sent; and at every
other speed its question comes first again. Bytes sent slower than it listens cannot turn into an ``S`` at its
end: an ``S`` (0x53, least bit first: 11001010) ends in bits that differ one from the next, which takes a
sender whose bits are no longer than its own. Those sent faster could; that is why its own speed comes first.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from refclock.detect import answers
from refclock.detect.answers import Answer
from refclock.detect.quietline import QuietLine, Setting
from refclock.detect.sniff import Tell
from refclock.units import NS_PER_MS

SYNCHRONISE = b"S"
CSAC = "csac"

# A pause in what a talking receiver says, and for how long to wait for one.
_QUIET_NS, _QUIET_WAIT_NS = 250 * NS_PER_MS, 1_500 * NS_PER_MS
# Most answer within 100 ms; an Oncore's or a GPSDO's identification takes 300 ms at 9600 Bd to arrive.
_ANSWER_NS, _MORE_NS = 800 * NS_PER_MS, 350 * NS_PER_MS
_LONGEST = 4096

Judge = Callable[[bytes], Answer | None]


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask a ``family``, how to tell its answer, and the second, different question that confirms:
    that of ``others`` for a family that the answer names."""

    family: str
    title: str
    ask: bytes
    judge: Judge
    again: bytes
    confirm: Judge
    settings: tuple[Setting, ...]
    others: tuple[tuple[str, bytes], ...] = ()

    @property
    def asks(self) -> tuple[bytes, ...]:
        """All that may be sent."""
        return (self.ask, self.again, *(other for _, other in self.others))


@dataclass(frozen=True, slots=True)
class Found:
    """Who answered, where, and whether the second question was answered as well."""

    family: str
    title: str
    setting: Setting
    answer: Answer
    confirmed: bool


_FAST = Setting(57600)
_USUAL = Setting(9600)
_EIGHTS = tuple(Setting(baud) for baud in (9600, 38400, 115200, 57600, 4800, 19200, 230400, 460800))
_SCPI_SETTINGS = (*_EIGHTS[:6], Setting(19200, "7O1"))
_NMEA_SETTINGS = tuple(Setting(baud) for baud in (9600, 38400, 115200, 4800))


def _scpi_again(data: bytes) -> Answer | None:
    return answers.time_code(data) or answers.clock_reading(data) or answers.number(data)


# The order is that of asking, at one setting. An NMEA receiver has three questions, by maker; the CSAC's
# second form is for one that was told to use checksums.
QUESTIONS = (
    Question(CSAC, "Microchip CSAC", b"^", answers.telemetry, b"6", answers.header, _EIGHTS),
    Question(CSAC, "Microchip CSAC", b"!^*5E\r\n", answers.telemetry, b"!6*36\r\n", answers.header, (_FAST,)),
    Question("sa5x", "Microchip SA5X", b"{device?|27}", answers.braces, b"{swrev?|5A}", answers.braces_any,
             (_FAST,)),
    Question("hp", "a clock that speaks SCPI", b"\r\n*IDN?\r\n", answers.identification,
             b"\r\n:PTIME:TCODE?\r\n", _scpi_again, _SCPI_SETTINGS,
             (("jackson-labs", b"\r\nPTIME?\r\n"), ("5071a", b"\r\nPTIM:MJD?\r\n"))),
    Question("ubx", "u-blox", b"\xb5\x62\x0a\x04\x00\x00\x0e\x34", answers.version_ubx,
             b"\xb5\x62\x01\x21\x00\x00\x22\x67", answers.time_ubx, _EIGHTS),
    Question("tsip", "Trimble TSIP", b"\x10\x1f\x10\x03", answers.version_tsip, b"\x10\x21\x10\x03",
             answers.time_tsip, (_USUAL, Setting(9600, "8O1"), Setting(115200, "8O1"))),
    Question("tsip1", "Trimble TSIP version 1", b"\x10\x90\x01\x00\x02\x00\x93\x10\x03",
             answers.packet_tsip1(0x90), b"\x10\x93\x00\x00\x02\x00\x91\x10\x03", answers.packet_tsip1(0x93),
             (Setting(115200),)),
    Question("oncore", "Motorola Oncore", b"@@Cj)\r\n", answers.oncore(b"Cj", 294), b"@@Aw\xff\xc9\r\n",
             answers.oncore(b"Aw", 8), (_USUAL,)),
    Question("nmea", "NMEA 0183, u-blox", b"$PUBX,00*33\r\n", answers.sentence("PUBX,00,"),
             b"$PUBX,04*37\r\n", answers.sentence("PUBX,04,"), _NMEA_SETTINGS),
    Question("nmea", "NMEA 0183, MediaTek", b"$PMTK605*31\r\n", answers.sentence("PMTK705,"),
             b"$PMTK414*33\r\n", answers.sentence("PMTK514,"), _NMEA_SETTINGS),
    Question("nmea", "NMEA 0183, Quectel", b"$PQTMVERNO*58\r\n", answers.sentence("PQTMVERNO,"),
             b"$PQTMUNIQID*16\r\n", answers.sentence("PQTMUNIQID,"), _NMEA_SETTINGS),
    Question("prs10", "SRS PRS10", b"\rID?\r", answers.prs10, b"TT?\r", answers.number, (_USUAL,)),
)  # fmt: skip


def probe(line: QuietLine, settings: tuple[Setting, ...], tell: Tell) -> Found | None:
    """Ask a silent, unknown line; the first who answers. Raises PortError when the line is lost."""
    # The CSAC's own speed before everything else.
    order = tuple(dict.fromkeys((_FAST, *settings)))
    for number, setting in enumerate(order, 1):
        line.set(setting)
        for question in (one for one in QUESTIONS if setting in one.settings):
            tell(f"asking at {setting} ({number} of {len(order)}): {question.title}?")
            if found := _exchange(line, question, setting):
                return found
    return None


def identify(line: QuietLine, family: str, setting: Setting, tell: Tell) -> Found | None:
    """Ask a line that was recognised which model of that family it is. Raises PortError."""
    line.set(setting)
    for question in (one for one in QUESTIONS if one.family == family and family != CSAC):
        tell(f"asking at {setting}: {question.title}?")
        if found := _exchange(line, question, setting):
            return found
    return None


def _exchange(line: QuietLine, question: Question, setting: Setting) -> Found | None:
    """A question, and where it is answered the second one."""
    answer = _ask(line, question.ask, question.judge)
    if answer is None:
        return None
    again = dict(question.others).get(answer.family, question.again)
    confirmed = _ask(line, again, question.confirm) is not None
    return Found(answer.family or question.family, question.title, setting, answer, confirmed)


def _ask(line: QuietLine, question: bytes, judge: Judge) -> Answer | None:
    """Send after a pause; judge what comes until a whole answer has come, or none will."""
    if SYNCHRONISE in question:
        raise ValueError(f"{question!r} would shift the pulse of a CSAC")
    _await_pause(line)
    line.write(question)
    began_ns = time.monotonic_ns()
    until_ns, data = began_ns + _ANSWER_NS, b""
    while len(data) < _LONGEST:
        more = line.read(until_ns)
        if not more:
            break
        data += more
        if answer := judge(data):
            return answer
        # A long answer may take longer than the wait for its beginning, but not for ever.
        until_ns = max(until_ns, min(time.monotonic_ns() + _MORE_NS, began_ns + 2 * _ANSWER_NS))
    return None


def _await_pause(line: QuietLine) -> None:
    """Until nothing has come for a while. A line that never pauses is asked all the same."""
    limit_ns = time.monotonic_ns() + _QUIET_WAIT_NS
    while (now_ns := time.monotonic_ns()) < limit_ns and line.read(min(now_ns + _QUIET_NS, limit_ns)):
        pass
