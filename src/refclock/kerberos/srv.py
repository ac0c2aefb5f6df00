"""Looking a realm's KDCs up in the DNS (RFC 4120, section 7.2.3.2). It waits for answers: for verbs, not for
the daemon."""

import os
import secrets
import socket
from collections.abc import Sequence

from refclock.errors import PortError
from refclock.wire.dns import NO_SUCH_NAME, DnsAnswer, SrvRecord, decode_answer, encode_query

RESOLV_CONF = "/etc/resolv.conf"
_DNS_PORT = 53
# resolv.conf(5): so many name servers count.
_MOST_SERVERS = 3
_TIMEOUT_S, _TRIES = 2.0, 2
_LONGEST = 65_535
_WRONG_ONES = 16  # datagrams that answer something else, before a server is given up

Server = tuple[str, int]


def name_servers(path: str = RESOLV_CONF) -> list[Server]:
    """The name servers of this host; its own where none is named."""
    found = []
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) > 1 and words[0] == "nameserver":
                    found.append((words[1], _DNS_PORT))
    except OSError:
        pass
    return found[:_MOST_SERVERS] or [("127.0.0.1", _DNS_PORT)]


def look_up(name: str, servers: Sequence[Server]) -> list[SrvRecord]:
    """A name's SRV records, in the order of their priorities; none where there is no such name.

    Raises PortError where no name server answers usably.
    """
    problem = "no name server"
    for _ in range(_TRIES):
        for server in servers:
            query = encode_query(secrets.randbits(16), name)
            if query is None:
                raise PortError(
                    f"{name}: no domain name, so the DNS cannot be asked; name the KDCs with --kdc."
                )
            try:
                answer = _ask(server, query)
            except OSError as error:
                problem = f"{server[0]}: {error.strerror or 'no answer'}"
                continue
            if answer is not None and answer.code in (0, NO_SUCH_NAME):
                return sorted(answer.records, key=lambda record: (record.priority, -record.weight))
            problem = f"{server[0]}: " + ("a damaged answer" if answer is None else f"error {answer.code}")
    raise PortError(
        f"{name}: the DNS cannot be asked: {problem}; mend {RESOLV_CONF}, or name the KDCs with --kdc."
    )


def _ask(server: Server, query: bytes) -> DnsAnswer | None:
    """One server, over TCP where its datagram says so. Raises OSError."""
    family, _, _, _, address = socket.getaddrinfo(*server, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as wire:
        wire.settimeout(_TIMEOUT_S)
        wire.connect(address)
        wire.send(query)
        answer = None
        for _ in range(_WRONG_ONES):
            answer = decode_answer(wire.recv(_LONGEST), query)
            if answer is not None:
                break
    return _ask_at_length(address, query) if answer is not None and answer.truncated else answer


def _ask_at_length(address: tuple[object, ...], query: bytes) -> DnsAnswer | None:
    """Over TCP, where two bytes of length precede a message (RFC 1035, section 4.2.2). Raises OSError."""
    with socket.create_connection((str(address[0]), int(str(address[1]))), _TIMEOUT_S) as wire:
        wire.sendall(len(query).to_bytes(2, "big") + query)
        head = _exactly(wire, 2)
        return decode_answer(_exactly(wire, int.from_bytes(head, "big")), query)


def _exactly(wire: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = wire.recv(size - len(data))
        if not chunk:
            raise OSError(os.strerror(104))
        data += chunk
    return data
