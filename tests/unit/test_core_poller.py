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
    assert not bench.poller.proven
    assert bench.poller.wake_at() == 900 * MS
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


# ---- to the nanosecond ------------------------------------------------------------------------------

PHASED = Dialogue((Question(b"A?\r", ("a",), phase_ns=150 * MS),), proof=("a",))


def test_a_line_that_was_never_heard_of_is_asked_at_once():
    poller = Poller(TWO, "gps0")
    assert (poller.wake_at(), poller.misses, poller.proven) == (0, 0, False)
    assert poller.on_time(0) == [Request(0, "gps0", b"\rA?\r")]


def test_a_request_that_the_port_did_not_perform_is_given_up_after_half_a_second():
    poller = Poller(TWO, "gps0")
    poller.on_time(7)
    assert poller.wake_at() == 7 + 500 * MS
    poller.on_sent(b"A?\r", 9)
    assert poller.wake_at() == 9 + 900 * MS
    poller.on_time(9 + 900 * MS - 1)
    assert poller.misses == 0
    poller.on_time(9 + 900 * MS)
    assert poller.misses == 1


def test_a_line_that_comes_up_again_begins_where_a_new_one_does():
    poller = Poller(PHASED, "gps0")
    poller.on_time(0)
    poller.on_sent(b"A?\r", 0)
    poller.on_pulse(0)
    poller.begin_anew(301 * MS)
    assert poller.wake_at() == 301 * MS  # the phase was that of another pulse
    assert poller.on_time(301 * MS) != []
    assert poller.wake_at() == 801 * MS  # and nothing was sent yet


def test_a_line_that_comes_up_is_waited_for_from_then_on():
    poller = Poller(PHASED, "gps0")
    poller.begin_anew(2000 * MS)
    poller.on_pulse(1000 * MS)
    assert poller.wake_at() == 2150 * MS
    poller.begin_anew(3000 * MS, up=False)
    assert poller.on_time(3000 * MS) == []


@pytest.mark.parametrize(
    ("at_ms", "asked_ms"),
    [(149, 150), (150, 150), (300, 300), (301, 1150), (30_000, 30_150), (30_001, 30_001)],
)
def test_a_question_may_be_asked_up_to_150_ms_after_its_phase_and_at_any_time_30_s_after_a_pulse(
    at_ms, asked_ms
):
    poller = Poller(PHASED, "gps0")
    poller.on_pulse(0)
    assert (poller.on_time(at_ms * MS) != []) is (at_ms == asked_ms)
    if at_ms != asked_ms:
        assert poller.wake_at() == asked_ms * MS


def test_a_question_with_a_phase_is_due_a_little_before_its_second_is_over():
    poller = Poller(PHASED, "gps0")
    poller.on_time(0)
    poller.on_sent(b"A?\r", 0)
    poller.on_report(heard("a"))
    assert poller.wake_at() == 850 * MS


def test_a_question_without_a_phase_does_not_wait_for_one():
    poller = Poller(TWO, "gps0")
    poller.on_pulse(100 * NS_PER_S)
    assert poller.on_time(100 * NS_PER_S + 300 * MS) != []


def test_long_after_the_counter_began_a_pulse_tells_the_phase_as_well():
    poller = Poller(PHASED, "gps0")
    poller.on_pulse(100 * NS_PER_S)
    assert poller.on_time(100 * NS_PER_S + 301 * MS) == []


def test_a_question_that_somebody_else_asked_is_not_asked_again_so_soon():
    poller = Poller(TWO, "gps0")
    poller.on_sent(b"A?\r", 5 * MS)
    poller.on_report(heard("a"))
    assert [one.data for one in poller.on_time(10 * MS)] == [b"S?\r"]


def test_of_two_questions_that_end_alike_the_first_was_asked():
    poller = Poller(
        Dialogue((Question(b"BA?\r", ("b",)), Question(b"A?\r", ("a",))), proof=("a", "b")), "gps0"
    )
    poller.on_sent(b"BA?\r", 0)
    poller.on_report(heard("b"))
    assert [one.data for one in poller.on_time(10 * MS)] == [b"A?\r"]


def test_after_an_answer_it_takes_four_silences_again_to_be_asked_rarely_and_to_prove_itself_anew():
    bench = Bench(Dialogue((Question(b"A?\r", ("a",)),), proof=("a",)))
    bench.at(0)
    bench.at(900)
    bench.at(1900)
    bench.poller.on_report(heard("a"))
    assert bench.poller.misses == 1
    asked = []
    for ms in range(2900, 30_000, 100):
        before = bench.poller.proven
        if bench.at(ms):
            asked.append(ms)
        if before and not bench.poller.proven:
            assert (ms, bench.poller.misses) == (2900 + 3 * 1900 + 900, 5)
    assert asked == [2900, 4800, 6700, 8600, 10_500, 18_500, 26_500]


def test_what_proves_the_family_is_asked_again_soon_however_rarely_else_but_not_for_ever():
    rare = Dialogue((Question(b"A?\r", ("a",), every_s=60), Question(b"S?\r", ("s",))), proof=("a",))
    bench = Bench(rare)
    asked = [ms for ms in range(0, 30_000, 100) if bench.at(ms)]
    # Four times 1.9 s apart, then 8 s after each silence.
    assert asked == [0, 1900, 3800, 5700, 14_600, 23_500]
    assert bench.poller.wake_at() == (23_500 + 900 + 8000) * MS  # S? may not be asked, however long it is due
    bench = Bench(rare)
    bench.at(0)
    bench.poller.on_report(heard("a"))
    bench.at(10)
    bench.poller.on_report(heard("s"))
    assert bench.at(60_000) == b"A?\r"
    assert bench.at(60_900) == b""
    assert bench.at(61_900) == b"S?\r"  # it is still proven, and asked for the proof in a minute again
