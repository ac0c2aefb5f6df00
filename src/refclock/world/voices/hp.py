"""A Z3801A: asked for its time code, it names the coming pulse, 980 to 20 ms before it."""

from refclock.units import NS_PER_MS, NS_PER_S
from refclock.world.encoders import civil
from refclock.world.labels import Label
from refclock.world.voices.asked import Scpi
from refclock.world.voices.voice import Now

_LAST_MOMENT_NS = 978 * NS_PER_MS
_AFTER_PULSE_NS = 22 * NS_PER_MS


class Hp(Scpi):
    """T2 codes in UTC. ``zone`` is what it is configured to add, in hours and minutes."""

    identity = "HEWLETT-PACKARD,Z3801A,3542A00123,4.01.02"
    polls = ((150 * NS_PER_MS, b":PTIME:TCODE?\r"), (500 * NS_PER_MS, b":PTIME:TZONE?\r"))
    zone = (0, 0)
    _lost_s: int | None = None

    def asked(self, name: str, now: Now) -> tuple[int, str | None]:
        if name == ":PTIME:TCODE?":
            return self._code(now)
        if name == ":PTIME:TZONE?":
            return 0, f"{self.zone[0]:+d},{self.zone[1]:+d}"
        if name == ":PTIME:LEAP:ACC?":
            return 0, f"{now.moment.leap_s:+d}"
        if name == ":ROSC:HOLD:DUR?":
            held_s = self._held_s(now)
            return 0, f"{held_s:.1E},{int(bool(held_s))}"
        return 0, None

    def _held_s(self, now: Now) -> int:
        if now.moment.fix:
            self._lost_s = None
        elif self._lost_s is None:
            self._lost_s = now.moment.second
        return 0 if self._lost_s is None else now.moment.second - self._lost_s + 1

    def _code(self, now: Now) -> tuple[int, str]:
        coming, delay_ns = now.coming, 0
        if now.since_ns > _LAST_MOMENT_NS:  # too late for that pulse: it waits for the one after it
            posix_s = coming.posix_s + 1
            coming, delay_ns = (
                Label(posix_s, False, civil(posix_s)),
                NS_PER_S - now.since_ns + _AFTER_PULSE_NS,
            )
        when, moment = coming.when, now.moment
        if moment.reading is not None:
            when = moment.reading
        elif self.zone != (0, 0):
            when = civil(coming.posix_s + self.zone[0] * 3600 + self.zone[1] * 60)
        leap = "+" if moment.change > 0 else "-" if moment.change < 0 else "0"
        figures = "30" if moment.fix else "62"
        code = (
            "T2{:04}{:02}{:02}{:02}{:02}{:02}".format(*when) + f"{figures}{leap}0{int(not moment.utc_known)}"
        )
        return delay_ns, f"{code}{sum(code.encode()) & 255:02X}"
