"""A receiver's bytes without the place where it stands, and with their length as good as kept.

Whatever is not known to be harmless goes: positions in messages that are read become zeros (and their
checksums are made anew), all other messages and the bytes between them become zeros altogether. A list of
satellites with their directions tells the place to a few kilometres, so that it is not harmless.
"""

import re
from collections.abc import Callable, Iterator

from refclock.wire import dle, garmin, gpsdjson, nmea, oncore, sirf, tsip, tsip1, ubx
from refclock.wire.families import FAMILIES, families_of
from refclock.wire.framing import Framer
from refclock.wire.nmea import bare

_ERLANGEN_SIZE, _ERLANGEN_PLACE = 66, 40
Piece = tuple[int, int, bytes]


def pieces(data: bytes, protocol: str) -> Iterator[Piece]:
    """All of ``data`` in order, as start, end, and what stands there instead.

    Raises KeyError for a family that nobody has taught this.
    """
    names = [name for name in FAMILIES if name in families_of(protocol)]
    framers = [(FAMILIES[name].make(), _SCRUBBERS[name]) for name in names]
    done = 0
    starts = [_next(framer, data, 0) for framer, _ in framers]
    while (at := min(starts)) < len(data):
        index = starts.index(at)
        framer, scrubbed = framers[index]
        end = framer.take(data, at, at + 1, 0, [])
        if end < 0:
            starts[index] = _next(framer, data, at + 1)
            continue
        if done < at:
            yield done, at, bytes(at - done)
        yield at, end, scrubbed(data[at:end])
        done = end
        for other, (one, _) in enumerate(framers):
            if starts[other] < end:
                starts[other] = _next(one, data, end)
    if done < len(data):
        yield done, len(data), bytes(len(data) - done)


def _next(framer: Framer, data: bytes, at: int) -> int:
    found = framer.find(data, at)
    return len(data) if found < 0 else found


def _zeroed(data: bytes, start: int, end: int) -> bytes:
    return data[:start] + bytes(max(end - start, 0)) + data[end:]


# ---- NMEA -----------------------------------------------------------------------------------------------

# By bytes 2..4 of the body: the fields that tell of the place (also its magnetic variation and geoid).
_PLACES = {
    b"RMC": (3, 4, 5, 6, 10, 11), b"GGA": (2, 3, 4, 5, 9, 11), b"GLL": (1, 2, 3, 4),
    b"GNS": (2, 3, 4, 5, 9, 10), b"RMF": (6, 7, 8, 9), b"ZDA": (), b"RDC": (), b"LTS": (), b"NTA": (),
}  # fmt: skip
_HARMLESS = (b"PUBX,04,", b"PFEC,GPtps,")
_WORDS = bytes.maketrans(b"123456789-S", b"0000000000N")


def _sentence(data: bytes) -> bytes:
    body, _, tail = data[1:].partition(b"*")
    body = _body(body)
    return b"$%b*%02X%b" % (body, nmea.checksum(body), tail[2:])


def _bare(data: bytes) -> bytes:
    """A sentence with a checksum or without."""
    if b"*" in data:
        return _sentence(data)
    body = data[1:].rstrip(b"\r\n")
    return b"$%b%b" % (_body(body), data[1 + len(body) :])


def _body(body: bytes) -> bytes:
    places = _PLACES.get(body[2:5])
    if body.startswith(_HARMLESS):
        places = ()
    if places is None:
        body = (b"PSCRUB," + b"0" * len(body))[: len(body)]
    fields = body.split(b",")
    for place in places or ():
        if place < len(fields):
            fields[place] = fields[place].translate(_WORDS).replace(b"W", b"E")
    return b",".join(fields)


# ---- UBX ------------------------------------------------------------------------------------------------

_UBX_HARMLESS = frozenset(
    (0x0103, 0x0120, 0x0121, 0x0122, 0x0126, 0x0A09, 0x0A38, 0x0D01, 0x2709)
)  # NAV-STATUS, -TIMEGPS, -TIMEUTC, -CLOCK, -TIMELS, MON-HW, -RF, TIM-TP, SEC-SIG
_UBX_PLACES = {0x0107: (30, 46), 0x0106: (18, 30)}  # NAV-PVT, NAV-SOL; from the first sync byte


