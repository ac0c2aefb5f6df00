"""Which whole second a label means, where its epoch lies a little off it."""

from refclock.units import NS_PER_S
from refclock.wire.report import Label

# A navigation epoch this far from a whole second names no pulse (receivers with several fixes a second);
# some receivers' epochs lie a few tens of milliseconds off theirs.
_MAX_FRACTION_NS = 100_000_000


def names_no_pulse(label: Label) -> bool:
    """Whether its epoch is between two seconds."""
    return _MAX_FRACTION_NS < label.frac_ns < NS_PER_S - _MAX_FRACTION_NS


def named_second(label: Label) -> int:
    """The whole second that a label names: some receivers' epochs lie just before it."""
    return label.utc_s + (label.frac_ns > _MAX_FRACTION_NS)


def fraction_ns(label: Label) -> int:
    """How far the epoch lies after the second it names; negative before it."""
    return label.frac_ns - NS_PER_S if label.frac_ns > _MAX_FRACTION_NS else label.frac_ns
