"""HP, Agilent, Symmetricom, Microchip 5071A: a primary cesium standard.

All its time of day was set by a person, so nothing here ever tells a date. ``SYST:PRINT?`` prints the status
display; of it only the summary counts. It is asked only of a device that has named itself to ``*IDN?``.

Source: 5071A user's guide (Microchip DS50003249), remote operation; the display's layout is that of the
printed example there.
"""

import re
from collections.abc import Sequence

from refclock.units import NS_PER_MS
from refclock.wire.answers import Answers
from refclock.wire.dialogue import Dialogue, Question
from refclock.wire.report import Health, Report

PROTOCOL = "5071a"
# Some 800 characters, at 2400 baud.
_PRINTING_NS = 3_800 * NS_PER_MS
DIALOGUE = Dialogue(
    (
        Question(b"SYST:PRINT?\r\n", ("PRINT",), every_s=4, timeout_ns=_PRINTING_NS),
        Question(b"*IDN?\r\n", ("IDN",), every_s=60),
    ),
    proof=("IDN",),
    resync=b"\r\n",
)
_WELL = b"OPERATING NORMALLY"


class Framer(Answers):
    """Who it is, and its summary."""

    def __init__(self) -> None:
        super().__init__(
            PROTOCOL,
            b"A-Z",
            (
                (rb"Status summary:\s{0,20}([A-Za-z][ -~]{0,60})", _summary),
                (rb"[A-Z][A-Za-z .\-]{1,40},\s?5071A[ -~]{0,80}", self.reply("IDN")),
            ),
        )


def _summary(found: re.Match[bytes], start: int, end: int) -> Sequence[Report]:
    return (Health(PROTOCOL, "PRINT", start, end, locked=found[1].strip().upper() == _WELL),)
