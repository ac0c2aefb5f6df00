"""How fast chrony may run the system clock against the free oscillator, and how large an error it follows."""

from collections.abc import Iterator
from decimal import Decimal

from refclock.chrony.effective import Effective, Wanted, arguments
from refclock.chrony.rule import Rule
from refclock.chrony.rules.wording import replacement, shown
from refclock.chrony.shipped import RATES
from refclock.finding import Finding

# chrony.conf(5); maxdrift's default was 500000 ppm before 4.8, and the kernel takes no more than 100000.
_SLEW_DEFAULT, _DRIFT_DEFAULT = Decimal("83333.333"), Decimal(100_000)
# What tempcomp may add (chrony 4.3, tempcomp.c).
_TEMPCOMP = 10
_LARGEST_S = 1

RATE = Rule(
    "rate", "22 30 31",
    "`maxdrift` + `maxslewrate` + 10 ppm within the profile's cap: 1 % (10000 ppm) on a KDC, 10 % (100000 "
    "ppm) on an application server; a warning above what refclock ships",
    "the defaults, 83333 ppm and 100000 ppm, let the clock run 10 % fast or slow",
)  # fmt: skip
MAXCHANGE = Rule(
    "maxchange", "27 28",
    "`maxchange 1 0 -1`: every offset above 1 s is ignored, from the first on, without end",
    "without it any offset is followed; with a third value of 0 or more chronyd ends, and leaves its last "
    "slew in the kernel. It stops neither slow walks nor `local`",
    lenient=True,
)  # fmt: skip


def rate(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """The sum that bounds the clock's rate against the free oscillator."""
    ship = RATES[wanted.profile]
    told, total = [], Decimal(_TEMPCOMP)
    for name, default, best in (
        ("maxdrift", _DRIFT_DEFAULT, ship.maxdrift),
        ("maxslewrate", _SLEW_DEFAULT, ship.maxslewrate),
    ):
        one = conf.last(name)
        value = default if one is None else next(arguments(one), None)
        if value is None or value < 0:
            assert one is not None  # a default is a number
            yield RATE.bad(
                wanted, f"{shown(one)}: no rate that bounds anything", replacement(one, f"{name} {best}")
            )
            return
        told.append(f"{name} {value:f}" + (" by default" if one is None else ""))
        total += value
    found = f"{' + '.join(told)} + {_TEMPCOMP} = {total:f} ppm"
    mend = f"write `maxdrift {ship.maxdrift}` and `maxslewrate {ship.maxslewrate}`"
    if total > wanted.cap_ppm:
        yield RATE.bad(wanted, f"{found}, above the profile's {wanted.cap_ppm} ppm", mend)
    elif total > ship.maxdrift + ship.maxslewrate + _TEMPCOMP:
        yield RATE.warn(f"{found}: within {wanted.cap_ppm} ppm, but looser than it need be", mend)
    else:
        yield RATE.ok(f"{found}, limit {wanted.cap_ppm} ppm")


def maxchange(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``maxchange OFFSET START IGNORE``."""
    one = conf.last("maxchange")
    mend = replacement(one, f"maxchange {_LARGEST_S} 0 -1")
    if one is None:
        yield MAXCHANGE.bad(wanted, "absent: an offset of any size is followed", mend)
        return
    values = list(arguments(one))
    if len(values) != 3 or None in values:
        yield MAXCHANGE.bad(wanted, f"{shown(one)}: cannot be read as three numbers", mend)
        return
    largest, start, ignore = (value or Decimal(0) for value in values)
    if ignore >= 0:
        yield MAXCHANGE.bad(
            wanted,
            f"{shown(one)}: chronyd ends at a large offset, and leaves its last slew in the kernel",
            mend,
        )
    elif start > 0:
        yield MAXCHANGE.bad(
            wanted, f"{shown(one)}: the first {start:f} updates after each start may be of any size", mend
        )
    elif largest > _LARGEST_S:
        yield MAXCHANGE.warn(f"{shown(one)}: offsets up to {largest:f} s are followed", mend)
    else:
        yield MAXCHANGE.ok(shown(one))
