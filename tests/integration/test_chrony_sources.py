"""chrony's own sources from real chronyds (``-x`` all of them: no clock is touched), on loopback.

One serves with a symmetric key, one with NTS under a certificate authority made here, one without either;
the fourth asks all three and is asked by the port.
"""

import json
import os
import pwd
import select
import shutil
import socket
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from refclock.core.bridge import Bridge
from refclock.jsonform import event_line, parse_event
from refclock.model import PortChange, SourceReport
from refclock.policy import ChronySettings, parse_policy
from refclock.ports import stamp
from refclock.ports.chronysources import ChronySourcesPort
from refclock.units import NS_PER_MS, NS_PER_S

pytestmark = pytest.mark.integration

KEY = "1 SHA256 HEX:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
AHEAD_S = 0.25
SOCK_MAGIC = 0x534F434B


class Site:
    """A directory with the programs, keys and certificates, and the daemons that were started in it."""

    def __init__(self, require: Any) -> None:
        self.chronyd, self.chronyc, self.openssl = (
            require(name) for name in ("chronyd", "chronyc", "openssl")
        )
        # Short, for the path of a Unix socket ends at 107 bytes.
        self.home = Path(tempfile.mkdtemp(prefix="cs-"))
        self.keys = self.home / "keys"
        self.keys.touch(0o600)
        self.keys.write_text(KEY)
        self.ends = ExitStack()
        self.ends.callback(shutil.rmtree, self.home, ignore_errors=True)

    def start(self, name: str, *lines: str) -> Path:
        """A chronyd that cannot steer; the path of its command socket."""
        place = self.home / name
        (place / "run").mkdir(mode=0o700, parents=True)
        place.chmod(0o700)
        command = place / "run" / "s.sock"
        own = [
            "cmdport 0",
            f"bindcmdaddress {command}",
            f"pidfile {place}/pid",
            f"user {pwd.getpwuid(os.geteuid()).pw_name}",
            f"keyfile {self.keys}",
        ]
        (place / "conf").write_text("\n".join([*own, *lines, ""]))
        words = [self.chronyd, "-x", "-d", "-f", str(place / "conf")]
        if os.geteuid() != 0:
            words.insert(1, "-U")
        with (place / "log").open("wb") as log:
            child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.ends.callback(stop, child)
        end = time.monotonic() + 10
        while not command.exists():
            assert child.poll() is None, (place / "log").read_text()
            assert time.monotonic() < end, (place / "log").read_text()
            time.sleep(0.02)
        return command

    def certify(self) -> tuple[Path, Path, Path]:
        """An authority's certificate, and a key and a certificate for 127.0.0.1."""
        ca, ca_key, key, cert = (self.home / name for name in ("ca.pem", "ca.key", "key.pem", "cert.pem"))
        extension, request = self.home / "extension", self.home / "request"
        extension.write_text("subjectAltName=IP:127.0.0.1\n")
        signed = f"-CA {ca} -CAkey {ca_key} -CAcreateserial"
        for words in (
            f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ours -keyout {ca_key} -out {ca}",
            f"req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout {key} -out {request}",
            f"x509 -req -in {request} -days 2 -extfile {extension} -out {cert} {signed}",
        ):
            subprocess.run([self.openssl, *words.split()], check=True, capture_output=True, timeout=60)
        key.chmod(0o600)
        return ca, key, cert

    def asking(self, command: Path) -> str:
        """A chronyc that asks that daemon."""
        path = self.home / f"chronyc-{command.parent.parent.name}"
        path.write_text(f'#!/bin/sh\nexec {self.chronyc} -h {command} "$@"\n')
        path.chmod(0o755)
        return str(path)


def stop(child: "subprocess.Popen[bytes]") -> None:
    child.terminate()
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@pytest.fixture
def site(require_program: Any) -> Iterator[Site]:
    made = Site(require_program)
    with made.ends:
        yield made


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


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


def _feed(path: Path, seconds: float) -> None:
    """A reference clock that is ahead: it makes the server serve a time that is."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            at_us = time.time_ns() // 1000
            sample = struct.pack("@qqdiiii", at_us // 10**6, at_us % 10**6, AHEAD_S, 0, 0, 0, SOCK_MAGIC)
            sock.sendto(sample, str(path))
            time.sleep(0.25)


@pytest.mark.parametrize("option", ["", "noselect"])
def test_the_offset_is_that_of_the_source_whatever_chrony_does_with_it(site, option):
    """With ``noselect`` it is in ``sources``; followed, it is in what chrony still has to correct."""
    number, sock = free_port(), site.home / "ahead.sock"
    site.start(
        "ahead", f"port {number}", "bindaddress 127.0.0.1", "allow 127.0.0.1",
        f"refclock SOCK {sock} refid TST poll 0 dpoll -2 filter 2",
    )  # fmt: skip
    _feed(sock, 10)
    command = site.start(
        "client", "port 0", f"server 127.0.0.1 port {number} key 1 iburst minpoll 0 maxpoll 1 {option}"
    )
    _feed(sock, 5)
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
