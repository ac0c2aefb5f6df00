"""Microchip SA5X (MAC-SA5x) rubidium clocks: health only.

``{get,Locked|HH}`` is answered ``[=1|HH]``, an error ``[!n|HH]``; HH is the exclusive or of what stands
between the bracket and the bar. An answer does not say what was asked.

Source: SA5X user's guide (Microchip), serial interface; its two examples are in tests/unit/test_answers.py.
"""

import re
from collections.abc import Sequence

from refclock.wire.answers import Answers, xor
from refclock.wire.dialogue import Dialogue, Question
from refclock.wire.report import Health, Reply, Report

PROTOCOL = "sa5x"
_ANSWERS = ("value", "error")


def _command(text: bytes) -> bytes:
    return b"{%b|%02X}" % (text, xor(text))


def _locked(reply: Reply) -> Sequence[Report]:
    if reply.message != "value" or reply.text not in ("0", "1"):
        return ()
    return (Health(PROTOCOL, "Locked", reply.start, reply.end, locked=reply.text == "1"),)


def _disciplined(reply: Reply) -> Sequence[Report]:
    """With a reference: whether its pulse follows that. Where it has none the answer is 0 and means nothing,
    so only a 1 is passed on."""
    if reply.message != "value" or reply.text != "1":
        return ()
    return (Health(PROTOCOL, "DisciplineLocked", reply.start, reply.end, pulse_locked=True, holdover=False),)


DIALOGUE = Dialogue(
    (
        Question(_command(b"get,Locked"), _ANSWERS, read=_locked),
        Question(_command(b"get,DisciplineLocked"), _ANSWERS, every_s=8, read=_disciplined),
    ),
    proof=("value",),
    resync=b"\r\n",
)


class Framer(Answers):
    """Values and errors, each with its checksum."""

    def __init__(self) -> None:
        rules = (
            (rb"\[(=)([ -Z^-z~]{0,120})\|([0-9A-Fa-f]{2})", _value),
            (rb"\[(!)([0-9]{1,4})\|([0-9A-Fa-f]{2})", _value),
        )
        super().__init__(PROTOCOL, rb"\[", rules, ends=rb"\]")


def _value(found: re.Match[bytes], start: int, end: int) -> Sequence[Report] | None:
    if xor(found[1] + found[2]) != int(found[3], 16):
        return None
    message = "value" if found[1] == b"=" else "error"
    return (Reply(PROTOCOL, message, start, end, found[2].decode("ascii")),)
