"""The alarm for a system clock that is ahead: what not to do about it, and what leads through it."""

from collections.abc import Mapping

from refclock.setback.clock import WORTH_NS
from refclock.units import show_ns

ADVICE = (
    "Do NOT set it back by hand: expired tickets and used authenticators would be good again. "
    "refclock setback leads through it, or says how to do without."
)


def clock_alarm(document: Mapping[str, object]) -> str:
    """What a status document says of a system clock that is certainly a second or more ahead of the vetted
    time; nothing where it is not, or where the daemon does not know."""
    off_ns, bound_ns = document.get("system_off_ns"), document.get("bound_ns")
    if not isinstance(off_ns, int) or not isinstance(bound_ns, int) or off_ns - bound_ns < WORTH_NS:
        return ""
    return f"FAST by {show_ns(off_ns).lstrip('+')}. {ADVICE}"
