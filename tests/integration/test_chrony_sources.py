"""chrony's own sources from real chronyds (``-x`` all of them: no clock is touched), on loopback.

One serves with a symmetric key, one with NTS under a certificate authority made here, one without either;
the fourth asks all three and is asked by the port.
"""

import json
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from refclock.core.bridge import Bridge
from refclock.jsonform import event_line, parse_event
from refclock.model import PortChange, SourceReport
from refclock.policy import ChronySettings, parse_policy
from refclock.ports import stamp
from refclock.ports.chronysources import ChronySourcesPort
from refclock.units import NS_PER_MS, NS_PER_S
from tests.integration.chronysite import Site, feed, free_port

pytestmark = pytest.mark.integration

AHEAD_S = 0.25


@pytest.fixture
def site(require_program: Any) -> Iterator[Site]:
    made = Site(require_program)
    with made.ends:
        yield made


def ask(port: ChronySourcesPort, longest: float = 8.0) -> list[Any]:
    """One round, as the loop does it."""
    port.open()
    events: list[Any] = []
    end = time.monotonic() + longest
    while not events and time.monotonic() < end:
        select.select([] if port.fd is None else [port.fd], [], [], 0.01)
        events = [*port.on_ready(), *port.on_timer(stamp.raw())]
    port.close()
    return events


def until(settings: ChronySettings, count: int, longest: float = 40.0) -> list[SourceReport]:
    """Ask until so many sources answer."""
    end = time.monotonic() + longest
    while True:
        events = ask(ChronySourcesPort(settings, "chrony0"))
        found = [one for one in events if isinstance(one, SourceReport)]
        if len(found) >= count:
            return found
        assert time.monotonic() < end, events
        time.sleep(0.5)


@contextmanager
def three_servers(site: Site) -> Iterator[tuple[list[str], dict[str, str]]]:
    """Lines of a client's configuration, and the address of each server by how it vouches."""
    ports = [free_port() for _ in range(3)]
    served = "local stratum 5", "allow 127.0.0.0/8"
    ca, key, cert = site.certify()
    nts_port = free_port()
    site.start("sk", f"port {ports[0]}", "bindaddress 127.0.0.2", *served)
    site.start(
        "nts", f"port {ports[1]}", "bindaddress 127.0.0.1", f"ntsport {nts_port}", f"ntsserverkey {key}",
        f"ntsservercert {cert}", f"ntsdumpdir {site.home}/nts", *served,
    )  # fmt: skip
    site.start("plain", f"port {ports[2]}", "bindaddress 127.0.0.3", *served)
    fast = "iburst minpoll 0 maxpoll 1"
    lines = [
        "port 0",
        f"ntstrustedcerts {ca}",
        f"server 127.0.0.2 port {ports[0]} key 1 {fast}",
        f"server 127.0.0.1 port {ports[1]} nts ntsport {nts_port} {fast}",
        f"server 127.0.0.3 port {ports[2]} {fast}",
        f"refclock SOCK {site.home}/rclk.sock refid RCLK",
    ]
    yield lines, {"SK": "127.0.0.2", "NTS": "127.0.0.1", "": "127.0.0.3"}


@pytest.mark.parametrize("mode", ["", "require"])
def test_nts_and_symmetric_keys_are_taken_and_nothing_else(site, mode):
    with three_servers(site) as (lines, address):
        command = site.start("client", *lines, *(["authselectmode require"] if mode else []))
        found = until(ChronySettings(site.asking(command), mode), 2)
        time.sleep(2)  # the one without authentication answers as well by now
        found = until(ChronySettings(site.asking(command), mode), 2)
    assert {one.peer for one in found} == {address["SK"], address["NTS"]}
    for one in found:
        assert one.auth
        assert one.reach
        assert abs(one.offset_ns) <= one.error_ns < 100 * NS_PER_MS
        assert one.age_s <= 4
        assert parse_event({**_fields(one)}) == one


def _fields(event: SourceReport) -> dict[str, object]:
    return dict(json.loads(event_line(event)))


@pytest.mark.parametrize("option", ["", "noselect"])
def test_the_offset_is_that_of_the_source_whatever_chrony_does_with_it(site, option):
    """With ``noselect`` it is in ``sources``; followed, it is in what chrony still has to correct."""
    number, sock = free_port(), site.home / "ahead.sock"
    site.start(
        "ahead", f"port {number}", "bindaddress 127.0.0.1", "allow 127.0.0.1",
        f"refclock SOCK {sock} refid TST poll 0 dpoll -2 filter 2",
    )  # fmt: skip
    feed(sock, AHEAD_S, 10)
    command = site.start(
        "client", "port 0", f"server 127.0.0.1 port {number} key 1 iburst minpoll 0 maxpoll 1 {option}"
    )
    feed(sock, AHEAD_S, 5)
    (one,) = until(ChronySettings(site.asking(command)), 1)
    assert abs(one.offset_ns - AHEAD_S * NS_PER_S) <= one.error_ns + 2 * NS_PER_MS
    bridge = Bridge(parse_policy(""), 0)
    assert bridge.step(one) == []
    chrony = bridge.vetting.witnesses.further.chrony
    said = chrony.at(one.raw_ns, bridge.vetting.witnesses.rate)
    assert said is not None
    assert said.holds(one.real_ns + int(AHEAD_S * NS_PER_S))


def test_no_daemon_is_a_line_for_people(site):
    port = ChronySourcesPort(ChronySettings(site.asking(site.home / "x" / "run" / "none.sock")), "chrony0")
    (down,) = ask(port)
    assert isinstance(down, PortChange)
    assert "see whether chronyd runs" in down.reason


def test_who_may_not_ask_for_authentication_is_told_what_to_do(site):
    number, own = free_port(), free_port()
    place = site.home / "udp"
    place.mkdir()
    site.start("server", f"port {number}", "bindaddress 127.0.0.1", "local", "allow 127.0.0.1")
    site.start(
        "client", "port 0", f"server 127.0.0.1 port {number} key 1 iburst minpoll 0",
        f"cmdport {own}", "bindcmdaddress 127.0.0.1",
    )  # fmt: skip
    command = place / "chronyc"
    command.write_text(f'#!/bin/sh\nexec {site.chronyc} -h 127.0.0.1 -p {own} "$@"\n')
    command.chmod(0o755)
    (down,) = ask(ChronySourcesPort(ChronySettings(str(command)), "chrony0"))
    assert "authselectmode require" in down.reason
    (one,) = until(ChronySettings(str(command), "require"), 1)
    assert one.peer == "127.0.0.1"
