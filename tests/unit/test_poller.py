"""Asking: one question at a time, in its phase, and a byte 0x53 to nobody who has not proven himself."""

import pytest

from refclock.core.asking.poller import Poller
from refclock.model import Request
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire import csac, hp, jackson, prs10, sa5x
from refclock.wire.dialogue import Dialogue, Question
from refclock.wire.report import Health, Reply, Report

MS = NS_PER_MS
TWO = Dialogue((Question(b"A?\r", ("a",)), Question(b"S?\r", ("s",), every_s=4)), proof=("a",), resync=b"\r")


def heard(message: str, text: str = "") -> Reply:
    """An answer."""
    return Reply("x", message, 0, 1, text)


class Bench:
    """A poller on a line that carries everything; times in ms."""

    def __init__(self, dialogue: Dialogue) -> None:
        self.poller = Poller(dialogue, "gps0")

    def at(self, ms: int, performs: bool = True) -> bytes:
        """What is asked at this time; the port sends it."""
        asked: list[Request] = self.poller.on_time(ms * MS)
        if asked and performs:
            self.poller.on_sent(asked[0].data, ms * MS)
        return b"".join(one.data for one in asked)


def test_one_question_at_a_time():
    bench = Bench(TWO)
    assert bench.at(0) == b"\rA?\r"
    assert bench.at(10) == b""
    assert bench.poller.wake_at() == 900 * MS
    bench.poller.on_report(heard("noise"))
    assert bench.at(20) == b""
    bench.poller.on_report(heard("a"))
    assert bench.at(30) == b"S?\r"
    bench.poller.on_report(heard("s"))
    assert bench.poller.wake_at() == 1000 * MS
    assert bench.at(999) == b""
    assert bench.at(1000) == b"A?\r"


def test_a_byte_0x53_waits_for_the_proof_and_again_after_a_silence_or_a_new_line():
    bench = Bench(TWO)
    assert bench.at(0) == b"\rA?\r"
    asked = [bench.at(ms) for ms in range(100, 60_000, 100)]
    assert all(b"S" not in one for one in asked)
    bench.poller.on_report(heard("a"))
    assert b"S?" in b"".join(bench.at(60_000 + ms) for ms in range(0, 9000, 100))
    bench.poller.begin_anew(70 * NS_PER_S)
    assert b"S" not in b"".join(bench.at(70_000 + ms) for ms in range(0, 30_000, 100))
    bench.poller.on_report(heard("a"))
    assert bench.poller.proven
    for ms in range(101_000, 170_000, 100):
        bench.at(ms)
    assert not bench.poller.proven
    assert b"S" not in b"".join(bench.at(170_000 + ms) for ms in range(0, 30_000, 100))


def test_after_a_missing_answer_the_line_is_quiet_and_then_brought_to_its_senses():
    bench = Bench(TWO)
    bench.at(0)
    bench.poller.on_report(heard("a"))
    assert bench.at(10) == b"S?\r"
    assert bench.at(910) == b""
    assert bench.poller.misses == 1
    assert bench.poller.wake_at() == 1910 * MS
    assert list(bench.poller.on_report(heard("s"))) == []  # too late, and nobody's answer any more
    assert bench.at(1900) == b""
    assert bench.at(1910) == b"\rA?\r"


def test_who_does_not_answer_is_asked_more_rarely():
    bench = Bench(Dialogue((Question(b"A?\r", ("a",)),), proof=("a",)))
    asked = [ms for ms in range(0, 60_000, 100) if bench.at(ms)]
    assert asked == [0, 1900, 3800, 5700, 7600, 15_600, 23_600, 31_600, 39_600, 47_600, 55_600]


def test_what_the_port_did_not_send_is_asked_again_and_is_no_silence():
    bench = Bench(TWO)
    asked = [ms for ms in range(0, 5000, 100) if bench.at(ms, performs=False)]
    assert asked == [0, 1000, 2000, 3000, 4000]
    assert bench.poller.misses == 0


