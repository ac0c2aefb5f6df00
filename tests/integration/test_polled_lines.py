"""Receivers that are asked, over a real pty and the daemon's own serial port, in both directions."""

import select
import time
from typing import Any

import pytest

from refclock.core.bridge import Bridge
from refclock.model import Event, Request, SerialBytes, SerialSent, Tick
from refclock.policy import Policy, parse_policy
from refclock.ports import stamp
from refclock.ports.pps import open_pps
from refclock.ports.serialport import SerialPort
from refclock.stage.play import Stage
from refclock.units import NS_PER_S
from refclock.wire.families import FAMILIES, dialogue_of
from refclock.wire.report import Health, Label
from refclock.wire.scanner import Scanner

BUILD_S = 1_700_000_000
LONGEST_S = 12


class Daemon:
    """The ports of one receiver and the core, in a loop as plain as can be."""

    def __init__(self, stage: Stage, family: str, further: str = "") -> None:
        row = FAMILIES[family]
        text = f"""
[receiver]
device = "{stage.device}"
protocol = "{family}"
baud = {row.baud}
{further}
[pps]
device = "emulated:{stage.pps_path}"
"""
        self.policy: Policy = parse_policy(text)
        self.bridge = Bridge(self.policy, BUILD_S)
        assert self.policy.pps is not None
        self.serial = SerialPort(self.policy.receiver, "gps0")
        self.pulse = open_pps(self.policy.pps, "pps0")
        self.events: list[Event] = []
        self.asked: list[bytes] = []
        self.scanner = Scanner(family)
        self.reports: list[Any] = []

    def handle(self, events: list[Event]) -> None:
        """Events into the core, and what it asks out again."""
        for event in events:
            self.events.append(event)
            if isinstance(event, SerialBytes):
                self.reports += self.scanner.feed(event.data)
            for decision in self.bridge.step(event):
                if isinstance(decision, Request):
                    self.asked.append(decision.data)
                    self.handle(self.serial.perform(decision.data))

    def run(self, until: Any) -> None:
        """Turn until something is so; fails after a while."""
        for port in (self.serial, self.pulse):
            self.handle(port.open())
        end = time.monotonic() + LONGEST_S
        while not until(self):
            assert time.monotonic() < end, (self.asked, self.reports[-5:])
            wake = self.bridge.wake_at()
            wait_s = 0.05 if wake is None else min(0.05, max(0, (wake - stamp.raw()) / NS_PER_S))
            fds = {port.fd: port for port in (self.pulse, self.serial) if port.fd is not None}
            for fd in select.select(list(fds), [], [], wait_s)[0]:
                self.handle(fds[fd].on_ready())
            self.handle([Tick(*stamp.now())])

    def close(self) -> None:
        """Let go of the line."""
        self.serial.close()
        self.pulse.close()


@pytest.fixture
def staged(tmp_path):
    """A stage and its daemon for a family."""
    made: list[Daemon] = []

    def make(family: str) -> tuple[Stage, Daemon]:
        stage = Stage(tmp_path, family, servers=0)
        stage.__enter__()
        made.append(Daemon(stage, family))
        stages.append(stage)
        return stage, made[-1]

    stages: list[Stage] = []
    yield make
    for daemon in made:
        daemon.close()
    for stage in stages:
        stage.__exit__(None, None, None)
        assert stage.error is None


def harmless(daemon: Daemon, family: str) -> None:
    """Nothing left but what the family's list holds, and every byte of it reached the line."""
    dialogue = dialogue_of(family)
    assert dialogue is not None
    allowed = {prefix + sent for sent in dialogue.sent() for prefix in (b"", dialogue.resync)}
    assert daemon.asked
    assert set(daemon.asked) <= allowed
    assert [one.data for one in daemon.events if isinstance(one, SerialSent)] == daemon.asked


@pytest.mark.parametrize("family", ["5071a", "csac", "sa5x", "prs10"])
def test_a_standard_tells_how_it_is(staged, family):
    stage, daemon = staged(family)
    daemon.run(lambda self: self.bridge.health.locked(stamp.raw()))
    harmless(daemon, family)
    voice = stage.receiver._voice
    assert getattr(voice, "resynchronised", 0) == 0
    assert not [one for one in daemon.reports if isinstance(one, Label)]


def test_an_hp_names_each_coming_pulse(staged):
    stage, daemon = staged("hp")
    heard = stage.receiver._voice.heard

    def named(self: Daemon) -> bool:
        codes = [one for one in self.reports if isinstance(one, Label) and one.timescale == "utc"]
        return len(codes) >= 3

    # The zone is believed when told twice: to make it short somebody else asks it the second time.
    daemon.run(lambda self: b":PTIME:TZONE?" in heard)
    daemon.handle(daemon.serial.perform(b":PTIME:TZONE?\r"))
    asked = len(daemon.asked)
    daemon.serial.close()
    daemon.pulse.close()
    daemon.run(named)
    harmless_after = daemon.asked[asked:]
    assert all(one.strip().startswith(b":") and one.strip().endswith(b"?") for one in harmless_after)
    last = [one for one in daemon.reports if isinstance(one, Label)][-1]
    assert abs(last.utc_s * NS_PER_S - stage.truth.now_ns()) < 2 * NS_PER_S
    assert last.label_edge == "next"


def test_a_jackson_labs_speaks_and_answers_on_one_line(staged):
    _, daemon = staged("jackson-labs")

    def both(self: Daemon) -> bool:
        told = {one.message for one in self.reports if isinstance(one, Health) and one.protocol != "nmea"}
        return told == {"HEALTH"} and any(isinstance(one, Label) for one in self.reports)

    daemon.run(both)
    harmless(daemon, "jackson-labs")
    # Its health has bytes 0x53 and was asked only of one who had named himself.
    first = next(index for index, one in enumerate(daemon.asked) if b"S" in one)
    assert any(b"*IDN?" in one for one in daemon.asked[:first])


def test_a_csac_behind_the_wrong_family_is_left_unharmed(tmp_path):
    """The operator wrote prs10; the line leads to a CSAC. Whatever is asked, no byte 0x53 reaches it."""
    stage = Stage(tmp_path, "csac", servers=0)
    with stage:
        for family in ("prs10", "jackson-labs", "5071a"):
            daemon = Daemon(stage, family)
            end = time.monotonic() + 2.5
            try:
                daemon.run(lambda _, end=end: time.monotonic() > end)
            finally:
                daemon.close()
            assert daemon.asked
        assert vars(stage.receiver._voice)["resynchronised"] == 0
        assert stage.error is None


def test_a_line_that_comes_back_must_prove_itself_again(staged):
    stage, daemon = staged("prs10")
    daemon.run(lambda self: any(b"ST?" in one for one in self.asked))
    stage.unplug()
    daemon.handle(daemon.serial.on_ready())
    assert daemon.bridge.poller is not None
    assert not daemon.bridge.poller.proven


@pytest.mark.parametrize("protocol", ["27.31", "18.00"])
def test_a_u_blox_is_configured_in_ram_and_read_back(tmp_path, protocol):
    with Stage(tmp_path, "ubx", servers=0) as stage:
        settings = vars(stage.receiver._voice)["settings"]
        settings.protocol = protocol
        daemon = Daemon(stage, "ubx", "configure = true")
        assert daemon.bridge.configurer is not None
        try:
            daemon.run(lambda self: self.bridge.configurer.state == "configured")
        finally:
            daemon.close()
        assert len(settings.items) + len(settings.rates) >= 3
        assert settings.stored == 0
        assert stage.error is None
