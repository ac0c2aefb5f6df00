"""u-blox UBX, alone or beside NMEA on one line."""

from refclock.units import NS_PER_MS, S_PER_WEEK
from refclock.world import encoders
from refclock.world.chance import Chance
from refclock.world.labels import Label
from refclock.world.moment import Moment
from refclock.world.voices.nmea import Nmea
from refclock.world.voices.ubxset import Settings
from refclock.world.voices.voice import Now, Voice

_THINKS_NS = 8 * NS_PER_MS
_ANTENNA = {"ok": 2, "short": 3, "open": 4}


class Ubx(Voice):
    """NAV-PVT, NAV-TIMEUTC, NAV-STATUS; NAV-TIMELS and MON-HW now and then; TIM-TP of the next pulse.

    They come whatever is set; ``settings`` is what somebody has configured."""

    listens = True

    def __init__(self, chance: Chance, start_s: int) -> None:
        super().__init__(chance, start_s)
        self.settings = Settings()

    def hears(self, data: bytes, now: Now) -> list[tuple[int, bytes]]:
        answer = self.settings.hears(data)
        return [(_THINKS_NS, answer)] if answer else []

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        if moment.gps_week is not None:
            return self._gps(label, moment, moment.gps_week)
        when, posix_s, leap_s, fix = label.when, label.posix_s, moment.leap_s, moment.fix
        t_acc_ns = self.chance.between(12, 30) if fix else 0xFFFFFFFF
        nano = self.chance.normal(300)
        seen = self.satellites(moment)
        known = (7 if moment.utc_known else 3) if fix else 0
        said = [
            encoders.nav_pvt(
                when,
                posix_s,
                leap_s,
                fix=fix,
                valid=7 if fix else 0,
                t_acc_ns=t_acc_ns,
                nano=nano,
                satellites=seen,
                north_m=moment.north_m,
            ),
            encoders.nav_timeutc(when, posix_s, leap_s, valid=known, t_acc_ns=t_acc_ns, nano=nano),
            encoders.nav_status(posix_s, leap_s, fix, moment.spoofing, moment.second - self.start_s + 900),
        ]
        if moment.second % 4 == 0:
            change, event_s = moment.change, moment.change_at_s
            said.append(encoders.nav_timels(posix_s, leap_s, moment.utc_known, change, event_s))
        if moment.second % 10 == 0:
            noise = self.chance.between(80, 110)
            said.append(encoders.mon_hw(_ANTENNA[moment.antenna], moment.jamming, noise))
        return said

    def _gps(self, label: Label, moment: Moment, weeks: int) -> list[bytes]:
        posix_s, leap_s = label.posix_s + weeks * S_PER_WEEK, moment.leap_s
        valid = (7 if moment.utc_known else 3) if moment.fix else 0
        return [
            encoders.nav_timegps(posix_s, leap_s, valid=valid, f_tow_ns=self.chance.normal(300)),
            encoders.nav_status(posix_s, leap_s, moment.fix, moment.spoofing, moment.second - self.start_s),
        ]

    def announces(self, coming: Label, q_err_ps: int, moment: Moment) -> bytes:
        """TIM-TP; a leap second has no time of week of its own, so nothing names it."""
        if coming.second60 or moment.gps_week is not None:
            return b""
        return encoders.tim_tp(coming.posix_s, q_err_ps, moment.utc_known, moment.fix)


class Mixed(Ubx):
    """NMEA first, then UBX."""

    def __init__(self, chance: Chance, start_s: int) -> None:
        super().__init__(chance, start_s)
        self._nmea = Nmea(chance, start_s)

    def says(self, label: Label, moment: Moment) -> list[bytes]:
        return self._nmea.says(label, moment) + super().says(label, moment)
