"""The kernel's own view of the system clock: adjtimex(2), read only, and who that tells of."""

from collections.abc import Iterator

from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.rule import Rule
from refclock.chrony.shipped import RATES
from refclock.errors import PortError
from refclock.finding import FAIL, WARN, Finding
from refclock.model import STA_UNSYNC, SystemClock
from refclock.ports.systemclock import SystemClockPort

_PPB_PER_PPM, _NOMINAL_TICK_US, _PPB_PER_TICK = 1000, 10_000, 100_000
# linux/timex.h
_PLL, _PPSFREQ, _PPSTIME, _FLL, _INS, _DEL = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20

KERNEL_RATE = Rule(
    "kernel's rate", "22 30 31",
    "tick and freq within the profile's cap; without a chronyd, within its `maxdrift`",
    "a slew that a killed chronyd left behind goes on, at the default rate 2 h a day",
)  # fmt: skip
KERNEL_STEERED = Rule(
    "kernel's discipline", "26 29",
    "no PLL, FLL or PPS discipline, no leap second armed",
    "another program steers by the kernel, or the kernel is to step at midnight",
)  # fmt: skip
ELEVEN = Rule(
    "11-minute mode", "34",
    "off: STA_UNSYNC is set",
    "the kernel copies the system clock into the RTC, which therefore is no witness; a failure where the "
    "RTC is configured as one",
)  # fmt: skip


def look() -> SystemClock:
    """One look. Raises PortError."""
    port = SystemClockPort()
    try:
        return next(event for event in port.open() if isinstance(event, SystemClock))
    finally:
        port.close()


def kernel(wanted: Wanted, conf: Effective | None, steered: bool | None) -> Iterator[Finding]:
    """What the kernel tells now. ``steered``: a chronyd runs that steers the clock; None where it cannot be
    told."""
    try:
        now = look()
    except PortError as error:
        for rule in (KERNEL_RATE, KERNEL_STEERED, ELEVEN):
            yield rule.unknown(str(error), "run it outside a sandbox that forbids adjtimex")
        return
    yield judge_rate(now, wanted, steered)
    yield judge_discipline(now, wanted)
    yield judge_eleven(now, wanted, conf)


def rate_ppb(now: SystemClock) -> int:
    """By how much tick and freq have the clock run fast, ppb."""
    return (now.tick_us - _NOMINAL_TICK_US) * _PPB_PER_TICK + now.freq_ppb


def judge_rate(now: SystemClock, wanted: Wanted, steered: bool | None) -> Finding:
    """tick and freq."""
    rate = rate_ppb(now)
    told = f"the system clock is set to run {_ppm(abs(rate))} ppm {'fast' if rate > 0 else 'slow'}"
    if not rate:
        told = "the system clock is left alone"
    largest = RATES[wanted.profile].maxdrift
    mend = "find out who left it (journalctl -u chrony), and start chronyd, which takes it up from there"
    if abs(rate) > wanted.cap_ppm * _PPB_PER_PPM:
        return KERNEL_RATE.bad(wanted, f"{told}, beyond {wanted.cap_ppm} ppm", mend)
    if abs(rate) > largest * _PPB_PER_PPM and steered is False:
        return KERNEL_RATE.bad(
            wanted,
            f"{told}, and no chronyd steers it: a slew that was left behind (more than {largest} ppm)",
            mend,
        )
    return KERNEL_RATE.ok(f"{told}, limit {wanted.cap_ppm} ppm")


def judge_discipline(now: SystemClock, wanted: Wanted) -> Finding:
    """The status bits of whoever steers through the kernel's own loops; chronyd uses none of them."""
    found = []
    if now.status & (_PLL | _FLL):
        found.append("the kernel's PLL or FLL is on, as ntpd and timesyncd have it")
    if now.status & (_PPSFREQ | _PPSTIME):
        found.append("the kernel itself follows a pulse, which nobody vets")
    if now.status & (_INS | _DEL):
        found.append("a leap second is armed in the kernel, which steps the clock at midnight UTC")
    if not found:
        return KERNEL_STEERED.ok("none but tick and freq")
    return KERNEL_STEERED.bad(
        wanted,
        "; ".join(found),
        "stop what else steers the clock, set `leapsecmode slew`, and restart chronyd",
    )


def judge_eleven(now: SystemClock, wanted: Wanted, conf: Effective | None) -> Finding:
    """Whether the kernel writes the RTC."""
    if now.status & STA_UNSYNC:
        return ELEVEN.ok("off")
    asked = conf is not None and conf.last("rtcsync") is not None
    whose = "rtcsync asks for it" if asked else "not because of chrony's rtcsync: some other program"
    told = f"on ({whose}): the kernel copies the clock into the RTC"
    mend = (
        "remove rtcsync, and restart chronyd"
        if asked
        else "find who clears STA_UNSYNC (ntpd, timesyncd, an agent)"
    )
    return Finding(ELEVEN.name, told, FAIL if wanted.rtc else WARN, mend, ELEVEN.clause)


def _ppm(ppb: int) -> str:
    return f"{ppb // _PPB_PER_PPM}.{ppb % _PPB_PER_PPM:03}"