def test_a_question_waits_for_its_phase_of_the_second():
    dialogue = Dialogue((Question(b"A?\r", ("a",), phase_ns=150 * MS),), proof=("a",))
    bench = Bench(dialogue)
    assert bench.at(0) == b"A?\r"
    bench.poller.on_report(heard("a"))
    bench.poller.on_pulse(300 * MS)
    assert bench.poller.wake_at() == 1450 * MS
    assert bench.at(1300) == b""
    assert bench.at(1450) == b"A?\r"
    bench.poller.on_report(heard("a"))
    bench.poller.on_pulse(1300 * MS)
    assert bench.at(2500) == b"A?\r"
    bench.poller.on_report(heard("a"))
    bench.poller.on_pulse(2300 * MS)
    assert bench.at(3700) == b""
    assert bench.poller.wake_at() == 4450 * MS
    assert bench.at(40_000) == b"A?\r"  # the last pulse is too long ago to tell the phase


def test_the_same_in_other_words_where_no_answer_comes():
    bench = Bench(csac.DIALOGUE)
    said = [one for ms in range(0, 5000, 100) if (one := bench.at(ms))]
    assert said == [b"\r\n!^\r\n", b"\r\n!^*5E\r\n", b"\r\n!^\r\n"]
    bench = Bench(csac.DIALOGUE)
    bench.at(0)
    bench.at(900)
    assert bench.at(1900) == b"\r\n!^*5E\r\n"
    bench.poller.on_report(Health("csac", "^", 0, 1, locked=True))
    assert bench.at(2000) == b"!6\r\n"
    assert bench.at(2900) == b""
    assert bench.at(3900) == b"\r\n!^*5E\r\n"
    bench.poller.on_report(Health("csac", "^", 0, 1, locked=True))
    assert bench.at(3950) == b""  # the header is no proof, and waits for its turn
    assert bench.at(4900) == b"!^*5E\r\n"


def test_somebody_else_s_question_counts_as_ours_and_a_strange_one_does_not():
    poller = Poller(hp.DIALOGUE, "gps0")
    poller.on_sent(b":SYST:STAT?\r", 0)
    assert poller.on_time(0) != []
    poller.begin_anew(0)
    poller.on_sent(b"\r:PTIME:TZONE?\r", 5)
    assert poller.on_time(10) == []


@pytest.mark.parametrize(
    ("dialogue", "text", "locked"),
    [(prs10.DIALOGUE, "1", True), (prs10.DIALOGUE, "0", False), (sa5x.DIALOGUE, "0", False)],
)
def test_an_answer_is_read_in_the_light_of_its_question(dialogue, text, locked):
    bench = Bench(dialogue)
    bench.at(0)
    answer = dialogue.questions[0].answers[0]
    read = list(bench.poller.on_report(heard(answer, text)))
    assert [one.locked for one in read if isinstance(one, Health)] == [locked]
    assert list(bench.poller.on_report(heard(answer, text))) == []


def test_an_answer_that_needs_no_question_yields_nothing_more():
    bench = Bench(prs10.DIALOGUE)
    bench.at(0)
    assert list(bench.poller.on_report(Report("prs10", "number", 0, 1))) == []
    assert jackson.DIALOGUE.proof == ("IDN",)


def test_an_error_says_nothing():
    bench = Bench(sa5x.DIALOGUE)
    bench.at(0)
    assert list(bench.poller.on_report(heard("error", "3"))) == []
    assert bench.at(10) == b"{get,DisciplineLocked|5A}"
    assert list(bench.poller.on_report(heard("value", "0"))) == []
    assert bench.at(8010) != b""


def test_nobody_is_asked_on_a_line_that_is_gone():
    bench = Bench(TWO)
    assert bench.at(0) == b"\rA?\r"
    bench.poller.begin_anew(10 * MS, up=False)
    assert bench.poller.wake_at() is None
    assert [bench.at(ms) for ms in range(10, 5000, 100)] == [b""] * 50
    bench.poller.begin_anew(5000 * MS)
    assert bench.poller.wake_at() == 5000 * MS
    assert bench.at(5000) == b"\rA?\r"
