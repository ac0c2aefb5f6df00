"""Configures a u-blox for the messages that are needed: on the operator's request only, RAM only, each step
read back, and a refusal taken for an answer.

First its version is asked. Nothing is written before that was answered: whoever answers is a u-blox.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from refclock.model import Request, Withhold
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire import ubxconfig
from refclock.wire.ubxconfig import ACK, NAK, VERSION, WANTED, Listener, Wanted

_SETTLES_NS = NS_PER_S
_TIMEOUT_NS = 1_200 * NS_PER_MS
_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Step:
    """Something that is sent, and what it is about (None: the version)."""

    data: bytes
    wanted: Wanted | None = None
    sets: bool = False


class Configurer:
    """One line's configuration. ``state``: waiting, asking, configured, refused (in part at least), differs
    or silent."""

    def __init__(self, port: str) -> None:
        self._port = port
        self.begin_anew(0)

    def begin_anew(self, raw_ns: int, up: bool = True) -> None:
        """The line came up or went away, or the counter began anew: the RAM may have been forgotten."""
        self._listener = Listener()
        self._steps: list[_Step] = [_Step(ubxconfig.ASK_VERSION)]
        self._due_ns: int | None = raw_ns + _SETTLES_NS if up else None
        self._tries = 0
        self._refused = self._differs = False
        self.state = "waiting"

    def wake_at(self) -> int | None:
        """When ``on_time`` has something to do."""
        return self._due_ns

    def on_time(self, raw_ns: int) -> list[Request | Withhold]:
        """Send the next step, or the last one again."""
        if self._due_ns is None or raw_ns < self._due_ns:
            return []
        if self._tries >= _TRIES:
            return self._end(raw_ns, "silent", self._steps[0])
        self._tries += 1
        self.state = "asking"
        self._due_ns = raw_ns + _TIMEOUT_NS
        return [Request(raw_ns, self._port, self._steps[0].data)]

    def on_bytes(self, data: bytes, raw_ns: int) -> list[Request | Withhold]:
        """Bytes from the receiver."""
        if self._due_ns is None:
            return []
        found: list[Request | Withhold] = []
        for key, payload in self._listener.feed(data):
            if self._steps and self._tries:
                found += self._hear(key, payload, raw_ns)
        return found

    def _hear(self, key: int, payload: bytes, raw_ns: int) -> list[Request | Withhold]:
        step = self._steps[0]
        if step.wanted is None:
            if key != VERSION:
                return []
            self._steps += _plan(ubxconfig.has_items(payload))
            return self._next(raw_ns)
        answers = key in (ACK, NAK) and payload == step.data[2:4]
        if key == NAK and answers:
            self._refused = True
            # What was refused is not read back.
            self._steps = [one for one in self._steps if one is step or one.wanted is not step.wanted]
            told = Withhold(raw_ns, "configure-refused", step.wanted.key, 0)
            return [told, *self._next(raw_ns)]
        if step.sets:
            return self._next(raw_ns) if answers else []
        on = step.wanted.told(key, payload)
        if on is None:
            return []
        if on:
            return self._next(raw_ns)
        self._differs = True
        return [Withhold(raw_ns, "configure-differs", step.wanted.key, 0), *self._next(raw_ns)]

    def _next(self, raw_ns: int) -> list[Request | Withhold]:
        self._steps.pop(0)
        self._tries = 0
        if self._steps:
            self._due_ns = raw_ns
            return self.on_time(raw_ns)
        self._due_ns = None
        self.state = "refused" if self._refused else "differs" if self._differs else "configured"
        return []

    def _end(self, raw_ns: int, state: str, step: _Step) -> list[Request | Withhold]:
        self.state, self._due_ns = state, None
        about = VERSION if step.wanted is None else step.wanted.key
        return [Withhold(raw_ns, "configure-silent", about, 0)]


def _plan(items: bool) -> Iterator[_Step]:
    """Each message set, and then read back."""
    for wanted in WANTED:
        yield _Step(wanted.set_items if items else wanted.set_rate, wanted, sets=True)
        yield _Step(wanted.get_items if items else wanted.get_rate, wanted)
