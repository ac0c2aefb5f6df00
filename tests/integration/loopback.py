"""What the ports that ask over the network are tried with: a server that a test answers from by hand, and an
event loop that lives until one query is over."""

import selectors
import socket
from typing import Any

from refclock.ports import stamp
from refclock.units import NS_PER_S


class Listener:
    """A UDP socket on loopback that a test answers from by hand."""

    def __init__(self, family=socket.AF_INET, host="127.0.0.1"):
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.settimeout(2)
        self.socket.bind((host, 0))
        self.address = (host, self.socket.getsockname()[1])
        self.client: Any = None
        self.clients: list[Any] = []

    def question(self):
        request, self.client = self.socket.recvfrom(1024)
        self.clients.append(self.client)
        return request

    def send(self, data):
        self.socket.sendto(data, self.client)

    def close(self):
        self.socket.close()


def making(build):
    """A fixture's body: what a test makes by calling it is closed at the test's end."""
    made: list[Any] = []

    def new(*words, **how):
        made.append(build(*words, **how))
        return made[-1]

    yield new
    for one in made:
        one.close()


def ask(port):
    """Brings the next query forward."""
    assert port.fd is None
    return port.on_timer(max(port.wake_at(), stamp.raw()))


def collect(port, timeout_s=1.0):
    """Lives as the event loop does until the query is over."""
    events: list[Any] = []
    with selectors.DefaultSelector() as selector:
        fd = port.fd
        if fd is None:
            return events
        selector.register(fd, selectors.EVENT_READ)
        limit = stamp.raw() + int(timeout_s * NS_PER_S)
        while port.fd is not None and stamp.raw() < limit:
            left = max(0, port.wake_at() - stamp.raw()) / NS_PER_S
            if selector.select(left):
                events += port.on_ready()
            else:
                events += port.on_timer(stamp.raw())
    return events
