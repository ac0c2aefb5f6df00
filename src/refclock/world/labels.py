"""How UTC names a true second, and what GPS time was ahead of it by then."""

from bisect import bisect_right
from dataclasses import dataclass

from refclock.world.encoders import Civil, civil

# The POSIX seconds that began right after the leap seconds since GPS time began (IERS Bulletin C), so that
# a world of 1999 has the leap count of 1999. None has been announced after 2017.
_LEAPS_S = (
    362_793_600, 394_329_600, 425_865_600, 489_024_000, 567_993_600, 631_152_000, 662_688_000, 709_948_800,
    741_484_800, 773_020_800, 820_454_400, 867_715_200, 915_148_800, 1_136_073_600, 1_230_768_000,
    1_341_100_800, 1_435_708_800, 1_483_228_800,
)  # fmt: skip


def gps_leap_s(posix_s: int) -> int:
    """GPS time minus UTC, in seconds, at a POSIX second: 13 in 1999, 18 since 2017."""
    return bisect_right(_LEAPS_S, posix_s)


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a pulse: a POSIX second (of the :59 before it, when ``second60``) and its calendar form."""

    posix_s: int
    second60: bool
    when: Civil


def label_of(second: int, leap_at_s: int | None, label_s: int = 0) -> Label:
    """How UTC names a true SI second, when a leap second is inserted before POSIX second ``leap_at_s``."""
    second60 = second == leap_at_s
    posix_s = second - (leap_at_s is not None and second >= leap_at_s) + label_s
    return Label(posix_s, second60, civil(posix_s, second60))
