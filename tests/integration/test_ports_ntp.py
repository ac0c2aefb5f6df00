"""The NTP client against servers on loopback that are silent, lie, flood or are not there."""

import socket
from contextlib import closing

import pytest

from refclock.errors import PortError
from refclock.model import NtpReply
from refclock.policy import NtpSettings
from refclock.ports import stamp
from refclock.ports.ntp import NtpPort, describe, ntp_ports
from refclock.units import NS_PER_MS, NS_PER_S
from tests.integration.loopback import Listener, ask, collect, making


class Server(Listener):
    def answer(self, origin, stratum=2, sender=None):
        head = bytes([0x24, stratum, 6, 0xE9]) + bytes(8) + b"\x7f\x00\x00\x01" + bytes(8)
        data = head + origin + b"R" * 8 + b"T" * 8
        (sender or self.socket).sendto(data, self.client)
        return data


@pytest.fixture
def server():
    with closing(Server()) as made:
        yield made


@pytest.fixture
def make():
    yield from making(
        lambda address, poll_s=16, timeout_ms=200: NtpPort(
            NtpSettings((address,), poll_s, timeout_ms), address, "ntp0"
        )
    )


def test_an_answer_is_passed_on_with_its_stamps(server, make):
    port = make(server.address)
    (up,) = port.open()
    assert up.up
    assert up.reason == f"asking 127.0.0.1:{server.address[1]}"
    assert ask(port) == []
    request = server.question()
    data = server.answer(request[40:48])
    (reply,) = collect(port)
    assert isinstance(reply, NtpReply)
    assert (reply.port, reply.peer, reply.data) == ("ntp0", f"127.0.0.1:{server.address[1]}", data)
    assert reply.cookie == request[40:48].hex()
    assert reply.t1_raw_ns < reply.t4_raw_ns == reply.raw_ns <= stamp.raw()
    assert reply.t4_raw_ns - reply.t1_raw_ns < NS_PER_S
    assert port.fd is None


def test_the_request_says_nothing_about_us(server, make):
    port = make(server.address)
    port.open()
    ask(port)
    request = server.question()
    assert request[:40] == bytes([0x23]) + bytes(39)
    assert len(request) == 48


def test_every_query_has_a_fresh_port_and_a_fresh_cookie(server, make):
    port = make(server.address)
    port.open()
    cookies = set()
    for _ in range(4):
        ask(port)
        request = server.question()
        cookies.add(request[40:48])
        server.answer(request[40:48])
        assert len(collect(port)) == 1
    assert len(cookies) == 4
    assert len(set(server.clients)) > 1


def test_silence_is_a_loss_at_the_time_out(server, make):
    port = make(server.address, timeout_ms=30)
    port.open()
    ask(port)
    (lost,) = collect(port)
    assert lost.data is None
    assert lost.t4_raw_ns - lost.t1_raw_ns >= 30 * NS_PER_MS
    assert port.fd is None


def test_nobody_listening_is_a_loss_at_once(server, make):
    port = make(server.address, timeout_ms=2000)
    server.socket.close()
    port.open()
    ask(port)
    (lost,) = collect(port)
    assert lost.data is None
    assert lost.t4_raw_ns - lost.t1_raw_ns < NS_PER_S


def test_a_forged_origin_does_not_end_the_wait(server, make):
    port = make(server.address)
    port.open()
    ask(port)
    request = server.question()
    server.answer(b"FORGED!!")
    server.answer(bytes(8))
    server.send(b"short")
    true = server.answer(request[40:48])
    replies = collect(port)
    assert len(replies) == 4
    assert replies[-1].data == true
    assert [reply.data[24:32] for reply in replies[:2]] == [b"FORGED!!", bytes(8)]


def test_a_heap_of_forged_ones_cannot_crowd_out_the_answer(server, make):
    port = make(server.address)
    port.open()
    ask(port)
    request = server.question()
    for number in range(20):
        server.answer(number.to_bytes(8))
    true = server.answer(request[40:48])
    server.answer(request[40:48])
    replies = collect(port)
    assert len(replies) == 4
    assert replies[-1].data == true


def test_a_flood_ends_the_query(server, make):
    port = make(server.address, timeout_ms=5000)
    port.open()
    ask(port)
    server.question()
    for _ in range(70):
        server.answer(b"FORGED!!")
    replies = collect(port)
    assert [reply.data is None for reply in replies] == [False, False, False, True]


def test_an_answer_from_another_port_never_arrives(server, make):
    port = make(server.address, timeout_ms=30)
    port.open()
    ask(port)
    request = server.question()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as elsewhere:
        elsewhere.bind(("127.0.0.1", 0))
        server.answer(request[40:48], sender=elsewhere)
    (lost,) = collect(port)
    assert lost.data is None


def test_an_answer_after_the_time_out_is_gone(server, make):
    port = make(server.address, timeout_ms=20)
    port.open()
    ask(port)
    request = server.question()
    collect(port)
    server.answer(request[40:48])
    assert port.on_ready() == []
    ask(port)
    (lost,) = collect(port)
    assert lost.data is None, "it belonged to the port of the query before"


def test_spurious_readiness(server, make):
    port = make(server.address)
    port.open()
    assert port.on_ready() == []
    ask(port)
    assert port.on_ready() == []
    assert port.fd is not None


def intervals(port, server, count, stratum=2):
    """The waiting times that follow each of so many answers, in seconds."""
    waits = []
    for _ in range(count):
        ask(port)
        request = server.question()
        server.answer(request[40:48], stratum)
        (reply,) = collect(port)
        waits.append((port.wake_at() - reply.t1_raw_ns) / NS_PER_S)
    return waits


