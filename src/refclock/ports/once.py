"""Asking several servers once, for a verb that waits for their answers."""

import selectors
from collections.abc import Sequence

from refclock.errors import PortError
from refclock.model import Event
from refclock.ports import stamp
from refclock.ports.port import Port
from refclock.units import NS_PER_S

# A port that is to be woken so soon is not through: it asks once more in another way.
_SOON_NS = NS_PER_S


def ask_once(ports: Sequence[Port], longest_ns: int) -> dict[str, list[Event] | str]:
    """By the name of each port what its one query yielded, or why it could not be asked. The ports are
    closed then. Those that are not through after ``longest_ns`` yield what there is."""
    told: dict[str, list[Event]] = {port.name: [] for port in ports}
    troubles: dict[str, str] = {}
    waiting = []
    for port in ports:
        try:
            port.open()
            waiting.append(port)
        except PortError as error:
            troubles[port.name] = str(error)
    end = stamp.raw() + longest_ns
    while waiting and stamp.raw() < end:
        for port in _ready(waiting):
            told[port.name] += port.on_ready()
        for port in waiting:
            told[port.name] += port.on_timer(stamp.raw())
        waiting = [port for port in waiting if not told[port.name] or _busy(port)]
    for port in ports:
        port.close()
    return told | troubles


def _ready(ports: Sequence[Port]) -> list[Port]:
    with selectors.PollSelector() as selector:
        for port in ports:
            if port.fd is not None:
                selector.register(port.fd, selectors.EVENT_READ, port)
        return [key.data for key, _ in selector.select(0.01)]


def _busy(port: Port) -> bool:
    due = port.wake_at()
    return port.fd is not None or (due is not None and due - stamp.raw() < _SOON_NS)
