"""Amounts as people write them, ``+100ms``, ``20ppm``, ``-1024w``, ``1.5h``, as exact integers."""

import re
from dataclasses import dataclass
from enum import Enum

from refclock.errors import ConfigError
from refclock.units import (
    NS_PER_MS,
    NS_PER_S,
    NS_PER_US,
    PPT_ONE,
    PPT_PER_PPB,
    PPT_PER_PPM,
    S_PER_DAY,
    S_PER_WEEK,
)


class Kind(Enum):
    """What an amount measures; the value is how a complaint names it."""

    TIME = "a time such as +100ms, -1s or 2h"
    RATE = "a rate such as 20ppm, -50ppb or 2%"
    COUNT = "a whole number such as +1 or -1024"
    LENGTH = "a duration such as 30m or 2h"
    SHARE = "a share such as 30%, up to 100%"


@dataclass(frozen=True, slots=True)
class Quantity:
    """``value`` is ns for a TIME, parts in 10**12 for a RATE, itself for a COUNT.

    A LENGTH is a TIME above 0, a SHARE a RATE from above 0 to 1: what may be asked for, never found.
    """

    kind: Kind
    value: int

    def suits(self, wanted: Kind) -> bool:
        """Whether it may stand where ``wanted`` is asked for."""
        if wanted is Kind.LENGTH:
            return self.kind is Kind.TIME and self.value > 0
        if wanted is Kind.SHARE:
            return self.kind is Kind.RATE and 0 < self.value <= PPT_ONE
        return self.kind is wanted


_TIMES = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": S_PER_DAY * NS_PER_S,
    "w": S_PER_WEEK * NS_PER_S,
}
_RATES = {"ppt": 1, "ppb": PPT_PER_PPB, "ppm": PPT_PER_PPM, "%": PPT_ONE // 100}
_WRITTEN = re.compile(r"([+-]?)([0-9]{1,18})(?:\.([0-9]{1,12}))?([a-zµ%]*)")


def parse_quantity(text: str) -> Quantity:
    """An amount with its unit; a bare whole number is a COUNT.

    Raises ConfigError. Decimals beyond the integer unit (ns, parts in 10**12) are cut off.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ConfigError(
            f"{text!r} is not an amount; expected a number with its unit, such as +100ms or 20ppm."
        )
    sign, whole, decimals, unit = match[1], match[2], match[3] or "", match[4]
    digits = int(whole + decimals)
    signed = -digits if sign == "-" else digits
    for table, kind in ((_TIMES, Kind.TIME), (_RATES, Kind.RATE)):
        if unit in table:
            size = abs(signed) * table[unit] // 10 ** len(decimals)
            return Quantity(kind, -size if signed < 0 else size)
    if unit or decimals:
        units = ", ".join((*_TIMES, *_RATES))
        raise ConfigError(f"{text!r}: unknown unit {unit!r}; expected a number followed by one of {units}.")
    return Quantity(Kind.COUNT, signed)


def parse_duration(text: str) -> int:
    """A duration in ns: ``90s``, ``30m``, ``2h``, ``1d``, or plain seconds; above 0, else ConfigError."""
    quantity = parse_quantity(text)
    if quantity.kind is Kind.RATE or quantity.value <= 0:
        raise ConfigError(f"{text!r} is not a duration; expected 90s, 30m, 2h, 1d or plain seconds.")
    return quantity.value * NS_PER_S if quantity.kind is Kind.COUNT else quantity.value
