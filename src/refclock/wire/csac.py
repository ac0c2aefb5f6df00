"""Microchip (Symmetricom) chip-scale cesium clocks, SA.45s and SA65: telemetry, and nothing else.

**A single character outside a ``!`` command is carried out at once, and ``S`` resynchronises the pulse**: no
byte 0x53 is ever sent. ``!^`` gives the telemetry, ``!6`` its header; in checksum mode (mode bit 0x40) each
command and answer carries ``*HH``, the exclusive or of what stands between ``!`` and ``*``. Its time of day
counts from power-on and is no date.

Source: SA.45s CSAC user's guide (098-00055-000), command list and telemetry; its checksums are in
tests/unit/test_answers.py.
"""

import re
from collections.abc import Sequence

from refclock.wire.answers import Answers, xor
from refclock.wire.dialogue import Dialogue, Question
from refclock.wire.report import Health, Report

PROTOCOL = "csac"
DIALOGUE = Dialogue(
    (
        Question(b"!^\r\n", ("^",), otherwise=b"!^*5E\r\n"),
        Question(b"!6\r\n", ("6",), every_s=600, otherwise=b"!6*36\r\n"),
    ),
    proof=("^",),
    resync=b"\r\n",
)
# The SA.45s; another model's header says what its columns are.
_COLUMNS = (
    "Status", "Alarm", "SN", "Mode", "Contrast", "LaserI", "TCXO", "HeatP", "Sig", "Temp", "Steer", "ATune",
    "Phase", "DiscOK", "TOD", "LTime", "Ver",
)  # fmt: skip
_LOCKED = "0"
_DISCIPLINED, _CHECKSUMS = 0x0010, 0x0040
_ACQUIRING, _HOLDOVER = "0", "2"
# Status, alarms, serial number, mode; then what differs from model to model.
_HEADER = rb"(Status,Alarm,SN,Mode(?:,[A-Za-z0-9_ /()%.\-]{1,20}){4,28})"
_FLAGS = rb"0x[0-9A-Fa-f]{4,8}"
_TELEMETRY = (
    rb"(\d{1,2}," + _FLAGS + rb",[0-9A-Za-z\-]{4,16}," + _FLAGS + rb"(?:,[0-9A-Za-z_ +.\-]{1,20}){4,28})"
)
_SUM = rb"(?:\*([0-9A-Fa-f]{2}))?"
_HEX = re.compile(r"0x[0-9A-Fa-f]{1,8}")


class Framer(Answers):
    """Telemetry lines, and the header that names their columns."""

    longest = 320

    def __init__(self) -> None:
        super().__init__(
            PROTOCOL,
            rb"S0-9",
            ((_HEADER + _SUM, self._header), (_TELEMETRY + _SUM, self._telemetry)),
        )
        self._columns: Sequence[str] = _COLUMNS

    def _header(self, found: re.Match[bytes], start: int, end: int) -> Sequence[Report] | None:
        if not _sums(found):
            return None
        self._columns = found[1].decode("ascii").split(",")
        return (Report(PROTOCOL, "6", start, end),)

    def _telemetry(self, found: re.Match[bytes], start: int, end: int) -> Sequence[Report] | None:
        said = dict(zip(self._columns, found[1].decode("ascii").split(","), strict=False))
        mode, alarm = _number(said["Mode"]), _number(said["Alarm"])
        if not _sums(found) or (mode & _CHECKSUMS and found[2] is None):
            return None
        locked = said["Status"] == _LOCKED and not alarm
        # Disciplined by another pulse it follows that one; by itself it has nothing to hold over from.
        word = said.get("DiscOK") if mode & _DISCIPLINED else None
        health = Health(
            PROTOCOL, "^", start, end, locked=locked,
            pulse_locked=None if word is None else word != _ACQUIRING,
            holdover=None if word is None else word == _HOLDOVER,
        )  # fmt: skip
        return (health,)


def _number(text: str) -> int:
    return int(text, 16) if _HEX.fullmatch(text) else 0


def _sums(found: re.Match[bytes]) -> bool:
    """Whether the checksum is right, where there is one."""
    return found[2] is None or xor(found[1]) == int(found[2], 16)
