"""One machine under test with all that belongs to it, and what scenarios do with it."""

import json
import os
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refclock.stage.play import Stage
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.world.attack import Attack
from tests.vm import site
from tests.vm.image import Image
from tests.vm.machine import NICE, GuestError, Machine
from tests.vm.record import Figures, Recorder, judge
from tests.vm.world import VmStage

# The profile's cap on the rate of a KDC's clock: 1 %.
CAP_PPM = 10_000
# What the emulator's own scatter may add to the steering: its processor is shared.
TOLERANCE_NS = 10 * NS_PER_MS
SERVERS = 4
NEAR_NS = 3 * NS_PER_MS
_LOOK_S = 0.5
# So many scenarios' rejections, the emulator's late edges among them, stay below what locks in a day.
_ADD_UP = 4

Status = dict[str, Any]


@dataclass
class Bench:
    """``say`` prints a line. ``kept`` is where a failure's evidence goes, ``name`` the receiver in use."""

    machine: Machine
    stage: VmStage
    recorder: Recorder
    kept: Path
    wheel: Path
    name: str = site.NAME
    # Scenarios since the day's rejections were forgotten, by a rearm or otherwise.
    since_anew: int = 0

    @property
    def servers(self) -> list[int]:
        """The servers' ports, on the host."""
        return [server.port for server in self.stage.servers]

    def status(self) -> Status:
        """What the daemon says; {} while nobody answers."""
        text = self.machine.unix(f"/run/refclock/{self.name}.sock")
        try:
            told = json.loads(text)
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}

    def until(self, what: str, holds: Callable[[Status], bool], timeout_s: float = 90) -> Status:
        """The first status of which something holds. Raises GuestError with the last one."""
        end = time.monotonic() + timeout_s
        told: Status = {}
        while time.monotonic() < end:
            self.sound()
            told = self.status()
            if told and holds(told):
                return told
            time.sleep(_LOOK_S)
        keys = (
            "mode",
            "mode_reason",
            "bound_ns",
            "system_off_ns",
            "last_withhold",
            "last_accusation",
            "counters",
        )
        seen = {key: told.get(key) for key in keys} if told else "the daemon does not answer"
        raise GuestError(f"waited {timeout_s:.0f} s for: {what}\n{seen}\n{self.words()}")

    def sound(self) -> None:
        """Raises whatever ended one of the threads that play and record."""
        for error in (self.stage.error, self.recorder.error):
            if error is not None:
                raise error

    def rest(self, seconds: float) -> None:
        """Let it run."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.sound()
            time.sleep(min(left, 1))

    def words(self, unit: str = "", lines: int = 15) -> str:
        """The end of a unit's journal, or of the daemon's."""
        unit = unit or f"refclock@{self.name}.service"
        return self.run(f"journalctl -u {shlex.quote(unit)} -n {lines} -o cat --no-pager", check=False)

    def run(self, command: str, *, check: bool = True, timeout_s: float = 120) -> str:
        """What a command in the guest prints."""
        return self.machine.run(command, check=check, timeout_s=timeout_s).output.strip()

    def wait(self, what: str, command: str, timeout_s: float = 60) -> str:
        """Until a command in the guest succeeds; what it printed."""
        end = time.monotonic() + timeout_s
        while True:
            self.sound()
            done = self.machine.run(command, check=False)
            if done.status == 0:
                return done.output.strip()
            if time.monotonic() > end:
                raise GuestError(f"waited {timeout_s:.0f} s for: {what}\n{done.output}\n{self.words()}")
            time.sleep(_LOOK_S)

    # ---- attacks -----------------------------------------------------------------------------------

    @contextmanager
    def attack(self, text: str) -> Iterator[Attack]:
        """An attacker of the emulated world at work, from a second on that is not planned yet."""
        attack = self.stage.attack(f"{text}@2s")
        try:
            yield attack
        finally:
            self.stage.attacks.remove(attack)
            self.stage.receiver.attacks.remove(attack)

    def fed(self, timeout_s: float = 75) -> Status:
        """Until seconds are fed again."""
        before = int(self.status().get("counters", {}).get("published", 0))

        def feeding(told: Status) -> bool:
            published = int(told["counters"].get("published", 0))
            return told["mode"] in ("vetted", "degraded") and (published > before or before > published > 0)

        return self.until("seconds are fed", feeding, timeout_s)

    def settled(self) -> None:
        """Before an attack: seconds are fed, and the clock is where it should be."""
        self.since_anew += 1
        if self.status().get("mode") == "locked":
            self.rearm("what came before is over")
        elif self.since_anew > _ADD_UP:
            self.begin_anew()
        self.fed()
        self.until(
            "the clock is near the vetted time",
            lambda told: told["mode"] == "vetted" and abs(off_ns(told)) < NEAR_NS,
            120,
        )

    def begin_anew(self) -> None:
        """As a first installation: rejections add up to a lock."""
        self.run(f"systemctl stop {site.UNIT}; rm -rf {site.STATE}/*; systemctl start {site.UNIT}")
        self.enrolled(30)
        self.since_anew = 0

    def enrolled(self, timeout_s: float = 90) -> None:
        """The daemon of the receiver in use has been started anew: enrolled as soon as it answers."""
        self.until("the daemon answers", lambda told: "mode" in told, timeout_s)
        site.enroll(self.machine, self.name)

    def mend(self) -> None:
        """After a failure: everything anew, so that the next scenario has a chance."""
        self.stage.voice, self.stage.pulse_wire, self.name = "receiver", True, site.NAME
        self.run(f"systemctl stop chrony {site.UNIT} refclock-shm; systemctl reset-failed", check=False)
        self.run(f"ipcrm -M 0x4e545044; rm -rf {site.STATE}/*", check=False)
        self.run(f"date -s @{self.stage.truth.now_ns() / NS_PER_S:.3f}; hwclock --systohc --utc", check=False)
        self.run(f"systemctl start chrony {site.UNIT} krb5-kdc", check=False)
        self.enrolled(30)

    def kdc_runs(self) -> None:
        """As it should with when_lost = "alarm"."""
        state = self.run("systemctl is-active krb5-kdc", check=False)
        assert state == "active", f"krb5-kdc is {state}"

    def rearm(self, reason: str = "the scenario is over") -> None:
        """As an operator does."""
        self.since_anew = 0
        config = f"/etc/refclock/{self.name}.toml"
        self.run(f"refclock rearm --yes --reason {shlex.quote(reason)} --config {config}")


def off_ns(told: Status) -> int:
    """How far the guest's clock was off by the last second that was fed; very far where none was."""
    last = told.get("last_publish")
    return int(last["utc"]) - int(last["sys"]) if last else 1 << 62


