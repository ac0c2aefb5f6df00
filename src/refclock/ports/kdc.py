"""Asking the realm's other KDCs for their time (RFC 4120, section 3.1). Only the asking is done here, and the
matching of an answer to its question; what an answer says, and what follows, is the core's to judge."""

import os
import select
import socket

from refclock.model import Event, KdcReply
from refclock.policy import RealmSettings
from refclock.ports import stamp
from refclock.ports.query import QueryPort, jittered
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire import krb5
from refclock.wire.krb5 import KdcClock, KdcQuestion

# Until it has answered once: at boot the network, and the KDC, may come later than we do.
_UNHEARD_NS = 30 * NS_PER_S


class KdcPort(QueryPort):
    """One KDC, asked every ``poll_s``, give or take a sixteenth; every 30 s until it has answered once.

    The question is refused, and the refusal carries the KDC's time (wire.krb5). It names a client that does
    not exist, so that no account can be locked by it; the KDC's log has a line for each, "CLIENT_NOT_FOUND:
    refclock-..." in MIT's. ``t1`` is taken right before sending and ``t4`` as the first thing on
    readability, so whatever is slow lengthens the interval, and never hides it.

    Over UDP, an answer "too big" (RFC 4120, section 7.2.1) is passed on, for it has the time as well, and
    the KDC is asked anew over TCP. Over TCP the connection is made first, and then the question is sent.
    What waits for the connection, and then for the answer, is an epoll descriptor: a loop that waits for
    readability alone sees both.
    """

    _longest = krb5.LONGEST

    def __init__(self, settings: RealmSettings, server: tuple[str, int], name: str) -> None:
        super().__init__(name, server, "realm.kdcs")
        self._realm = settings.realm
        self._poll_ns = settings.poll_s * NS_PER_S
        self._timeout_ns = settings.timeout_ms * NS_PER_MS
        self._always_tcp = settings.transport == "tcp"
        self._heard = False
        self._too_big = False  # the answer of just now said so
        self._over = "udp"
        self._question = KdcQuestion(self._realm, "0" * 16)
        self._epoll: select.epoll | None = None
        self._sent = False
        self._received = b""

    def _open(self) -> str:
        self._heard = self._too_big = False
        return super()._open()

    def _ask(self) -> list[Event]:
        self._question = KdcQuestion(self._realm, os.urandom(8).hex())
        self._over = "tcp" if self._always_tcp or self._too_big else "udp"
        self._too_big = self._sent = False
        self._wrong, self._received = 0, b""
        self._t1_ns = stamp.raw()
        try:
            if self._over == "tcp":
                mine = self._connect(socket.SOCK_STREAM)
                self._epoll = select.epoll()
                self._epoll.register(mine, select.EPOLLOUT)
                self.fd = self._epoll.fileno()
            else:
                mine = self._connect()
                self._t1_ns = stamp.raw()
                mine.send(krb5.encode_question(self._question))
                self.fd = mine.fileno()
        except OSError:  # no route, no such family, refused: for the core one thing, no answer
            return self._finish_lost()
        self._wake_ns = self._t1_ns + self._timeout_ns
        return []

    def on_ready(self) -> list[Event]:
        """What has arrived for the query, up to the answer, which ends it."""
        if self._epoll is None:
            return super().on_ready()
        when = stamp.now()
        if self._socket is None or not self._epoll.poll(0):
            return []
        try:
            return self._receive(when, self._socket) if self._sent else self._send(self._socket, self._epoll)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError:
            return self._finish_lost()

    def _send(self, mine: socket.socket, epoll: select.epoll) -> list[Event]:
        """The connection stands, or has failed. Raises OSError."""
        error = mine.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
        message = krb5.frame(krb5.encode_question(self._question))
        self._t1_ns = stamp.raw()
        if mine.send(message) != len(message):
            # A fresh connection has room for a few hundred bytes.
            raise OSError("cut off")
        self._sent = True
        epoll.modify(mine, select.EPOLLIN)
        return []

    def _receive(self, when: stamp.Stamp, mine: socket.socket) -> list[Event]:
        """A part of the answer, or its end. Raises OSError."""
        chunk = mine.recv(self._longest)
        if not chunk:
            return self._finish_lost()
        self._received += chunk
        if len(self._received) < krb5.FRAME_SIZE:
            return []
        size = krb5.framed_size(self._received)
        head = krb5.FRAME_SIZE
        # Where the length is none that a KDC sends, those four bytes are all that there is to refuse.
        data = self._received[:head] if size is None else self._received[head : head + size]
        if size is not None and len(data) < size:
            return []
        events: list[Event] = [self._reply(when, data)]
        self._finish(data)
        return events

    def _answers(self, data: bytes) -> bool:
        return isinstance(krb5.decode_answer(data, self._question), KdcClock)

    def _reply(self, when: stamp.Stamp, data: bytes | None) -> KdcReply:
        return KdcReply(
            *when, port=self.name, peer=self.peer, cookie=self._question.cookie, over=self._over,
            t1_raw_ns=self._t1_ns, t4_raw_ns=when[0], data=data,
        )  # fmt: skip

    def _taken(self, data: bytes) -> None:
        self._heard = True
        said = krb5.decode_answer(data, self._question)
        too_big = isinstance(said, KdcClock) and said.code == krb5.RESPONSE_TOO_BIG
        self._too_big = too_big and self._over == "udp"

    def _plan(self) -> None:
        """Close this query's socket, and set the time of the next one, counted from the last."""
        self._shut()
        if self._too_big:
            self._wake_ns = stamp.raw()
        else:
            interval_ns = self._poll_ns if self._heard else min(self._poll_ns, _UNHEARD_NS)
            self._wake_ns = self._t1_ns + jittered(interval_ns)

    def _shut(self) -> None:
        epoll, self._epoll = self._epoll, None
        if epoll is not None:
            epoll.close()
        super()._shut()


def kdc_ports(settings: RealmSettings) -> list[KdcPort]:
    """A port for every configured KDC, named kdc0, kdc1, ... in their order."""
    return [KdcPort(settings, server, f"kdc{index}") for index, server in enumerate(settings.kdcs)]
