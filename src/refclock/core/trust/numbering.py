"""What numbers a standard's pulses: the count from the last accepted second, or the witnesses."""

from refclock.core.seconds.interval import Interval
from refclock.core.trust.vetting import Vetting
from refclock.model import Mode


def counted(vetting: Vetting) -> tuple[int, int] | None:
    """The last accepted second (raw ns, SI ns) from which later ones are counted; None before the first
    feed, and while trust is gained anew."""
    judge = vetting.judge
    if judge is None or vetting.mode in (Mode.COLD, Mode.ACQUIRING):
        return None
    return judge.last_raw_ns, judge.last_si_ns


def namers(vetting: Vetting, raw_ns: int) -> list[Interval]:
    """What those who may name a second say of UTC (SI ns) then: quorum, RTC, a second receiver."""
    witnesses = vetting.witnesses
    told = (
        witnesses.quorum_at(raw_ns),
        witnesses.rtc.interval(raw_ns, witnesses.rate),
        witnesses.companion.interval(raw_ns, witnesses.rate),
    )
    return [one for one in told if one is not None]
