"""How a u-blox answers those who configure it: its version, its items (or message rates), ACK and NAK."""

from refclock.wire.ubxconfig import ACK, MSG, NAK, VALGET, VALSET, VERSION, Listener, frame

_RAM = 1


class Settings:
    """What is set, in RAM only. ``refuses``: items, or messages (class and id), that it does not know;
    ``forgetful``: it says ACK and keeps nothing. ``stored`` counts what must never come: another layer than
    the RAM, or CFG-CFG."""

    def __init__(self, protocol: str = "27.31") -> None:
        self.protocol = protocol
        self.items: dict[int, int] = {}
        self.rates: dict[int, int] = {}
        self.refuses: frozenset[int] = frozenset()
        self.forgetful = False
        self.stored = 0
        self._listener = Listener()

    def hears(self, data: bytes) -> bytes:
        """The answers to what was written."""
        return b"".join(self._obeys(key, payload) for key, payload in self._listener.feed(data))

    def _obeys(self, key: int, payload: bytes) -> bytes:
        if key == VERSION and not payload:
            extension = f"PROTVER={self.protocol}".encode().ljust(30, b"\0")
            return frame(VERSION, b"EXT CORE 1.00".ljust(30, b"\0") + b"00190000\0\0" + extension)
        if key == VALSET:
            return self._set(payload)
        if key == VALGET:
            return self._get(payload)
        if key == MSG:
            return self._rate(payload)
        self.stored += key == 0x0609  # CFG-CFG: save
        return _answer(NAK, key)

    def _set(self, payload: bytes) -> bytes:
        pairs = {
            int.from_bytes(payload[at : at + 4], "little"): payload[at + 4]
            for at in range(4, len(payload), 5)
        }
        self.stored += payload[1] != _RAM
        if self.refuses & pairs.keys() or payload[1] != _RAM:
            return _answer(NAK, VALSET)
        if not self.forgetful:
            self.items |= pairs
        return _answer(ACK, VALSET)

    def _get(self, payload: bytes) -> bytes:
        wanted = [payload[at : at + 4] for at in range(4, len(payload), 4)]
        pairs = [one + bytes((self.items.get(int.from_bytes(one, "little"), 0),)) for one in wanted]
        return frame(VALGET, b"\x01\x00\x00\x00" + b"".join(pairs)) + _answer(ACK, VALGET)

    def _rate(self, payload: bytes) -> bytes:
        key = int.from_bytes(payload[:2], "big")
        if key in self.refuses:
            return _answer(NAK, MSG)
        if len(payload) == 2:
            return frame(MSG, payload + bytes((0, self.rates.get(key, 0), 0, 0, 0, 0))) + _answer(ACK, MSG)
        if not self.forgetful:
            self.rates[key] = payload[2]
        return _answer(ACK, MSG)


def _answer(key: int, about: int) -> bytes:
    return frame(key, about.to_bytes(2, "big"))
