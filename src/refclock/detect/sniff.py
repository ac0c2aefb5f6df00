"""Passive detection: listen at one setting after another until somebody speaks a known language.

The order and the lengths are the house's rules for looking at a line without harm; nothing is ever sent.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from refclock.detect.quietline import QuietLine, Setting
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.families import FAMILIES
from refclock.wire.recognise import Recogniser
from refclock.wire.report import Label, Report

# Two bursts of a receiver that speaks once a second, whatever the instant at which listening begins.
LISTEN_NS = 2_200 * NS_PER_MS
# Five seconds that advance by one, for the families without checksums, and a single sentence a second.
LONGER_NS = 7 * NS_PER_S
# At a wrong speed bytes come as other bytes, but they come; a line without any is not spoken on.
_SILENT_SETTINGS = 3

CANDIDATES = (
    *(Setting(baud) for baud in (9600, 38400, 115200, 57600, 4800, 19200, 230400, 460800)),
    Setting(9600, "8O1"),
    Setting(115200, "8O1"),
    Setting(19200, "7O1"),
)

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a line said by itself. ``families`` are those recognised, the one to configure first; ``setting``
    is where, None where nothing was recognised; ``size`` counts the bytes of all settings tried."""

    families: tuple[str, ...] = ()
    setting: Setting | None = None
    label: Label | None = None
    size: int = 0

    @property
    def family(self) -> str:
        """The family to configure, empty for none."""
        return self.families[0] if self.families else ""


def settings_for(found: Setting | None, named: bool) -> tuple[Setting, ...]:
    """What to try, the present setting first. The speed of a receiver's own USB port means nothing."""
    if named:
        return (found or Setting(9600),)
    return tuple(dict.fromkeys(((found,) if found else ()) + CANDIDATES))


def sniff(line: QuietLine, settings: tuple[Setting, ...], tell: Tell) -> Heard:
    """Listen at each setting in turn. Raises PortError when the line is lost."""
    size = 0
    for number, setting in enumerate(settings, 1):
        if size == 0 and number > _SILENT_SETTINGS:
            break
        tell(f"listening at {setting} ({number} of {len(settings)})")
        recogniser, label, heard = _listen(line, setting)
        size += heard
        if families := recogniser.names():
            return Heard(families, setting, label, size)
    return Heard(size=size)


def _listen(line: QuietLine, setting: Setting) -> tuple[Recogniser, Label | None, int]:
    """One setting; longer where what was heard gives hope."""
    line.set(setting)
    recogniser, label = Recogniser(), None
    began_ns = time.monotonic_ns()
    end_ns = began_ns + LISTEN_NS
    while True:
        label = _latest(recogniser.feed(line.read(end_ns)), label)
        if time.monotonic_ns() < end_ns:
            continue
        if not recogniser.hopeful or end_ns >= began_ns + LONGER_NS:
            break
        end_ns += NS_PER_S
    label = _latest(recogniser.finish(), label)
    return recogniser, label, recogniser.offset


def _latest(reports: list[Report], before: Label | None) -> Label | None:
    """The last second that was named, preferably by the family that would be configured."""
    order = list(FAMILIES)
    for report in reports:
        if isinstance(report, Label) and (
            before is None or order.index(report.protocol) <= order.index(before.protocol)
        ):
            before = report
    return before
