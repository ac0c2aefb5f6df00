"""Finding sentences in a stream, and which decoder each of them goes to."""

import re
from collections.abc import Callable, Mapping

from refclock.wire.framing import DAMAGED, REFUSED, WAIT
from refclock.wire.nmea import standard, vendors
from refclock.wire.nmea.fields import PROTOCOL, Fields, Where
from refclock.wire.report import Report

# The standard allows 82 characters; GSV and vendors' own run to several hundred. The bound only limits
# memory: a byte that is not printable, or another "$", ends a false start at once.
BODY_MAX = 1020
_SENTENCE = re.compile(rb"\$([ -#%%-)+-~]{1,%d}+)\*([0-9A-Fa-f]{2})\r?\n" % BODY_MAX)
# How many bytes are checksummed at once; see `_running`. It must hold the longest sentence.
_BLOCK = 2048
_BEGINNING = re.compile(rb"\$(?:[ -#%%-)+-~]{0,%d}+)(?:\*(?:[0-9A-Fa-f](?:[0-9A-Fa-f]\r?)?)?)?" % BODY_MAX)

_Decoder = Callable[[Fields, Where], list[Report]]
# Keyed by bytes 2..4 of the body, which tells all of these apart at the price of one look-up, and which
# passes GSV, GSA and the other nine tenths of a stream by.
STANDARD: Mapping[bytes, _Decoder] = {
    b"RMC": standard.rmc,
    b"ZDA": standard.zda,
    b"GGA": standard.gga,
    b"GLL": standard.gll,
    b"GNS": standard.gns,
}
# The same once a Jackson Labs clock has shown itself.
_JACKSON_LABS = {**STANDARD, b"GGA": standard.gga_lock_state}
_VENDOR: Mapping[bytes, tuple[tuple[bytes, ...], _Decoder]] = {
    b"BX,": ((b"PUBX,",), vendors.pubx),
    b"RMF": ((b"PGRMF,",), vendors.pgrmf),
    b"RDC": ((b"PERDCRW,",), vendors.perdcrw),
    b"LTS": ((b"PJLTS,",), vendors.pjlt),
    b"LTV": ((b"PJLTV,",), vendors.pjlt),
    b"NTA": ((b"PTNTA,",), vendors.ptnta),
    b"EC,": ((b"PFEC,GPtps,",), vendors.pfec),
}

KEYS = frozenset((*STANDARD, *_VENDOR))
_DIGITS = "0123456789abcdefABCDEF"
_HEX = {(high + low).encode(): int(high + low, 16) for high in _DIGITS for low in _DIGITS}


def _running(block: bytes) -> bytes:
    """The exclusive or of all bytes up to and including each, so that two look-ups checksum any part.

    Folding one big integer does that for a block at a seventh of the price of a loop over its bytes.
    """
    size = len(block)
    folded = int.from_bytes(block, "big")
    shift = 8
    while shift < 8 * size:
        folded ^= folded >> shift
        shift <<= 1
    return folded.to_bytes(size, "big")


def checksum(body: bytes) -> int:
    """The exclusive or of all bytes."""
    return _running(body)[-1] if body else 0


def decode(
    body: bytes, where: Where = (0, 0), standards: Mapping[bytes, _Decoder] = STANDARD
) -> list[Report]:
    """What the sentence between ``$`` and ``*`` says of time. Any bytes will do."""
    key = body[2:5]
    decoder = standards.get(key)
    if decoder is not None:
        # The talker says which satellites; it is two capitals, and P is no talker but a vendor's mark.
        talker = body[:2]
        if body[5:6] != b"," or not talker.isalpha() or not talker.isupper() or talker[:1] == b"P":
            return []
        return decoder(body.split(b","), where)
    vendor = _VENDOR.get(key)
    if vendor is not None and body.startswith(vendor[0]):
        return vendor[1](body.split(b","), where)
    return []


class Framer:
    """Finds and decodes sentences with a checksum. All it remembers is whether PJLTS was heard."""

    name = PROTOCOL

    def __init__(self) -> None:
        self.frames = 0
        self._standards = STANDARD

    def find(self, data: bytes, at: int) -> int:
        """Where the next sentence may begin, at ``at`` or after it; -1 for nowhere."""
        return data.find(b"$", at)

    def take(self, data: bytes, at: int, stop: int, origin: int, reports: list[Report]) -> int:
        """See `framing.Framer`. Sentences come in bursts, so it takes all that follow without a gap."""
        sums = b""
        damaged = False
        end = at
        # Most chunks of a live line end within a sentence: without a line's end there is nothing to sum.
        while data.find(b"\n", end, at + _BLOCK) >= 0:
            match = _SENTENCE.match(data, end, at + _BLOCK)
            if match is None or end >= stop:
                break
            sums = sums or _running(data[at : at + _BLOCK])
            if sums[end - at] ^ sums[match.end(1) - 1 - at] != _HEX[match[2]]:
                damaged = end == at
                break
            start, end = match.span()
            self.frames += 1
            if data[start + 3 : start + 6] in KEYS:
                self.hear(match[1], (origin + start, origin + end), reports)
        if end > at:
            return end
        if damaged:
            return DAMAGED
        return WAIT if _BEGINNING.fullmatch(data, at) else REFUSED

    def hear(self, body: bytes, where: Where, reports: list[Report]) -> None:
        """Take in a good sentence that may tell something."""
        reports += decode(body, where, self._standards)
        if body.startswith(b"PJLTS,"):
            self._standards = _JACKSON_LABS