def check(figures: Figures, *, bounded: bool = True) -> Figures:
    """What must hold throughout: no step back, no rate beyond the profile's, true time within what programs
    were told; and, unless somebody else moved the clock, its error within the published bound."""
    assert figures.readings > 0, "no reading of the guest's clocks"
    assert figures.back_ns == 0, f"the guest's clock went back by {figures.back_ns} ns"
    assert figures.rate_ppm <= CAP_PPM, f"the guest's clock ran at {figures.rate_ppm:.0f} ppm"
    assert figures.outside == 0, f"true time lay outside the published interval {figures.outside} times"
    if bounded:
        assert figures.beyond_ns <= TOLERANCE_NS, f"the clock left the bound by {figures.beyond_ns} ns"
    return figures


def since(bench: Bench, mark: tuple[int, int]) -> Figures:
    """Figures from a mark to now."""
    bench.rest(1)
    return judge(*bench.recorder.since(mark))


@contextmanager
def bench(
    image: Image, directory: Path, wheel: Path, personality: str = "ubx", *, peers: bool = False
) -> Iterator[Bench]:
    """A machine that has booted, with its world. ``peers``: with a second line of the receiver's, and an
    address for each server, for chronyd takes one server of an address."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with ExitStack() as ends:
        with suppress(PermissionError):  # threads that are begun from here on have it, too
            os.setpriority(os.PRIO_PROCESS, 0, NICE)
            ends.callback(os.setpriority, os.PRIO_PROCESS, 0, before)
        stage: Stage = ends.enter_context(VmStage(directory, personality, servers=SERVERS, seed=1))
        assert isinstance(stage, VmStage)
        ports = {"uart": stage.device.resolve()} | ({"beside": stage.beside} if peers else {})
        networks = SERVERS if peers else 1
        machine = ends.enter_context(
            Machine(image, directory, stage.lines.environment(), ports, networks=networks)
        )
        stage.hurry()
        recorder = ends.enter_context(Recorder(machine.clocks, stage.utc_ns))
        yield Bench(machine, stage, recorder, directory, wheel)
