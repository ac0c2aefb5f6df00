"""Asks a polled receiver, one question at a time, at the right phase of the second, and nothing but what its
family's dialogue lists (wire.dialogue).

A byte 0x53 is sent only to a receiver that has proven its family since the line came up, for a chip-scale
cesium on the wrong line would resynchronise its pulse.
"""

from collections.abc import Sequence

from refclock.model import Request
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.dialogue import RESYNCHRONISES, Dialogue, Question
from refclock.wire.report import Reply, Report

# A pulse not older than this still tells where in the second now is: 100 ppm of it are 3 ms.
_PULSE_FOR_NS = 30 * NS_PER_S
# How late in its second a question may still be asked.
_WINDOW_NS = 150 * NS_PER_MS
# A family is unproven again after so many questions without an answer, and asked more rarely.
_MISSES = 4
_RARELY = 8
# An answer may still come when it was given up, and would be taken for the next question's: be quiet so long.
_QUIET_NS = NS_PER_S
# A request that the port did not perform is given up after this.
_UNSENT_NS = 500 * NS_PER_MS


class Poller:
    """One line's questions and answers. All times are CLOCK_MONOTONIC_RAW ns."""

    def __init__(self, dialogue: Dialogue, port: str) -> None:
        self._dialogue = dialogue
        self._port = port
        self._pulse_ns: int | None = None
        self.misses = 0
        self.begin_anew(0)

    def begin_anew(self, raw_ns: int, up: bool = True) -> None:
        """The line came up or went away, or the counter began anew: whatever is there then has to prove
        itself; where nothing is, nothing is asked."""
        self._up = up
        self.proven = False
        self._asked: tuple[Question, int] | None = None
        self._sent = False
        self._now_ns = raw_ns
        self._due = [raw_ns] * len(self._dialogue.questions)
        self._others = [False] * len(self._dialogue.questions)
        self._resync = True
        self._in_a_row = 0
        self._quiet_ns = raw_ns
        self._pulse_ns = None

    def on_pulse(self, raw_ns: int) -> None:
        """A pulse of the receiver's: seconds are counted from it."""
        self._pulse_ns = raw_ns

    def on_sent(self, data: bytes, raw_ns: int) -> None:
        """The port wrote something: this daemon's question, or in a capture somebody else's."""
        for index, question in enumerate(self._dialogue.questions):
            if data.endswith(question.data) or (question.otherwise and data.endswith(question.otherwise)):
                self._asked, self._sent = (question, raw_ns), True
                self._due[index] = self._again_ns(question, raw_ns)
                return

    def on_report(self, report: Report) -> Sequence[Report]:
        """Something was heard. Returns what it says in the light of the question."""
        if report.message in self._dialogue.proof:
            self.proven = True
        if self._asked is None or report.message not in self._asked[0].answers:
            return ()
        question = self._asked[0]
        self._asked = None
        self._in_a_row, self._resync = 0, False
        if question.read is None or not isinstance(report, Reply):
            return ()
        return question.read(report)

    def on_time(self, raw_ns: int) -> list[Request]:
        """What to ask now, if anything."""
        self._now_ns = raw_ns
        if not self._up:
            return []
        if self._asked is not None:
            if raw_ns < self._gives_up_ns():
                return []
            self._missed(raw_ns)
        if raw_ns < self._quiet_ns:
            return []
        for index, question in enumerate(self._dialogue.questions):
            if raw_ns >= self._when(index, question) and self._may(index, question):
                return [self._ask(index, question, raw_ns)]
        return []

    def wake_at(self) -> int | None:
        """When ``on_time`` has something to do."""
        if not self._up:
            return None
        if self._asked is not None:
            return self._gives_up_ns()
        questions = enumerate(self._dialogue.questions)
        due = (self._when(index, one) for index, one in questions if self._may(index, one))
        return max(self._quiet_ns, min(due))

    def _gives_up_ns(self) -> int:
        assert self._asked is not None
        question, asked_ns = self._asked
        return asked_ns + (question.timeout_ns if self._sent else _UNSENT_NS)

    def _missed(self, raw_ns: int) -> None:
        assert self._asked is not None
        index = self._dialogue.questions.index(self._asked[0])
        if self._sent:
            self.misses += 1
            self._in_a_row += 1
            self._others[index] = not self._others[index]
            self._resync = True
            self._quiet_ns = raw_ns + _QUIET_NS
            if not self.proven:
                # What proves the family is asked again soon, however rarely else; but not for ever.
                soon = _RARELY * NS_PER_S if self._in_a_row >= _MISSES else 0
                self._due[index] = min(self._due[index], raw_ns + soon)
        if self._in_a_row >= _MISSES:
            self.proven = False
        self._asked = None

    def _words(self, index: int, question: Question) -> bytes:
        return question.otherwise if question.otherwise and self._others[index] else question.data

    def _may(self, index: int, question: Question) -> bool:
        return self.proven or RESYNCHRONISES not in self._words(index, question)

    def _when(self, index: int, question: Question) -> int:
        """The first instant, from its due time and from now on, at which a question may be asked."""
        due, pulse_ns = max(self._due[index], self._now_ns), self._pulse_ns
        if not question.phase_ns or pulse_ns is None or due - pulse_ns > _PULSE_FOR_NS:
            return due
        into = (due - pulse_ns - question.phase_ns) % NS_PER_S
        return due if into <= _WINDOW_NS else due + NS_PER_S - into

    def _again_ns(self, question: Question, raw_ns: int) -> int:
        """When to ask again what was asked at ``raw_ns``."""
        rarely = _RARELY if self._in_a_row >= _MISSES else 1
        # A little early where the phase decides when exactly.
        early_ns = _WINDOW_NS if question.phase_ns else 0
        return raw_ns + question.every_s * rarely * NS_PER_S - early_ns

    def _ask(self, index: int, question: Question, raw_ns: int) -> Request:
        self._due[index] = self._again_ns(question, raw_ns)
        self._asked, self._sent = (question, raw_ns), False
        prefix = self._dialogue.resync if self._resync else b""
        return Request(raw_ns, self._port, prefix + self._words(index, question))
