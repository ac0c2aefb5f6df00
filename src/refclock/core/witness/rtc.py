"""The battery clock as a witness: an interval on UTC that widens with its drift, and its own continuity.

An RTC that the kernel or a daemon writes from the system clock follows us and is no witness; one that was
set or jumped has lost its offset and is none either, until the program starts anew or is enrolled.
"""

from refclock.core.seconds.interval import Interval, RawRate
from refclock.model import RtcTick
from refclock.policy import Limits
from refclock.units import NS_PER_MS, NS_PER_S, scale_up

# A tick not repeated for this long says nothing about now.
_VOID_AFTER_NS = 180 * NS_PER_S
# How far a 32 kHz crystal's rate strays from what was measured once, with the room's temperature.
_STABILITY_PPT = 2_000_000
# Ticks are found by polling: this much beside their stated uncertainty is not called a jump.
_JUMP_SLACK_NS = 20 * NS_PER_MS


class RtcWitness:
    """One RTC. Its error is taken to be within ``error_ns`` at first contact, and to grow from there."""

    def __init__(self, limits: Limits) -> None:
        self._first_error_ns = self._error_ns = limits.rtc_error_ns
        self.drift_ppt = limits.rtc_rate_ppt
        self._rate_ppt = 0
        self._offset_ns = 0
        self._since_ns: int | None = None
        self._tick: RtcTick | None = None
        self._leaps = 0
        self.walked_ns = self._pardoned_ns = 0
        self._walk_unc_ns = 0  # how sharply the tick was seen from which it is counted
        self.stepped_ns = 0
        self.crept = False  # it was no jump, but many small steps
        # When it was calibrated: what it showed (s), its offset (SI ns) and the error of that (ns).
        self.calibrated: tuple[int, int, int] | None = None
        self.follows_system = False
        self.enrolled: tuple[int, int] | None = None

    @property
    def present(self) -> bool:
        """True once it ticked."""
        return self._tick is not None

    @property
    def tick_unc_ns(self) -> int:
        """How sharply its last tick was seen."""
        return 0 if self._tick is None else self._tick.unc_ns

    def enroll(self, rate_ppt: int, unc_ppt: int) -> None:
        """Its measured rate: RTC seconds elapse (1 + rate) for each UTC second, within ``unc_ppt``."""
        self._rate_ppt, self.drift_ppt = rate_ppt, unc_ppt + _STABILITY_PPT
        self.enrolled = rate_ppt, unc_ppt

    @property
    def rate_unc_ppt(self) -> int:
        """How well its rate is known: as it was measured, or not at all."""
        return self.drift_ppt if self.enrolled is None else self.enrolled[1]

    def tick(self, event: RtcTick, rate: RawRate, leaps: int) -> int:
        """Take in a tick; returns by how much the RTC jumped against the raw counter, or 0.

        ``leaps`` is the count of leap seconds confirmed so far: the RTC does not know them.
        """
        last, self._tick = self._tick, event
        if last is None:
            self._since_ns, self._leaps = event.raw_ns, leaps
            self._walk_unc_ns = event.unc_ns
            self._meet_again(event.rtc_s, leaps)
            return 0
        if self.stepped_ns:
            return self.stepped_ns
        passed = rate.advance(event.raw_ns - last.raw_ns)
        moved = (event.rtc_s - last.rtc_s) * NS_PER_S - passed - passed * self._rate_ppt // 10**12
        slack = event.unc_ns + _JUMP_SLACK_NS + scale_up(abs(passed), self.drift_ppt + rate.unc_ppt)
        self.walked_ns += moved
        walked = self.walked_ns - self._pardoned_ns
        if abs(moved) > slack + last.unc_ns:
            self.stepped_ns, self.crept = moved, False
        elif abs(walked) > slack + self._walk_unc_ns + self.drifted_ns(event.raw_ns, rate.unc_ppt):
            # Many small steps, none of them a jump, are one all the same.
            self.stepped_ns, self.crept = walked, True
        return self.stepped_ns

    def recall(self, rtc_s: int, offset_ns: int, error_ns: int) -> None:
        """What a memory says of its calibration: its battery carried it on while the counter was away."""
        self.calibrated = rtc_s, offset_ns, error_ns

    def _meet_again(self, rtc_s: int, leaps: int) -> None:
        """At the first tick after a restart or a reboot: it went on from its calibration by its own rate, or
        somebody has set it meanwhile. Which of the two is not known, so its interval reaches over both."""
        if self.calibrated is None or rtc_s < self.calibrated[0]:
            return
        then_s, offset_ns, error_ns = self.calibrated
        age_ns = (rtc_s - then_s) * NS_PER_S
        off = offset_ns + leaps * NS_PER_S + age_ns * self._rate_ppt // 10**12
        within = error_ns + scale_up(age_ns, self.drift_ppt)
        low, high = min(off - within, -self._first_error_ns), max(off + within, self._first_error_ns)
        self._offset_ns, self._error_ns = (low + high) // 2, (high - low + 1) // 2

    def drifted_ns(self, raw_ns: int, beside_ppt: int = 0) -> int:
        """How far it may have drifted since its walk is counted, from what itself may be off by so much."""
        since_ns = raw_ns if self._since_ns is None else self._since_ns
        return scale_up(abs(raw_ns - since_ns), self.drift_ppt + beside_ppt)

    def pardon(self) -> None:
        """What moved was the raw counter: count from here."""
        self.stepped_ns, self._pardoned_ns = 0, self.walked_ns
        self._walk_unc_ns = self.tick_unc_ns

    def rebase(self) -> None:
        """The judge has a new anchor: phases are counted from there, and so is what this clock walked."""
        self.walked_ns = self._pardoned_ns = 0
        self._walk_unc_ns = self.tick_unc_ns

    def calibrate(self, raw_ns: int, utc_ns: int, error_ns: int, rate: RawRate) -> None:
        """Fix its offset against a second that all witnesses agreed on. Done at the first feed only: a
        witness that were set from the source it watches would be none."""
        if self._tick is None or self.stepped_ns:
            return
        now_ns = utc_ns + rate.advance(self._tick.raw_ns - raw_ns)
        self._offset_ns = self._tick.rtc_s * NS_PER_S - now_ns
        self._error_ns = error_ns + self._tick.unc_ns + _JUMP_SLACK_NS
        self._since_ns = self._tick.raw_ns
        self._leaps = 0
        self.calibrated = self._tick.rtc_s, self._offset_ns, self._error_ns
        self.rebase()

    def interval(self, raw_ns: int, rate: RawRate) -> Interval | None:
        """UTC (SI ns) as the RTC tells it now; None when it has no opinion."""
        tick, since = self._tick, self._since_ns
        if tick is None or since is None or self.stepped_ns or self.follows_system:
            return None
        if raw_ns - tick.raw_ns > _VOID_AFTER_NS:
            return None
        age = tick.raw_ns - since
        drifted = age * self._rate_ppt // 10**12
        told = (tick.rtc_s + self._leaps) * NS_PER_S - self._offset_ns - drifted
        half = self._error_ns + tick.unc_ns + scale_up(abs(age), self.drift_ppt)
        return Interval(told - half, told + half, tick.raw_ns).at(raw_ns, rate)

    def forget_raw(self) -> None:
        """The raw counter lost its continuity: begin anew, from its last calibration if it kept to that."""
        if self.stepped_ns or self.follows_system:
            self.calibrated = None
        self._tick = self._since_ns = None
        self._offset_ns = self._leaps = self.stepped_ns = 0
        self.rebase()
        self._error_ns = self._first_error_ns

    def ticked_since(self, since_ns: int) -> bool:
        """True when its last tick came at that instant or later."""
        return self._tick is not None and self._tick.raw_ns >= since_ns

    def age_ns(self, raw_ns: int) -> int | None:
        """Time since its last tick."""
        return None if self._tick is None else raw_ns - self._tick.raw_ns
