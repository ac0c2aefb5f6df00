"""Is the time established? The fact that services wait for (docs/vetting.md, "Modes").

Two of {receiver, RTC, NTP quorum} agree, and the system clock lies within ``gate_tolerance`` of what they
agree on and not before the floor. It is beside the modes: a host without its receiver comes up as soon as
quorum and RTC agree; one whose date is in doubt does not.
"""

from itertools import combinations

from refclock.core.seconds.interval import Interval
from refclock.core.trust.vetting import Vetting
from refclock.model import Event, Mode
from refclock.units import NS_PER_S

# Before the edge proof a label may name the pulse beside its own.
_UNPROVEN_NS = NS_PER_S


def opinions(vetting: Vetting, raw_ns: int) -> dict[str, Interval]:
    """Who has an opinion on UTC (SI ns) now, and which."""
    witnesses = vetting.witnesses
    told = {
        "receiver": _receiver(vetting, raw_ns),
        "rtc": witnesses.rtc.interval(raw_ns, witnesses.rate),
        "ntp": witnesses.quorum_at(raw_ns),
    }
    return {name: interval for name, interval in told.items() if interval is not None}


def _receiver(vetting: Vetting, raw_ns: int) -> Interval | None:
    """The receiver's own word: its last second, while it is fresh and was not refused."""
    judge, fresh_ns = vetting.judge, raw_ns - vetting.limits.missing_after_ns
    if vetting.mode in (Mode.VETTED, Mode.DEGRADED) and judge is not None:
        last = Interval(
            judge.last_si_ns - judge.last_bound_ns, judge.last_si_ns + judge.last_bound_ns, judge.last_raw_ns
        )
        return last.at(raw_ns, judge.rate) if judge.last_raw_ns >= fresh_ns else None
    # A pulse without a label says before trust what the witnesses said, and is no second opinion.
    labelled = not vetting.policy.receiver.pulse_only
    heard = vetting.acquisition.last if labelled and vetting.mode is Mode.ACQUIRING else None
    if heard is None or heard[0] < fresh_ns:
        return None
    last = Interval(heard[1] - _UNPROVEN_NS, heard[1] + _UNPROVEN_NS, heard[0])
    return last.at(raw_ns, vetting.witnesses.rate)


def established(vetting: Vetting, raw_ns: int, system_ns: int | None) -> list[str]:
    """Who established the time: the first two that agree with each other and with the system clock, which
    showed ``system_ns`` (POSIX ns) at ``raw_ns``; nobody where it is not established."""
    tolerance = vetting.limits.gate_tolerance_ns
    if system_ns is None or system_ns + tolerance < vetting.dates.floor_s * NS_PER_S:
        return []
    system_ns = vetting.witnesses.leap.si_ns(system_ns)
    # An interval of minutes agrees with everything; that is no second opinion.
    widest_ns = vetting.limits.rtc_error_ns + tolerance
    told = {name: one for name, one in opinions(vetting, raw_ns).items() if one.half_ns <= widest_ns}
    for one, other in combinations(told, 2):
        lo_ns = max(told[one].lo_ns, told[other].lo_ns)
        hi_ns = min(told[one].hi_ns, told[other].hi_ns)
        shared = Interval(lo_ns, hi_ns, raw_ns)
        if lo_ns <= hi_ns and shared.outside_ns(system_ns) <= tolerance:
            return [one, other]
    return []


def system_off_ns(vetting: Vetting, event: Event) -> int | None:
    """By how much the system clock was ahead of all that UTC may have been at an event (negative: behind), by
    what was vetted, or else by the NTP quorum; None where neither tells."""
    judge, raw_ns = vetting.judge, event.raw_ns
    if judge is not None:
        middle, half = judge.predicted_ns(raw_ns), judge.holdover_ns(raw_ns)
        known: Interval | None = Interval(middle - half, middle + half, raw_ns)
    else:
        known = vetting.witnesses.quorum_at(raw_ns)
    if known is None:
        return None
    system_ns = vetting.witnesses.leap.si_ns(event.real_ns)
    outside = known.outside_ns(system_ns)
    return outside if system_ns > known.hi_ns else -outside
