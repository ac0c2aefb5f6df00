"""A Jackson Labs Fury: NMEA by itself, SCPI for those who ask."""

from refclock.units import NS_PER_MS
from refclock.world import encoders
from refclock.world.labels import Label
from refclock.world.moment import Moment
from refclock.world.voices.asked import Scpi
from refclock.world.voices.voice import Now


class JacksonLabs(Scpi):
    """RMC, GGA and ZDA, and a health word."""

    identity = "Jackson Labs, Fury, 1.23, Firmware Rev 1.21"
    polls = ((850 * NS_PER_MS, b"SYNC:HEALTH?\r\n"),)

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        when = label.when
        return [
            encoders.rmc(when, moment.fix, moment.north_m),
            encoders.gga(when, moment.fix, self.satellites(moment), moment.north_m),
            encoders.zda(when),
        ]

    def asked(self, name: str, now: Now) -> tuple[int, str | None]:
        if name == "SYNC:HEALTH?":
            jammed = 0x800 if now.moment.jamming >= 3 else 0
            return 0, f"0x{(0 if now.moment.fix else 0x10) | jammed:X}"
        return 0, None
