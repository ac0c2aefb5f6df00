"""Where the antenna is. A fixed one does not move: a receiver that says so hears somebody else's satellites.

Positions are (latitude, longitude) in 1e-7 degrees, as receivers state them.
"""

from refclock.units import NS_PER_S

_UM_PER_E7 = 11_132  # of a meridian of 40,075 km: 11.132 mm for each 1e-7 degrees
_CIRCLE_E7 = 3_600_000_000
_BAND_E7 = 100_000_000
# The greatest cosine of the latitude within each ten degrees, in percent, rounded up.
_COSINE = (100, 99, 94, 87, 77, 65, 50, 35, 18)
# Positions come once a second, at times every few; an older one is no statement about now.
_VALID_FOR_NS = 10 * NS_PER_S

Position = tuple[int, int]


def apart_m(one: Position, other: Position) -> int:
    """The distance in metres, rounded up: the greater of its northern and its eastern part."""
    north = abs(one[0] - other[0])
    east = abs(one[1] - other[1]) % _CIRCLE_E7
    east = min(east, _CIRCLE_E7 - east)
    band = min(min(abs(one[0]), abs(other[0])) // _BAND_E7, len(_COSINE) - 1)
    return -(-max(north * 100, east * _COSINE[band]) * _UM_PER_E7 // 100_000_000)


class Place:
    """Where the receiver was when it was trusted last, and where it says it is."""

    def __init__(self) -> None:
        self._home: Position | None = None
        self._now: tuple[Position, int] | None = None

    def hear(self, position: Position, raw_ns: int) -> None:
        """It says that it is here."""
        self._now = position, raw_ns

    def settle(self) -> None:
        """Nothing is fed yet: wherever it is, is its place. The witnesses judge whether it may be trusted."""
        self._home = None if self._now is None else self._now[0]

    def astray_m(self, raw_ns: int) -> int:
        """How far it has moved from its place, in metres; 0 where it does not say."""
        if self._now is None or self._home is None or raw_ns - self._now[1] > _VALID_FOR_NS:
            return 0
        return apart_m(self._now[0], self._home)