def _ubx(data: bytes) -> bytes:
    key = data[2] << 8 | data[3]
    if key not in _UBX_HARMLESS:
        data = _zeroed(data, *_UBX_PLACES.get(key, (6, len(data) - 2)))
    return data[:-2] + bytes(ubx.checksum(data[2:-2]))


# ---- DLE frames -----------------------------------------------------------------------------------------


def _tsip(data: bytes) -> bytes:
    """8F-AB says nothing of the place; 8F-AC has latitude, longitude and altitude at 36 from the subcode."""
    packet = dle.unpacked(data)
    return data if packet[1] == 0xAB else dle.packed(_zeroed(packet, 37, 61))


def _tsip1(data: bytes) -> bytes:
    packet = dle.unpacked(data)
    if packet[:2] in (b"\xa1\x00", b"\xa3\x00"):
        return data
    packet = _zeroed(packet, 5, len(packet) - 1)[:-1]
    return dle.packed(packet + bytes((nmea.checksum(packet),)))


def _garmin(data: bytes) -> bytes:
    packet = dle.unpacked(data)
    packet = _zeroed(packet, 2, len(packet) - 1)[:-1]
    return dle.packed(packet + bytes((-sum(packet) & 0xFF,)))


# ---- the others -----------------------------------------------------------------------------------------

# Offsets from the first @. Of @@Ha all between time and status; of the older ones the antenna's byte stays.
_ONCORE_PLACES = {
    b"Ha": ((15, 129),), b"Ba": ((15, 37), (38, 64)), b"Ea": ((15, 37), (38, 72)),
    b"Aw": (), b"Bo": (), b"Bj": (), b"Gj": (), b"Bn": (), b"En": (), b"Hn": (),
}  # fmt: skip


def _oncore(data: bytes) -> bytes:
    for start, end in _ONCORE_PLACES.get(data[2:4], ((4, len(data) - 3),)):
        data = _zeroed(data, start, end)
    return data[:-3] + bytes((nmea.checksum(data[2:-3]),)) + data[-2:]


def _sirf(data: bytes) -> bytes:
    """The message's number stays, and so its sum."""
    return data[:5] + bytes(len(data) - 9) + data[4:5].rjust(2, b"\0") + data[-2:]


# Of gpsd's objects these classes are kept, and of their members these, none of which holds a place.
_GPSD_KEPT = re.compile(
    rb'"(?:class|device|path|activated|driver|status|mode|time|leapseconds|ept|qErr|real_sec|real_nsec|clock_sec|'
    rb'clock_nsec|precision|shm|enable|json|release|rev|proto_major|proto_minor|ant)":(?:"[^"]*"|[^][{}",]*)'
)
_GPSD_CLASS = re.compile(rb'"class":"(?:VERSION|WATCH|DEVICE|TPV|PPS|TOFF|OSC|RAW)"')


def _gpsd(data: bytes) -> bytes:
    """The object with the members that are kept, and blanks up to its old length."""
    line = data.rstrip(b"\r\n")
    kept = _GPSD_KEPT.findall(line) if _GPSD_CLASS.search(line) else [b'"class":"ERROR"']
    return (b"{%b}" % b",".join(kept)).ljust(len(line)) + data[len(line) :]


def _meinberg(data: bytes) -> bytes:
    """The Uni Erlangen string ends with latitude, longitude and height, and ETX."""
    if len(data) != _ERLANGEN_SIZE:
        return data
    return data[:_ERLANGEN_PLACE] + b"  0.0000N   0.0000E    0m\x03"


def _harmless(data: bytes) -> bytes:
    return data


_SCRUBBERS: dict[str, Callable[[bytes], bytes]] = {
    ubx.PROTOCOL: _ubx, nmea.PROTOCOL: _sentence, tsip.PROTOCOL: _tsip, tsip1.PROTOCOL: _tsip1,
    oncore.PROTOCOL: _oncore, sirf.PROTOCOL: _sirf, garmin.PROTOCOL: _garmin,
    gpsdjson.PROTOCOL: _gpsd,
    bare.PROTOCOL: _bare, "meinberg": _meinberg,
    # The other time codes tell time and quality, and nothing else.
    **dict.fromkeys(("spectracom", "truetime", "arbiter", "zyfer"), _harmless),
}  # fmt: skip
