"""gpsd-py3, contained: it gets one whole, completed POLL answer at a time, and its words are for people only.

What of it is not used, and why: `connect` and `get_current` read a line from a blocking socket without any
time-out, of IPv4 only, kept in the module, so one gpsd for each process, and take an object that comes in
between for an error; `device` knows the first device only; `get_time` fails on a :60 and on a time without a
fraction, and gives naive datetimes. `GpsResponse.from_json` keeps nothing; it fails on an answer without SKY,
and mixes several devices, so it is given one with exactly one of each.
"""

from dataclasses import dataclass

import gpsd

from refclock.wire.gpsdjson import Fields

_FIXES = {0: "no fix seen yet", 1: "no fix", 2: "2D fix", 3: "3D fix"}


@dataclass(frozen=True, slots=True)
class Position:
    """How good gpsd-py3 says the fix is: in words, and satellites used and seen."""

    fix: str
    used: int = 0
    seen: int = 0

    def __str__(self) -> str:
        return f"{self.fix}, {self.used} of {self.seen} satellites used" if self.seen else self.fix


def position(poll: Fields, device: str) -> Position:
    """What a POLL answer says of one device. Whatever the answer, nothing is raised."""
    completed = {
        "active": True,  # 0 makes the library raise; without a TPV there is nothing to read anyhow
        "tpv": _latest(poll, "tpv", device) or [{"mode": 0}],
        "sky": _latest(poll, "sky", device) or [{}],
    }
    try:
        answer = gpsd.GpsResponse.from_json(completed)
        return Position(_FIXES[answer.mode], answer.sats_valid, answer.sats)
    except Exception:  # the library checks nothing, so a strange answer raises anything
        return Position("an answer that gpsd-py3 cannot read")


def _latest(poll: Fields, key: str, device: str) -> list[Fields]:
    """The last object of this device in one of the answer's lists."""
    listed = poll.get(key)
    found: list[Fields] = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    return [row for row in found if row.get("device", device) == device][-1:]
