"""SRS PRS10 and FS725 rubidium clocks: health, and no calendar.

``LO?`` says whether the frequency-lock loop is locked, ``ST?`` six status bytes, of which the first four are
faults of supply, synthesiser, temperature and lock; reading them clears them. ``ST?`` has a byte 0x53 and
is asked only of a device that has named itself to ``ID?``.

Source: SRS, PRS10 operation and service manual, "Remote programming", status bytes.
"""

import re
from collections.abc import Sequence

from refclock.wire.answers import Answers
from refclock.wire.dialogue import Dialogue, Question
from refclock.wire.report import Health, Reply, Report

PROTOCOL = "prs10"
_FAULT_BYTES = 4


def _loop(reply: Reply) -> Sequence[Report]:
    return (Health(PROTOCOL, "LO", reply.start, reply.end, locked=reply.text == "1"),)


DIALOGUE = Dialogue(
    (
        Question(b"LO?\r", ("number",), every_s=1, read=_loop),
        Question(b"ID?\r", ("ID",), every_s=60),
        Question(b"ST?\r", ("ST",), every_s=4),
    ),
    proof=("ID",),
    resync=b"\r",
)


class Framer(Answers):
    """Its name, its six bytes, and bare numbers."""

    def __init__(self) -> None:
        super().__init__(
            PROTOCOL,
            b"P0-9",
            (
                (rb"PRS10_[0-9.]{1,8}_SN_[0-9]{1,10}", self.reply("ID")),
                (rb"\d{1,3}(?:,\d{1,3}){5}", _status),
                (rb"[01]", self.reply("number")),
            ),
        )


def _status(found: re.Match[bytes], start: int, end: int) -> Sequence[Report] | None:
    told = [int(one) for one in found[0][:-1].split(b",")]
    if max(told) > 0xFF:
        return None
    return (Health(PROTOCOL, "ST", start, end, locked=not any(told[:_FAULT_BYTES])),)
