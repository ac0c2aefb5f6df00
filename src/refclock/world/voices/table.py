"""Which voices there are. Baud rate and framing are those of the family (wire.families)."""

from dataclasses import dataclass, replace

from refclock.wire.families import AUTO, FAMILIES, PPS_ONLY, dialogue_of, is_standard
from refclock.world.voices import gpsdo, timecodes
from refclock.world.voices.hp import Hp
from refclock.world.voices.jackson import JacksonLabs
from refclock.world.voices.nmea import Nmea
from refclock.world.voices.oncore import Oncore
from refclock.world.voices.standards import Csac, Hp5071, Prs10, Sa5x
from refclock.world.voices.tsip import Res720, Thunderbolt, ThunderboltGps
from refclock.world.voices.ubx import Mixed, Ubx
from refclock.world.voices.voice import Voice


@dataclass(frozen=True, slots=True)
class Row:
    """A voice, and the family that decodes it ("auto" where it takes several).

    ``vouched``: its operator says that it is set to UTC, which its messages do not. ``yearless``: nor do they
    name the year. ``confirms``: it says where its leap count is from (or is asked in a dialogue).
    """

    make: type[Voice]
    protocol: str
    baud: int
    framing: str
    vouched: bool = False
    yearless: bool = False
    confirms: bool = True


def _row(make: type[Voice], protocol: str, like: str = "") -> Row:
    family = FAMILIES[like or protocol]
    return Row(make, protocol, family.baud, family.framing)


def _code(make: type[Voice], protocol: str, *, vouched: bool = False, yearless: bool = False) -> Row:
    """One that sends nothing but its time code."""
    return replace(_row(make, protocol), vouched=vouched, yearless=yearless, confirms=False)


VOICES: dict[str, Row] = {
    "nmea": _row(Nmea, "nmea"),
    "ubx": _row(Ubx, "ubx"),
    "mixed": _row(Mixed, AUTO, like="ubx"),
    "hp": _row(Hp, "hp"),
    "jackson-labs": _row(JacksonLabs, "jackson-labs"),
    "5071a": _row(Hp5071, "5071a"),
    "csac": _row(Csac, "csac"),
    "sa5x": _row(Sa5x, "sa5x"),
    "prs10": _row(Prs10, "prs10"),
    "tsip": _row(Thunderbolt, "tsip"),
    "tsip-gps": _row(ThunderboltGps, "tsip"),
    "tsip1": _row(Res720, "tsip1"),
    "oncore": _row(Oncore, "oncore"),
    # A standard without a serial line has nothing to say.
    PPS_ONLY[0]: Row(Voice, PPS_ONLY[0], 9600, "8N1"),
    "jackson-labs-nmea": Row(gpsdo.JacksonLabs, "nmea", 115_200, "8N1", confirms=False),
    "furuno": Row(gpsdo.Furuno, "nmea", 38_400, "8N1"),
    "spectratime": _code(gpsdo.Spectratime, "nmea"),
    "hp58534a": _code(gpsdo.Hp58534a, "nmea-unchecked"),
    "meinberg": _code(timecodes.Meinberg, "meinberg"),
    "meinberg-cet": _code(timecodes.MeinbergLocal, "meinberg"),
    "meinberg-erlangen": _code(timecodes.Erlangen, "meinberg"),
    "spectracom-0": _code(timecodes.Spectracom0, "spectracom", yearless=True),
    "spectracom-1": _code(timecodes.Spectracom1, "spectracom", vouched=True),
    "spectracom-2": _code(timecodes.Spectracom2, "spectracom"),
    "spectracom-3": _code(timecodes.Spectracom3, "spectracom"),
    "truetime": _code(timecodes.XlDc, "truetime", vouched=True, yearless=True),
    "arbiter": _code(timecodes.Arbiter, "arbiter", vouched=True),
    "zyfer": _code(timecodes.Zyfer, "zyfer"),
}
# Those that tell the time by themselves: all but the standards.
DATED = tuple(name for name, row in VOICES.items() if not is_standard(row.protocol))
# Those of them that confirm their leap count, so that a demonstration need not last the cold dwell.
CONFIRMING = tuple(
    name for name in DATED if VOICES[name].confirms and dialogue_of(VOICES[name].protocol) is None
)
