"""One table of what each family of receivers is. A new family is one file, and one row here.

The configuration, ``decode``, ``simulate``, the documents and the fuzzer take their lists from it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from refclock.wire.dialogue import Dialogue
from refclock.wire.framing import Framer

if TYPE_CHECKING:
    # What the rows name. They read a family's file when it is first wanted: a daemon hears one of twenty.
    from refclock.wire import (  # noqa: F401
        csac,
        garmin,
        gpsdjson,
        hp,
        hp5071,
        jackson,
        nmea,
        oncore,
        prs10,
        sa5x,
        sirf,
        timecode,
        tsip,
        tsip1,
        ubx,
    )
    from refclock.wire.nmea import bare  # noqa: F401

AUTO = "auto"
# What stands for a family where a standard has no serial line at all; "none" is the same in other words.
PPS_ONLY = ("pps-only", "none")


@dataclass(frozen=True, slots=True)
class Family:
    """One row.

    ``checked``: its frames carry a checksum, so that `auto` may look for them on any line; others are
    believed where the operator names them, or by the rule of `recognise`. ``baud`` and ``framing`` are what
    its receivers usually come with. ``label_edge`` and ``timescale`` say for people what its labels are;
    for the program each label says its own (`report.Label`). ``asked``: what it is asked, where it speaks (or
    tells its health) only then. ``beside``: families whose messages come on the same line.
    ``says``: "time", "leap" (seconds), "health", "sawtooth"; nothing at all for a family that is recognised
    only to tell the operator, in ``advice``, what to do about it.
    """

    name: str
    title: str
    make: Callable[[], Framer]
    checked: bool = True
    baud: int = 9600
    framing: str = "8N1"
    label_edge: str = "previous"
    timescale: str = "utc"
    asked: Callable[[], Dialogue] | None = None
    beside: tuple[str, ...] = ()
    says: tuple[str, ...] = ("time",)
    advice: str = ""

    @property
    def polled(self) -> bool:
        """It is asked."""
        return self.asked is not None

    @property
    def dialogue(self) -> Dialogue | None:
        """What it is asked; None where nothing is."""
        return None if self.asked is None else self.asked()


def _framer(module: str, *how: str) -> Callable[[], Framer]:
    """Makes the framer of a file of this room."""

    def make() -> Framer:
        framer: Framer = import_module(f"refclock.wire.{module}").Framer(*how)
        return framer

    return make


def _dialogue(module: str) -> Callable[[], Dialogue]:
    """The dialogue of a file of this room."""

    def asked() -> Dialogue:
        dialogue: Dialogue = import_module(f"refclock.wire.{module}").DIALOGUE
        return dialogue

    return asked


# Where frames of two families could begin at the same byte, the earlier row is tried first; where a line
# carries several, the earlier row is what a configuration should name.
_ROWS = (
    Family(
        "ubx", "u-blox UBX", _framer("ubx"), baud=38400, label_edge="previous, TIM-TP next",
        says=("time", "leap", "health", "sawtooth"),
    ),
    Family(
        "tsip1", "Trimble TSIP version 1 (RES 720)", _framer("tsip1"), baud=115200,
        timescale="gps or utc", says=("time", "leap", "health"),
    ),
    Family(
        "tsip", "Trimble TSIP (Thunderbolt; RES SMT 360, Palisade and Acutime with 8O1)",
        _framer("tsip"), checked=False, timescale="gps or utc", says=("time", "leap", "health"),
        advice="nothing; or have it label in UTC: 8E-A2 03",
    ),
    Family(
        "oncore", "Motorola Oncore binary", _framer("oncore"), timescale="utc or gps",
        says=("time", "leap", "health", "sawtooth"),
        advice="with 6 or 8 channels have @@Aw and @@Bo sent each second; UTC is @@Aw 01",
    ),
    Family("nmea", "NMEA 0183", _framer("nmea"), says=("time", "leap", "health")),
    Family(
        "nmea-unchecked", "NMEA without checksums (HP 58534A)", _framer("nmea.bare"), checked=False,
        says=("time", "leap", "health"), advice="where it can be told to send checksums, do, and use nmea",
    ),
    Family(
        "meinberg", "Meinberg Standard, Uni Erlangen", _framer("timecode", "meinberg"), checked=False,
        timescale="UTC where it says so", says=("time", "leap", "health"),
        advice="set the string's zone to UTC",
    ),
    Family(
        "spectracom", "Spectracom formats 0, 1, 2, 3", _framer("timecode", "spectracom"), checked=False,
        timescale="UTC (2), where it says so (0, 3), unstated (1)", says=("time", "leap", "health"),
        advice="choose format 2 or 3 at UTC: 0 has no year, 1 no zone",
    ),
    Family(
        "truetime", "TrueTime XL-DC, Spectracom 9", _framer("timecode", "truetime"), checked=False,
        timescale="unstated", says=("time", "health"), advice="no year, no zone: see below",
    ),
    Family(
        "arbiter", "Arbiter B5", _framer("timecode", "arbiter"), checked=False,
        timescale="unstated", says=("time", "health"), advice="no zone: see below",
    ),
    Family(
        "zyfer", "FEI-Zyfer !TIME", _framer("timecode", "zyfer"), checked=False,
        timescale="UTC where it says so", says=("time", "health"), advice="set it to UTC (mode 2)",
    ),
    Family(
        "gpsd", "gpsd's JSON (the line itself is gpsd's)", _framer("gpsdjson"), checked=False,
        says=("time", "health"),
    ),
    Family(
        "hp", "HP, Symmetricom 58503A, Z3801A, Z3805A", _framer("hp"), checked=False, label_edge="next",
        timescale="UTC once its zone is told", says=("time", "leap", "health"),
        asked=_dialogue("hp"), advice="leave its echo on; a Z3801A wants 19200 7O1",
    ),
    Family(
        "jackson-labs", "Jackson Labs: NMEA, and health by SCPI", _framer("jackson"), checked=False,
        baud=115200, says=("time", "health"), asked=_dialogue("jackson"), beside=("nmea",),
        advice="switch its NMEA on: GPGGA, GPRMC or GPZDA each second",
    ),
    Family(
        "5071a", "5071A cesium", _framer("hp5071"), checked=False, label_edge="none", timescale="none",
        says=("health",), asked=_dialogue("hp5071"),
        advice="name its baud rate; set its pulse to UTC by hand",
    ),
    Family(
        "csac", "CSAC SA.45s, SA65", _framer("csac"), checked=False, baud=57600, label_edge="none",
        timescale="none", says=("health",), asked=_dialogue("csac"), advice="set its pulse to UTC by hand",
    ),
    Family(
        "sa5x", "SA5X rubidium", _framer("sa5x"), checked=False, baud=57600, label_edge="none",
        timescale="none", says=("health",), asked=_dialogue("sa5x"), advice="set its pulse to UTC by hand",
    ),
    Family(
        "prs10", "SRS PRS10, FS725 rubidium", _framer("prs10"), checked=False, label_edge="none",
        timescale="none", says=("health",), asked=_dialogue("prs10"), advice="set its pulse to UTC by hand",
    ),
    Family(
        "sirf", "SiRF binary", _framer("sirf"), says=(),
        advice="switch it to NMEA: stop whatever has the port, and run `gpsctl -f -n DEVICE` (Debian: "
        "gpsd-clients)",
    ),
    Family(
        "garmin", "Garmin binary", _framer("garmin"), says=(),
        advice="switch it to NMEA: send the bytes 10 0A 02 26 00 CE 10 03, then $PGRMC1,,1 and CR LF; turn "
        "it off and on",
    ),
)  # fmt: skip
FAMILIES: dict[str, Family] = {row.name: row for row in _ROWS}
CHECKED = frozenset(row.name for row in _ROWS if row.checked)


def is_standard(protocol: str) -> bool:
    """Whether it is a standard's: a pulse, health at most, and nothing that tells the time."""
    row = FAMILIES.get(protocol)
    return protocol in PPS_ONLY or (row is not None and "health" in row.says and "time" not in row.says)


def families_of(protocol: str) -> frozenset[str]:
    """The families that a configuration's ``protocol`` stands for: all with checksums for "auto"."""
    row = FAMILIES.get(protocol)
    return CHECKED if protocol == AUTO else frozenset((protocol, *(row.beside if row is not None else ())))


def dialogue_of(protocol: str) -> Dialogue | None:
    """What a receiver of this family is asked; None where nothing is."""
    row = FAMILIES.get(protocol)
    return None if row is None else row.dialogue


def doubts(protocol: str, timescale: str) -> tuple[str, str]:
    """What an operator must know of a family that is configured, and what to do; empty where all is well.

    ``timescale`` is the operator's own word on a receiver whose messages say none ("" for no word).
    """
    family = FAMILIES.get(protocol)
    if family is not None and not family.says:
        return f"{family.title} is recognised, and not read for time", family.advice
    if family is None or family.checked:
        return "", ""
    told = f"{family.title} has no checksums: only what came before catches a damaged digit"
    if "unstated" in family.timescale and not timescale:
        return told, 'set it to UTC; if its messages do not say so, also receiver.timescale = "utc"'
    return told, family.advice
