"""Frequency standards: 5071A, CSAC, SA5X, PRS10. They tell how they are, and no time that means anything.

A world in which the receiver has no fix is one in which the standard lost its atoms.
"""

from refclock.units import NS_PER_MS
from refclock.wire.answers import xor
from refclock.world.chance import Chance
from refclock.world.voices.asked import Asked, Scpi
from refclock.world.voices.voice import Now

_HEADER = "Status,Alarm,SN,Mode,Contrast,LaserI,TCXO,HeatP,Sig,Temp,Steer,ATune,Phase,DiscOK,TOD,LTime,Ver"


class Hp5071(Scpi):
    """The cesium. Its clock was never set, and says so by beginning at MJD 0."""

    identity = "HEWLETT-PACKARD,5071A,3128A00101,3.28"
    polls = ((100 * NS_PER_MS, b"SYST:PRINT?\r\n"),)

    def asked(self, name: str, now: Now) -> tuple[int, str | None]:
        if name in ("PTIM:MJD?", "PTIM:TIME?"):
            return 0, "0" if name == "PTIM:MJD?" else "+1,+7,+43"
        if name != "SYST:PRINT?":
            return 0, None
        summary = "Operating normally" if now.moment.fix else "Fatal error"
        lines = (
            "MJD   00000  01:07:43", "CBT ID: 3128A00101(H)", f"Status summary: {summary}",
            "Power source: AC", "Log status: Empty", "",
            "Freq Offset:    000e-15    Osc. control: -0.06%",
            "RF amplitude 1: 24.2%      RF amplitude 2: 23.9%",
            "CBT Oven:       7.4 V      CBT Oven Err: 0.00C",
        )  # fmt: skip
        return 0, "\r\n".join(lines)


class Csac(Asked):
    """The chip-scale cesium. A character outside a ``!`` command acts at once; ``resynchronised`` counts
    what must never happen: the byte 0x53."""

    polls = ((60 * NS_PER_MS, b"!^\r\n"),)
    checksums = False

    def __init__(self, chance: Chance, start_s: int) -> None:
        super().__init__(chance, start_s)
        self.resynchronised = 0

    def hears(self, data: bytes, now: Now) -> list[tuple[int, bytes]]:
        answers: list[tuple[int, bytes]] = []
        for byte in data:
            one = bytes((byte,))
            if self._typed.startswith(b"!") or one == b"!":
                answers += super().hears(one, now)
                continue
            self.resynchronised += one == b"S"
            if one in (b"^", b"6") and not self.checksums:
                answers += self._obeys(b"!" + one, now)
        return answers

    def answer(self, command: str, now: Now) -> tuple[int, str | None]:
        name, star, told = command[1:].partition("*")
        if self.checksums and (not star or told != f"{xor(name.encode()):02X}"):
            return 0, None
        if star and not self.checksums:
            return 0, "?"
        said = {
            "6": _HEADER,
            "^": self._telemetry(now),
            "T?": str(now.moment.second - self.start_s),
        }.get(name, "?")
        return 0, f"{said}*{xor(said.encode()):02X}" if self.checksums else said

    def _telemetry(self, now: Now) -> str:
        mode = 0x40 if self.checksums else 0
        status, alarm = (0, 0) if now.moment.fix else (2, 0x10)
        up_s = now.moment.second - self.start_s
        return (
            f"{status},0x{alarm:04X},1209CS00909,0x{mode:04X},4381,0.86,1.573,17.62,0.996,28.26,---,-1,---,1,"
            f"{up_s},{up_s + 586969},1.10"
        )


class Sa5x(Asked):
    """The rubidium of braces: it ends a command at the closing one, and answers in brackets."""

    polls = ((80 * NS_PER_MS, b"{get,Locked|%02X}" % xor(b"get,Locked")),)
    terminator = b""

    def hears(self, data: bytes, now: Now) -> list[tuple[int, bytes]]:
        return super().hears(data.replace(b"\r", b"").replace(b"\n", b"").replace(b"}", b"}\n"), now)

    def answer(self, command: str, now: Now) -> tuple[int, str | None]:
        name, bar, told = command.strip("{}").partition("|")
        if bar and told.upper() != f"{xor(name.encode()):02X}":
            return 0, _bracketed("!3")
        values = {"device?": "sa5x", "get,Locked": str(int(now.moment.fix)), "get,DisciplineLocked": "0"}
        return 0, _bracketed(f"={values[name]}" if name in values else "!2")


def _bracketed(body: str) -> str:
    return f"[{body}|{xor(body.encode()):02X}]\r\n"


class Prs10(Asked):
    """The rubidium of two letters."""

    polls = ((90 * NS_PER_MS, b"LO?\r"), (600 * NS_PER_MS, b"ST?\r"))
    terminator = b"\r"

    def answer(self, command: str, now: Now) -> tuple[int, str | None]:
        locked = now.moment.fix
        values = {
            "ID?": "PRS10_3.24_SN_12345",
            "LO?": str(int(locked)),
            "ST?": "0,0,0,0,4,0" if locked else "0,0,0,1,0,0",
            "TT?": "13",
        }
        return 0, values.get(command.strip().upper())
