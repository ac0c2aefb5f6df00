"""The asking of KDCs, against servers on loopback that are silent, lie, hesitate or are not there."""

import selectors
import socket
from contextlib import closing
from itertools import pairwise

import pytest

from refclock.errors import PortError
from refclock.model import KdcReply
from refclock.policy import RealmSettings
from refclock.ports import stamp
from refclock.ports.kdc import KdcPort, kdc_ports
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire import krb5
from refclock.wire.krb5 import KdcClock, KdcQuestion, KdcRefusal, decode_answer, encode_question, frame
from tests.integration.loopback import Listener, ask, collect, making
from tests.unit.test_krb5 import AT_NS, END_NS, error, name

REALM = "EXAMPLE.TEST"
FOREIGN = error({8: name("refclock-0123456789abcdef")})


def answer_to(port, code=6):
    """The KDC's answer to the question that a port is waiting with."""
    return error({6: b"\x02\x01" + bytes([code]), 8: name(port._question.client)})


class Acceptor:
    """A TCP socket on loopback that a test answers from by hand."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.socket.settimeout(2)
        self.address = self.socket.getsockname()
        self.client = None

    def close(self):
        self.socket.close()
        if self.client is not None:
            self.client.close()

    def question(self, port):
        """Lives until the question is there."""
        self.client, _ = self.socket.accept()
        self.client.settimeout(0.01)
        for _ in range(200):
            assert port.on_ready() == []
            try:
                return self.client.recv(1024)
            except TimeoutError:
                continue
        raise AssertionError("no question")


@pytest.fixture
def server():
    with closing(Listener()) as made:
        yield made


@pytest.fixture
def acceptor():
    with closing(Acceptor()) as made:
        yield made


def opened(address, transport="udp", poll_s=300, timeout_ms=2000):
    port = KdcPort(RealmSettings((address,), REALM, poll_s, timeout_ms, transport), address, "kdc0")
    port.open()
    return port


@pytest.fixture
def make():
    yield from making(opened)


def test_an_answer_is_passed_on_with_its_stamps(server, make):
    port = make(server.address)
    assert ask(port) == []
    request = server.question()
    data = answer_to(port)
    server.send(data)
    (reply,) = collect(port)
    assert isinstance(reply, KdcReply)
    assert (reply.port, reply.peer, reply.over) == ("kdc0", f"127.0.0.1:{server.address[1]}", "udp")
    assert reply.data == data
    assert reply.t1_raw_ns < reply.t4_raw_ns == reply.raw_ns < reply.t1_raw_ns + 2 * NS_PER_S
    asked = KdcQuestion(REALM, reply.cookie)
    assert request == encode_question(asked)
    assert decode_answer(data, asked) == KdcClock(AT_NS, END_NS, 6, matched=True)
    assert 280 <= (port.wake_at() - reply.t1_raw_ns) / NS_PER_S <= 320


def test_no_two_questions_are_alike(server, make):
    port = make(server.address)
    requests = set()
    for _ in range(4):
        ask(port)
        requests.add(server.question())
        server.send(answer_to(port))
        assert len(collect(port)) == 1
    assert len(requests) == 4
    assert len(set(server.clients)) > 1


def test_silence_is_a_loss_and_an_unheard_kdc_is_asked_sooner(server, make):
    port = make(server.address, timeout_ms=30)
    ask(port)
    (lost,) = collect(port)
    assert lost.data is None
    assert 28 <= (port.wake_at() - lost.t1_raw_ns) / NS_PER_S <= 32
    ask(port)
    server.question()
    server.question()
    server.send(answer_to(port))
    collect(port)
    ask(port)
    (lost,) = collect(port)
    assert lost.data is None
    assert (port.wake_at() - lost.t1_raw_ns) / NS_PER_S >= 280, "heard once, it is asked as configured"


def test_nobody_listening_is_a_loss_at_once(server, make):
    server.socket.close()
    port = make(server.address, timeout_ms=2000)
    ask(port)
    (lost,) = collect(port)
    assert lost.data is None
    assert lost.t4_raw_ns - lost.t1_raw_ns < NS_PER_S


def test_what_answers_another_question_does_not_end_the_wait(server, make):
    port = make(server.address)
    ask(port)
    server.question()
    for _ in range(10):
        server.send(FOREIGN)
    server.send(b"\x6b\x00")
    true = answer_to(port)
    server.send(true)
    replies = collect(port)
    assert [reply.data for reply in replies] == [FOREIGN] * 3 + [true]


def test_a_flood_ends_the_query(server, make):
    port = make(server.address, timeout_ms=5000)
    ask(port)
    server.question()
    for _ in range(70):
        server.send(FOREIGN)
    assert [reply.data is None for reply in collect(port)] == [False, False, False, True]


def test_an_answer_too_big_is_passed_on_and_asked_for_over_tcp(acceptor, make):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        datagrams.bind(acceptor.address)
        datagrams.settimeout(2)
        port = make(acceptor.address)
        ask(port)
        first, client = datagrams.recvfrom(1024)
        datagrams.sendto(answer_to(port, krb5.RESPONSE_TOO_BIG), client)
        (big,) = collect(port)
        assert decode_answer(big.data, KdcQuestion(REALM, big.cookie)) == KdcClock(
            AT_NS, END_NS, 52, matched=True
        )
        assert port.wake_at() <= stamp.raw()
        assert port.fd is None
        assert ask(port) == []
        second = acceptor.question(port)
        assert second[4:] != first, "a KDC would answer from its memory"
        data = answer_to(port)
        acceptor.client.sendall(frame(data))
        (reply,) = collect(port)
        assert (reply.over, reply.data, big.over) == ("tcp", data, "udp")
        ask(port)
        datagrams.recvfrom(1024)


def test_over_tcp_and_in_pieces(acceptor, make):
    port = make(acceptor.address, "tcp", timeout_ms=3000)
    began = stamp.raw()
    ask(port)
    request = acceptor.question(port)
    data = answer_to(port)
    whole = frame(data)
    for start, end in pairwise((0, 1, 3, 7, len(whole) - 1)):
        acceptor.client.sendall(whole[start:end])
        fd = port.fd
        assert wait(fd)
        assert port.on_ready() == []
        assert port.on_ready() == [], "spurious"
        assert port.fd == fd
    acceptor.client.sendall(whole[-1:] + b"and more")
    (reply,) = collect(port)
    assert request == frame(encode_question(KdcQuestion(REALM, reply.cookie)))
    assert (reply.data, reply.over) == (data, "tcp")
    assert began < reply.t1_raw_ns < reply.t4_raw_ns
    assert port.fd is None


def wait(fd):
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        return selector.select(2)


def test_tcp_too_big_is_not_asked_again(acceptor, make):
    port = make(acceptor.address, "tcp")
    ask(port)
    acceptor.question(port)
    acceptor.client.sendall(frame(answer_to(port, krb5.RESPONSE_TOO_BIG)))
    (reply,) = collect(port)
    assert reply.data is not None
    assert port.wake_at() > stamp.raw() + 200 * NS_PER_S


def test_a_frame_that_no_kdc_sends(acceptor, make):
    port = make(acceptor.address, "tcp")
    ask(port)
    acceptor.question(port)
    acceptor.client.sendall(b"HTTP/1.1 400 Bad Request\r\n")
    (reply,) = collect(port)
    assert reply.data == b"HTTP"
    assert decode_answer(reply.data, KdcQuestion(REALM, reply.cookie)) == KdcRefusal("kdc-malformed", 0, 4)


def test_a_connection_that_is_closed(acceptor, make):
    port = make(acceptor.address, "tcp", timeout_ms=3000)
    ask(port)
    acceptor.question(port)
    acceptor.client.sendall(frame(answer_to(port))[:-1])
    acceptor.client.close()
    (lost,) = collect(port, 3)
    assert lost.data is None
    assert lost.t4_raw_ns - lost.t1_raw_ns < 2 * NS_PER_S


def test_a_connection_that_is_reset(acceptor, make):
    port = make(acceptor.address, "tcp", timeout_ms=3000)
    ask(port)
    acceptor.question(port)
    acceptor.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    acceptor.client.close()
    (lost,) = collect(port, 3)
    assert lost.data is None


def test_a_connection_that_is_refused(acceptor, make):
    port = make(acceptor.address, "tcp", timeout_ms=3000)
    acceptor.close()
    (lost,) = ask(port) or collect(port, 3)
    assert (lost.data, lost.over) == (None, "tcp")
    assert lost.t4_raw_ns - lost.t1_raw_ns < 2 * NS_PER_S


def test_a_kdc_that_takes_the_question_and_is_silent(acceptor, make):
    port = make(acceptor.address, "tcp", timeout_ms=50)
    began = stamp.raw()
    ask(port)
    acceptor.question(port)
    (lost,) = collect(port)
    assert lost.data is None
    assert lost.t4_raw_ns - began >= 50 * NS_PER_MS


def test_a_question_that_is_sent_in_part_only(acceptor, make, monkeypatch):
    port = make(acceptor.address, "tcp", timeout_ms=3000)
    ask(port)
    monkeypatch.setattr("refclock.ports.kdc.krb5.frame", lambda _message: bytes(50_000_000))
    (lost,) = collect(port, 3)
    assert lost.data is None


def test_spurious_readiness(acceptor, make):
    port = make(acceptor.address, "tcp")
    assert port.on_ready() == []
    ask(port)
    acceptor.question(port)
    assert port.on_ready() == []
    assert port.fd is not None


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_network_that_is_unreachable_is_a_loss(make, monkeypatch, transport):
    def refuse(*_args):
        raise OSError(101, "Network is unreachable")

    port = make(("192.0.2.1", 88), transport)
    monkeypatch.setattr("refclock.ports.query.socket.socket", refuse)
    (lost,) = ask(port)
    assert lost.data is None
    assert port.fd is None


def test_a_name_that_can_be_none(make):
    with pytest.raises(PortError, match=r"not a host name; mend realm\.kdcs"):
        make(("a" * 70 + ".example", 88))


def test_ports_are_named_in_their_order():
    ports = kdc_ports(RealmSettings((("192.0.2.1", 88), ("2001:db8::1", 89)), REALM))
    assert [(port.name, port.peer) for port in ports] == [
        ("kdc0", "192.0.2.1:88"), ("kdc1", "[2001:db8::1]:89"),
    ]  # fmt: skip
