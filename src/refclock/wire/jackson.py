"""Jackson Labs GPSDOs (Fury, FireFly, LTE-Lite, GPSTCXO, rubidium LN): NMEA tells the time (`nmea`), SCPI on
the same line their health.

``SYNC:HEALTH?`` gives a bit field in hexadecimal. It is asked only of a device that has said ``Jackson
Labs`` to ``*IDN?``, for the question has bytes 0x53.

Source: Jackson Labs, Fury and Micro-JLT user manuals, 3.6, SYNChronization subsystem.
"""

import re
from collections.abc import Sequence

from refclock.wire.answers import Answers
from refclock.wire.dialogue import Dialogue, Question
from refclock.wire.report import Health, Report

PROTOCOL = "jackson-labs"
DIALOGUE = Dialogue(
    (
        Question(b"SYNC:HEALTH?\r\n", ("HEALTH",), every_s=2),
        Question(b"*IDN?\r\n", ("IDN",), every_s=60),
    ),
    proof=("IDN",),
    resync=b"\r\n",
)
# The coarse tuning at either end, the first minutes after power-on or after the phase was set anew, and a
# supply out of range: the pulse is not what it should be.
_NOT_LOCKED = 0x001 | 0x002 | 0x008 | 0x040 | 0x080 | 0x200
_HOLDOVER, _JAMMED = 0x010, 0x800


class Framer(Answers):
    """Who it is, and how it does."""

    def __init__(self) -> None:
        super().__init__(
            PROTOCOL,
            b"JH0",
            (
                (rb"(?:HEALTH STATUS\s{0,4}:\s{0,4})?0x([0-9A-Fa-f]{1,4})", _health),
                (rb"Jackson[ -]Labs[ -~]{0,120}", self.reply("IDN")),
            ),
        )


def _health(found: re.Match[bytes], start: int, end: int) -> Sequence[Report]:
    bits = int(found[1], 16)
    health = Health(
        PROTOCOL, "HEALTH", start, end, pulse_locked=not bits & _NOT_LOCKED, holdover=bool(bits & _HOLDOVER),
        jamming="critical" if bits & _JAMMED else "ok",
    )  # fmt: skip
    return (health,)