def test_a_burst_then_the_interval(server, make):
    port = make(server.address, poll_s=64)
    port.open()
    waits = intervals(port, server, 6)
    assert all(1.8 <= wait <= 2.2 for wait in waits[:3])
    assert all(60 <= wait <= 68 for wait in waits[3:])
    assert len(set(waits)) == 6, "jittered"


def test_a_silent_server_is_asked_less_often_but_more_than_later(server, make):
    """At boot the network may come after us, and services wait for the quorum."""
    port = make(server.address, poll_s=64, timeout_ms=10)
    port.open()
    waits = []
    for _ in range(6):
        ask(port)
        (lost,) = collect(port)
        waits.append(round((port.wake_at() - lost.t1_raw_ns) / NS_PER_S))
    assert waits == [2, 2, 2, 8, 8, 8]


def test_a_kiss_of_death_slows_down_and_answers_speed_up_again(server, make):
    port = make(server.address, poll_s=64)
    port.open()
    slower = [round(wait / 64) for wait in intervals(port, server, 7, stratum=0)]
    assert slower[:4] == [pytest.approx(factor, rel=0.1) for factor in (2, 4, 8, 16)]
    assert max(slower) <= 17
    faster = intervals(port, server, 5)
    assert 60 <= faster[-1] <= 68


def test_a_forged_kiss_slows_nothing_down(server, make):
    port = make(server.address, poll_s=64)
    port.open()
    ask(port)
    request = server.question()
    server.answer(b"FORGED!!", stratum=0)
    server.answer(request[40:48])
    replies = collect(port)
    assert port.wake_at() - replies[-1].t1_raw_ns < 3 * NS_PER_S


def test_ipv6(make):
    try:
        server = Server(socket.AF_INET6, "::1")
    except OSError:
        pytest.skip("this host has no IPv6 loopback")
    port = make(server.address)
    port.open()
    ask(port)
    server.answer(server.question()[40:48])
    (reply,) = collect(port)
    assert reply.peer == f"[::1]:{server.address[1]}"
    server.socket.close()


def test_a_name_that_does_not_resolve(make, monkeypatch):
    """The resolver is replaced: the test must not ask anybody."""
    asked = []

    def resolve(host, port, *, flags=0, **_kind):
        asked.append((host, flags))
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("refclock.ports.query.socket.getaddrinfo", resolve)
    port = make(("time.example", 123))
    with pytest.raises(PortError, match=r"time\.example:123: the name does not resolve.*ntp\.servers"):
        port.open()
    assert asked == [(b"time.example", socket.AI_NUMERICHOST), ("time.example", 0)]
    assert port.on_timer(port.wake_at()) == [], "told once"


def test_a_name_that_can_be_none(make):
    port = make(("a" * 70 + ".example", 123))
    with pytest.raises(PortError, match="not a host name"):
        port.open()


def test_a_resolver_that_fails_later_takes_the_port_down(server, make, monkeypatch):
    port = make(server.address, timeout_ms=10)
    port.open()
    for _ in range(8):
        ask(port)
        collect(port)

    def refuse(*_args, **_kind):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr("refclock.ports.query.socket.getaddrinfo", refuse)
    (down,) = ask(port)
    assert not down.up
    assert "Temporary failure" in down.reason
    monkeypatch.undo()
    (up,) = port.on_timer(port.wake_at())
    assert up.up


def test_after_eight_losses_the_next_of_its_addresses_is_asked(server, make, monkeypatch):
    dead = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dead.bind(("127.0.0.1", 0))
    nobody = dead.getsockname()
    dead.close()
    kind = (socket.AF_INET, socket.SOCK_DGRAM, 17, "")
    found = [(*kind, nobody), (*kind, server.address)]
    monkeypatch.setattr("refclock.ports.query.socket.getaddrinfo", lambda *_args, **_kind: found)
    port = make(("time.example", 123))
    port.open()
    for _ in range(8):
        events = ask(port) or collect(port)
        assert [event.data for event in events] == [None]
    ask(port)
    server.answer(server.question()[40:48])
    (reply,) = collect(port)
    assert reply.data is not None
    assert reply.peer == "time.example:123"


def test_a_network_that_is_unreachable_is_a_loss(make, monkeypatch):
    def refuse(*_args):
        raise OSError(101, "Network is unreachable")

    port = make(("192.0.2.1", 123))
    port.open()
    monkeypatch.setattr("refclock.ports.query.socket.socket", refuse)
    (lost,) = ask(port)
    assert lost.data is None
    assert port.fd is None


def test_ports_are_named_in_the_servers_order():
    ports = ntp_ports(NtpSettings((("192.0.2.1", 123), ("2001:db8::1", 124))))
    assert [(port.name, port.peer) for port in ports] == [
        ("ntp0", "192.0.2.1:123"), ("ntp1", "[2001:db8::1]:124"),
    ]  # fmt: skip


def test_description_for_people():
    head = bytes([0b11_100_100, 1, 6, 0xEC]) + bytes(8)
    words = describe(head + b"GPS\0" + bytes(32))
    assert words == {
        "version": 4, "mode": "server", "leap": "unknown (clock unsynchronized)", "stratum": 1,
        "stratum_text": "primary reference (1)", "reference": "Global Position System",
    }  # fmt: skip
    assert (
        describe(bytes([0x24, 2]) + bytes(10) + bytes([192, 0, 2, 9]) + bytes(32))["reference"] == "192.0.2.9"
    )
    assert describe(b"short") == {}
    assert describe(bytes([0x24, 200]) + bytes(46)) == {}
