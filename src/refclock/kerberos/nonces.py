"""Nonces that show a ticket to be unexpired, without any clock that could be set."""

import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from refclock.kerberos.uptime import Mark, UptimeClock
from refclock.units import NS_PER_S

# So many random bytes nobody guesses (clauses 10 and 14).
SIZE = 32
WINDOW_S, ACTIVE = 300, 5


@dataclass(frozen=True, slots=True)
class _Nonce:
    value: bytes
    made: Mark


class NonceWindow:
    """The nonces that a server offers to clients; a ticket that carries one was issued after it was made.

    Clauses 12 to 19 (numbers as in docs/requirements.md). Each nonce is good for ``window_s``, which defaults
    to Kerberos's clock skew, 300 s, and is shared by all clients; so a ticket may be used for so long after
    its end. ``active`` of them overlap, the newest being preferred: with five, one is made each 60 s, and a
    client that takes it has at least 240 s for it. When one is made and when one ends is counted on the
    uptime clock, and a reboot discards them all. They are the kernel's random bytes and nothing else
    (clauses 10 and 14).

    One nonce for each connection is the strictest use, and needs no window: ``secrets.token_bytes``.
    """

    def __init__(
        self, uptime: UptimeClock | None = None, window_s: int = WINDOW_S, active: int = ACTIVE
    ) -> None:
        """Raises ValueError unless the window holds at least a second for each active nonce."""
        if active < 1 or window_s < active:
            raise ValueError(f"expected a window of at least {active} s, one a nonce, found {window_s} s")
        self._uptime = uptime or UptimeClock()
        self.window_ns = window_s * NS_PER_S
        self.rotate_ns = self.window_ns // active
        self._nonces: list[_Nonce] = []  # the newest first
        self._lock = threading.Lock()

    def offered(self) -> tuple[bytes, ...]:
        """Every active nonce, the preferred one first: a client may hold a ticket with any of them."""
        with self._lock:
            self._turn()
            return tuple(one.value for one in self._nonces)

    def preferred(self) -> bytes:
        """The nonce that a client is to get a new ticket with."""
        return self.offered()[0]

    def accepts(self, nonce: bytes) -> bool:
        """Whether a ticket that carries it is unexpired, or has been for no longer than the window."""
        # All are compared, in constant time each: how long it takes tells nothing.
        found = [hmac.compare_digest(one, nonce) for one in self.offered()]
        return any(found)

    def saved(self) -> dict[str, object]:
        """The window for another process of the same server, which it is secret to; JSON-able."""
        with self._lock:
            self._turn()
            return {
                "boot": self._uptime.boot.hex(),
                "nonces": [[one.value.hex(), one.made.at_ns] for one in self._nonces],
            }

    def restore(self, saved: Mapping[str, object]) -> int:
        """Take over what ``saved`` gave, and return how many nonces of it are active; none of another boot,
        and nothing of what is damaged."""
        taken = []
        listed = saved.get("nonces")
        for one in listed if isinstance(listed, list) else []:
            match one:
                case [str(value), int(at_ns)] if saved.get("boot") == self._uptime.boot.hex():
                    nonce = _unhex(value)
                    # One from the future would live for longer than a window.
                    if len(nonce) == SIZE and at_ns <= self._uptime.now_ns():
                        taken.append(_Nonce(nonce, Mark(self._uptime.boot, at_ns)))
        with self._lock:
            known = {one.value for one in self._nonces}
            self._nonces += [one for one in taken if one.value not in known]
            self._nonces.sort(key=lambda one: -one.made.at_ns)
            self._turn()
            return sum(one.value in {each.value for each in taken} for one in self._nonces)

    def _turn(self) -> None:
        """Drop what has ended, and make a new one when the newest is due."""
        self._nonces = [one for one in self._nonces if self._age_ns(one) < self.window_ns]
        if not self._nonces or self._age_ns(self._nonces[0]) >= self.rotate_ns:
            self._nonces.insert(0, _Nonce(secrets.token_bytes(SIZE), self._uptime.mark()))

    def _age_ns(self, nonce: _Nonce) -> int:
        since = self._uptime.since(nonce.made)
        return self.window_ns if since is None else since


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""
