"""u-blox UBX: asking for the messages that are needed, in the receiver's RAM only, and reading that back.

Receivers from protocol 27 on (series 9 and later) know configuration items (CFG-VALSET, CFG-VALGET), older
ones CFG-MSG, which changes the current configuration and nothing that is stored. Nothing here ever saves:
a power cycle undoes it.

Sources: u-blox F9 TIM 2.20 interface description, CFG-VALSET, CFG-VALGET and configuration items; u-blox 8 /
M8 receiver description (UBX-13003221), CFG-MSG, MON-VER, ACK.
"""

import re
from dataclasses import dataclass

from refclock.wire import ubx

ACK, NAK, VERSION, VALSET, VALGET, MSG = 0x0501, 0x0500, 0x0A04, 0x068A, 0x068B, 0x0601
_SYNC = b"\xb5\x62"
_LONGEST = 1024
# Layer 1 of CFG-VALSET is the RAM (bit 0); layer 0 of CFG-VALGET is the RAM.
_RAM_BIT, _RAM_LAYER = 1, 0
_FIRST_WITH_ITEMS = 27
_PROTOCOL = re.compile(rb"PROTVER[= ]([0-9]{1,3})\.")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One message: class and id, and its items for the receiver's first UART and its USB."""

    key: int
    items: tuple[int, int]

    @property
    def set_items(self) -> bytes:
        """CFG-VALSET, RAM only: once in each epoch."""
        pairs = b"".join(item.to_bytes(4, "little") + b"\x01" for item in self.items)
        return frame(VALSET, bytes((0, _RAM_BIT, 0, 0)) + pairs)

    @property
    def get_items(self) -> bytes:
        """CFG-VALGET of the same from the RAM."""
        return frame(
            VALGET, bytes((0, _RAM_LAYER, 0, 0)) + b"".join(one.to_bytes(4, "little") for one in self.items)
        )

    @property
    def set_rate(self) -> bytes:
        """CFG-MSG: once in each epoch on the port that this comes in by."""
        return frame(MSG, self.key.to_bytes(2, "big") + b"\x01")

    @property
    def get_rate(self) -> bytes:
        """CFG-MSG, asked."""
        return frame(MSG, self.key.to_bytes(2, "big"))

    def told(self, key: int, payload: bytes) -> bool | None:
        """Whether an answer shows it switched on; None for an answer about something else."""
        if key == MSG and len(payload) == 8 and payload[:2] == self.key.to_bytes(2, "big"):
            return any(payload[2:])
        if key != VALGET or len(payload) != 4 + 5 * len(self.items) or payload[:2] != b"\x01\x00":
            return None
        found = {payload[at : at + 4]: payload[at + 4] for at in range(4, len(payload), 5)}
        if set(found) != {item.to_bytes(4, "little") for item in self.items}:
            return None
        return all(found.values())


# TIM-TP, NAV-TIMEUTC and NAV-TIMELS: name of the next pulse, UTC with its validity, leap seconds.
WANTED = (
    Wanted(0x0D01, (0x2091017E, 0x20910180)),
    Wanted(0x0121, (0x2091005C, 0x2091005E)),
    Wanted(0x0126, (0x20910061, 0x20910063)),
)


def frame(key: int, payload: bytes) -> bytes:
    """A UBX frame around a payload."""
    covered = key.to_bytes(2, "big") + len(payload).to_bytes(2, "little") + payload
    return _SYNC + covered + bytes(ubx.checksum(covered))


ASK_VERSION = frame(VERSION, b"")


def has_items(payload: bytes) -> bool:
    """Whether a MON-VER's receiver knows configuration items."""
    found = _PROTOCOL.search(payload)
    return found is not None and int(found[1]) >= _FIRST_WITH_ITEMS


class Listener:
    """The UBX frames of a stream, as (class and id, payload); whatever else is on the line is skipped."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """The frames that ``data`` completes."""
        data, at, found = self._rest + data, 0, []
        while (at := data.find(_SYNC, at)) >= 0 and len(data) - at >= 6:
            size = data[at + 4] | data[at + 5] << 8
            end = at + 8 + size
            if size <= _LONGEST and len(data) < end:
                break
            covered = data[at + 2 : end - 2]
            if size <= _LONGEST and bytes(ubx.checksum(covered)) == data[end - 2 : end]:
                found.append((int.from_bytes(covered[:2], "big"), covered[4:]))
                at = end
            else:
                at += 1
        self._rest = data[at:] if at >= 0 else data[-1:]
        return found
