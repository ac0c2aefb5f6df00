"""The shipped configuration in real chronyds (``-x`` all of them: no clock is touched): whom they follow,
and what the doctor says of it.

The servers have NTS under an authority made here; the rogues have none, and are a second ahead. Only the
polls are made faster, for a test's patience."""

import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from refclock import cli
from refclock.chrony.commandline import CommandLine
from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.live import live
from refclock.chrony.printing import whole_configuration
from refclock.chrony.processes import CAP_SYS_TIME, Process
from refclock.chrony.reading import read_file
from refclock.chrony.shipped import Present, complete
from refclock.finding import OK, WARN, Finding
from refclock.policy import PROFILES
from refclock.wire import chronyc
from refclock.wire.chronyconf import parse_text
from tests.integration.chronysite import Site, feed, free_port, sample

pytestmark = pytest.mark.integration

GOOD, ROGUE = ("127.0.0.1", "127.0.0.4", "127.0.0.5"), ("127.0.0.6", "127.0.0.7", "127.0.0.8")
AHEAD_S = 1.0
FAST = "iburst minpoll 0 maxpoll 0"
PATIENCE_S = 90


class Town(Site):
    """Servers, rogues, and a client with the shipped configuration."""

    def prepare(self) -> None:
        """Start those that serve."""
        self.ca, key, cert = self.certify(*GOOD)
        self.clock = self.home / "rclk.sock"
        self.good, self.rogue = [], []
        for address in GOOD:
            port, nts_port = free_port(), free_port()
            self.start(
                f"good-{address}", f"port {port}", f"bindaddress {address}", f"ntsport {nts_port}",
                f"ntsserverkey {key}", f"ntsservercert {cert}", f"ntsdumpdir {self.home}", "local stratum 5",
                "allow 127.0.0.0/8",
            )  # fmt: skip
            self.good.append(f"server {address} port {port} nts ntsport {nts_port} {FAST}")
        for address in ROGUE:
            port, source = free_port(), self.home / f"{address}.sock"
            self.start(
                f"rogue-{address}", f"port {port}", f"bindaddress {address}", "allow 127.0.0.0/8",
                f"refclock SOCK {source} refid BAD poll 0 dpoll -2 filter 2",
            )  # fmt: skip
            self.rogue.append((f"server {address} port {port} {FAST}", source))

    def client(self, profile: str = "kdc", edit: Callable[[str], str] = str, *more: str) -> None:
        """A chronyd with the shipped configuration, the good servers and further lines."""
        present = Present(
            ways=(str(self.clock),),
            sources=parse_text("\n".join(self.good)),
            kept=parse_text(f"ntstrustedcerts {self.ca}\nport 0"),
        )
        text = edit(complete(profile, present).replace("poll 4 filter 16", "poll 0 dpoll -2 filter 2"))
        # The client's own drift file: it keeps the measured one.
        text = re.sub(r"^driftfile .*$", f"driftfile {self.home}/drift", text, flags=re.M)
        self.command = self.start("client", text, *more)
        self.conf = replace(read_file(str(self.home / "client/conf")), command=CommandLine())

    def states(self) -> dict[str, str]:
        """Each source's state."""
        told = self.asked("sources")
        return {one.name: one.state for one in chronyc.parse_sources(told)}

    def asked(self, *words: str) -> str:
        done = subprocess.run(
            [self.chronyc, "-h", str(self.command), "-c", "-n", "-m", *words],
            capture_output=True, text=True, check=True, timeout=20,
        )  # fmt: skip
        return done.stdout

    def rows(self, conf: Effective | None = None) -> dict[str, Finding]:
        """What the doctor says of the client."""
        running = [Process(1, "chronyd", ("chronyd",), 0, 1 << CAP_SYS_TIME, started_s=1 << 40)]
        wanted = Wanted("kdc", sockets=(str(self.clock),))
        asking = [self.chronyc, "-h", str(self.command)]
        return {one.what: one for one in live(asking, wanted, conf or self.conf, running, True)}

    @contextmanager
    def fed(self, path: Path, offset_s: float) -> Iterator[None]:
        """Feed a reference clock meanwhile."""
        ended = threading.Event()

        def run() -> None:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
                while not ended.wait(0.25):
                    sock.sendto(sample(offset_s), str(path))

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def until(self, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
        """Wait until the sources' states are such."""
        end = time.monotonic() + PATIENCE_S
        while True:
            states = self.states()
            if holds(states):
                return states
            assert time.monotonic() < end, states
            time.sleep(0.5)

    def rogues(self) -> list[str]:
        """The lines that name them; each is a second ahead from now on."""
        for _, source in self.rogue:
            feed(source, AHEAD_S, 3)
            self.ends.enter_context(self.fed(source, AHEAD_S))
        return [line for line, _ in self.rogue]


@pytest.fixture
def town(require_program) -> Iterator[Town]:
    made = Town(require_program)
    with made.ends:
        made.prepare()
        yield made


def followed(states: dict[str, str]) -> bool:
    return states.get("RCLK") in ("*", "+") and sum(states.get(one) in ("*", "+", "-") for one in GOOD) >= 2


@pytest.mark.parametrize("profile", PROFILES)
def test_the_shipped_configuration_follows_the_refclock_and_nobody_who_is_not_authenticated(town, profile):
    rogues = town.rogues()
    town.client(profile, str, *rogues)
    with town.fed(town.clock, 0.0):
        states = town.until(followed)
        # They answer by now, too, all three alike, and are no candidates.
        assert [states[one] for one in ROGUE] == ["?", "?", "?"]
        tracking = chronyc.parse_tracking(town.asked("tracking"))
        assert tracking is not None
        assert abs(tracking.slow_ns) < 100_000_000
        rows = town.rows()
    assert {name: row.verdict for name, row in rows.items()} == {
        "chronyd": OK, "tracking": OK, "refclock heard": OK, "live sources": OK,
    }  # fmt: skip


def test_without_the_rule_three_that_are_not_authenticated_win(town):
    """What authselectmode is asked for: NTS servers gone, three strangers outvote the refclock."""
    rogues = town.rogues()

    def edit(text: str) -> str:
        kept = [line for line in text.splitlines() if not line.startswith(("authselectmode", "server"))]
        return "\n".join([*kept, *rogues])

    town.client("kdc", edit)
    with town.fed(town.clock, 0.0):
        town.until(lambda states: states["RCLK"] == "x" and "*" in [states[one] for one in ROGUE])
        rows = town.rows()
    assert "outvote it" in rows["refclock heard"].found
    assert "not authenticated, and chrony may follow them" in rows["live sources"].found


def test_trust_on_the_refclock_alone_and_minsources_lock_up(town):
    rogues = town.rogues()

    def edit(text: str) -> str:
        kept = [line for line in text.splitlines() if not line.startswith(("authselectmode", "server"))]
        return "\n".join([*(line + " trust" * line.startswith("refclock") for line in kept), *rogues])

    town.client("kdc", edit)
    with town.fed(town.clock, 0.0):
        town.until(lambda states: [states[one] for one in ROGUE] == ["x", "x", "x"])
        time.sleep(5)
        # Nobody is selected, the refclock that is trusted no more than the others.
        assert not {"*", "+"} & set(town.states().values())


def test_a_refclock_that_fell_silent_is_told_and_let_go(town):
    """The servers' short memory makes chrony go over to them."""
    town.client()
    with town.fed(town.clock, 0.0):
        town.until(followed)
    town.until(lambda _: town.rows()["refclock heard"].verdict == WARN)
    states = town.until(lambda states: states["RCLK"] not in ("*", "+"))
    assert "*" in [states[one] for one in GOOD]
    assert town.rows()["tracking"].verdict == OK


def test_a_server_that_was_added_by_hand_is_told(town):
    town.client()
    line = town.rogue[0][0].split()
    assert town.asked("add " + " ".join(line[:4])) is not None
    town.until(lambda states: ROGUE[0] in states)
    assert town.rows()["live sources"].found == f"{ROGUE[0]} was added while chronyd runs"


def test_over_udp_nobody_says_who_is_authenticated(town):
    own = free_port()
    town.start("open", "port 0", f"cmdport {own}", "bindcmdaddress 127.0.0.1", town.good[0],
               f"ntstrustedcerts {town.ca}")  # fmt: skip
    over_udp = [town.chronyc, "-h", "127.0.0.1", "-p", str(own)]
    conf = Effective("x", parse_text(town.good[0]))
    rows = {one.what: one for one in live(over_udp, Wanted("kdc"), conf, [], True)}
    assert not rows["live sources"].known
    assert "told to root alone" in rows["live sources"].found


def test_the_verb_on_this_host_says_what_it_finds_and_ends_accordingly(capsys):
    """Whatever host this is: its own configuration, read only."""
    status = cli.main(["doctor", "--profile", "kdc", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert status == (0 if document["holds"] else 1)
    assert document["refclock_doctor"] == 1
    rows = {one["row"] for one in document["findings"]}
    assert {"profile", "makestep", "rate", "CAP_SYS_TIME", "kernel's rate", "jobs", "chronyd"} <= rows
    assert all(one["mend"] for one in document["findings"] if one["verdict"] != "ok")
    text = whole_configuration(Wanted("kdc"), None)
    assert "maxslewrate 5000" in text
