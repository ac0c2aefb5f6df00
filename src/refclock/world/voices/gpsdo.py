"""NMEA 0183 as disciplined clocks speak it, each with the sentence that tells of its oscillator."""

from abc import ABC, abstractmethod

from refclock.units import GPS_EPOCH_S, S_PER_WEEK
from refclock.world import encoders
from refclock.world.chance import Chance
from refclock.world.encoders import civil, compact
from refclock.world.labels import Label
from refclock.world.moment import Moment
from refclock.world.voices.voice import Voice

_PHASE_KEPT_S, _TOLD_S = 100, 60  # Jackson Labs: status 5 for so long, and holdover a fault from then on
_GPS_HOLDOVER, _JAMMED = 0x10, 0x800


class _Disciplined(Voice, ABC):
    """Knows whether it ever had a fix, and for how long it has been without."""

    def __init__(self, chance: Chance, start_s: int) -> None:
        super().__init__(chance, start_s)
        self.fixed = False
        self.held_s = 0

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        self.fixed |= moment.fix
        self.held_s = 0 if moment.fix else self.held_s + 1
        return [
            encoders.rmc(label.when, moment.fix, moment.north_m),
            encoders.gga(label.when, moment.fix, self.satellites(moment), moment.north_m),
            *self.own(label, moment),
        ]

    @abstractmethod
    def own(self, label: Label, moment: Moment) -> list[bytes]:
        """The vendor's own sentences."""


class JacksonLabs(_Disciplined):
    """PJLTS each second."""

    def own(self, label: Label, moment: Moment) -> list[bytes]:
        flags = _GPS_HOLDOVER if self.fixed and self.held_s > _TOLD_S else 0
        flags |= _JAMMED if moment.jamming > 2 and self.held_s else 0
        if moment.fix:
            status = 6
        elif not self.fixed:
            status = 0
        else:
            status = 5 if self.held_s <= _PHASE_KEPT_S else 1
        held_s = self.held_s if self.fixed else 0
        offset_ns = self.chance.between(-900, 900)
        sign, size = "-" if offset_ns < 0 else "", abs(offset_ns)
        head = f"PJLTS,{sign}{size // 100}.{size % 100:02},{sign}{size // 80}.00,{moment.second % 10**6}"
        seen = self.satellites(moment)
        return [encoders.nmea(f"{head},{status},2.4627123,82.0904,1.3E-12,{held_s},{seen},0x{flags:x}")]


class Furuno(_Disciplined):
    """ZDA, and PERDCRW,TPS1 each second."""

    def own(self, label: Label, moment: Moment) -> list[bytes]:
        status = 0 if not moment.fix else 2 if moment.utc_known else 1
        event = None if moment.change_at_s is None else civil(moment.change_at_s)
        future_s = moment.leap_s + moment.change
        follows = 4 if moment.fix else 0
        time = encoders.furuno_time(label.when, status, event, moment.leap_s, future_s, follows=follows)
        return [encoders.zda(label.when), time]


class Spectratime(_Disciplined):
    """PTNTA, whose time is GPS time."""

    def own(self, label: Label, moment: Moment) -> list[bytes]:
        oscillator = 2 if moment.fix else 1 if self.fixed else 0
        tracking, quality = (3, 3) if moment.fix else (6, 2 if self.fixed else 0)
        gps = compact(civil(label.posix_s + moment.leap_s))
        return [encoders.nmea(f"PTNTA,{gps},{oscillator},T4,,+500,{tracking},3,{quality}")]


class Hp58534a(_Disciplined):
    """No checksums; ZDA, and PFEC,GPtps with the same time as a GPS week and second."""

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        return [data[:-5] + b"\r\n" for data in super().says(label, moment)]

    def own(self, label: Label, moment: Moment) -> list[bytes]:
        week, tow_s = divmod(label.posix_s + label.second60 + moment.leap_s - GPS_EPOCH_S, S_PER_WEEK)
        leap = f"170101000000,00,{moment.leap_s:02}"
        time = f"PFEC,GPtps,{compact(label.when)[2:]},3,1,1,{leap},170101000000,{week % 10_000},{tow_s:06}"
        return [encoders.zda(label.when), encoders.nmea(time)]
