"""Which voices there are. Baud rate and framing are those of the family (wire.families)."""

from dataclasses import dataclass

from refclock.wire.families import AUTO, FAMILIES, PPS_ONLY, dialogue_of, is_standard
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
    """A voice, and the family that decodes it ("auto" where it takes several)."""

    make: type[Voice]
    protocol: str
    baud: int
    framing: str


def _row(make: type[Voice], protocol: str, like: str = "") -> Row:
    family = FAMILIES[like or protocol]
    return Row(make, protocol, family.baud, family.framing)


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
}
# Those that tell the time by themselves: all but the standards.
DATED = tuple(name for name, row in VOICES.items() if not is_standard(row.protocol))
# Those of them that confirm their leap count, so that a demonstration need not last the cold dwell.
CONFIRMING = tuple(name for name in DATED if dialogue_of(VOICES[name].protocol) is None)
