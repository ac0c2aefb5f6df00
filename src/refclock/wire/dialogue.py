"""What a receiver that speaks only when asked may be asked: the whole list, in the table of families.

Nothing else is ever sent to it. Each question reads and none writes a setting; tests/unit/test_dialogues.py
holds every one against what its family's manual calls a command.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from refclock.units import NS_PER_MS
from refclock.wire.report import Reply, Report

# The byte that, alone, makes a chip-scale cesium clock (CSAC SA.45s) resynchronise its pulse at once.
RESYNCHRONISES = b"S"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``answers``: the messages (Report.message) that answer it.

    Asked every ``every_s`` seconds, ``phase_ns`` after a pulse where that is known (0: at any time), and
    given up after ``timeout_ns``. ``otherwise`` is the same in other words, tried by turns while no answer
    comes. ``read`` makes reports of an answer that does not say what was asked.
    """

    data: bytes
    answers: tuple[str, ...]
    every_s: int = 1
    phase_ns: int = 0
    timeout_ns: int = 900 * NS_PER_MS
    otherwise: bytes = b""
    read: Callable[[Reply], Sequence[Report]] | None = None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A family's questions, the earlier the more important.

    ``proof``: the messages that prove the family, so that a question with the byte 0x53 may be sent.
    ``resync`` ends whatever the line is in the middle of; it is put before a question after a missing
    answer.
    """

    questions: tuple[Question, ...]
    proof: tuple[str, ...]
    resync: bytes = b""

    def sent(self) -> tuple[bytes, ...]:
        """Every byte string that may be sent, without the resync before it."""
        asked = [one for question in self.questions for one in (question.data, question.otherwise) if one]
        return tuple(asked)
