"""The whole daemon on the emulated world, before a real ``chronyd -x``: what reaches chrony, what never does,
and what the daemon survives. All houses are started at once, so that they dwell together."""

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import sysv_ipc

from refclock.cli.status import ask
from refclock.errors import PortError
from refclock.runtime import StateFile
from refclock.sinks.segment import facts_of, find
from refclock.stage.chronyd import ChronydX, Heard
from refclock.stage.daemon import CAPTURE, CONFIG, DECISIONS, STATE, Daemon, verify_replay
from refclock.stage.play import Stage
from refclock.stage.site import claim_unit, enrolment, policy_text, remove_segment
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, nearest_second
from refclock.wire import shm

pytestmark = pytest.mark.integration

OFFSET_NS = 3 * NS_PER_MS
# The emulated pulse is stamped by reckoning, so what is left is how well two clocks are read together: 0.1 to
# 1 us on an idle machine. The rest is for a busy one.
TOLERANCE_NS = 100 * NS_PER_US
LIFE_S = 240


class House:
    """A stage, an SHM unit and the daemon between them."""

    def __init__(self, personality: str, servers: int = 3, more_limits: str = "") -> None:
        # Short, for a Unix socket's path ends at 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="house-"))
        self.unit = claim_unit()
        self.stage = Stage(self.directory, personality, offset_ns=OFFSET_NS, servers=servers)
        text = policy_text(
            self.stage, self.directory, profile="kdc", personality=personality, unit=self.unit, dwell_s=5
        )
        (self.directory / CONFIG).write_text(text.replace("[limits]", f"[limits]\n{more_limits}"))
        assert StateFile(str(self.directory / STATE), print).save(enrolment(self.stage))
        self.daemon = Daemon(self.directory, LIFE_S)

    def status(self) -> dict[str, Any]:
        return ask(f"{self.directory}/status.sock")

    def until(self, condition: Callable[[dict[str, Any]], object], seconds: float = 20) -> dict[str, Any]:
        """The first status document for which the condition holds."""
        end = time.monotonic() + seconds
        document: dict[str, Any] = {}
        while time.monotonic() < end:
            with suppress(PortError):
                document = self.status()
                if condition(document):
                    return document
            assert self.stage.error is None
            time.sleep(0.1)
        pytest.fail(f"not within {seconds} s: {json.dumps(document)}\n{self.daemon.log()}")

    def mode(self, name: str) -> dict[str, Any]:
        return self.until(lambda told: told["mode"] == name)

    def decisions(self, kind: str) -> list[dict[str, Any]]:
        lines = (self.directory / DECISIONS).read_text().splitlines()
        return [decision for line in lines if (decision := json.loads(line))["d"] == kind]


@pytest.fixture(scope="module")
def houses(require_program) -> Iterator[dict[str, House]]:
    require_program("chronyd")
    with ExitStack() as ends:
        built = {}
        for name, personality, servers, limits in (
            ("attacked", "nmea", 3, ""),
            ("restarted", "ubx", 3, ""),
            ("unplugged", "mixed", 3, "missing_after_s = 2"),
            ("troubled", "nmea", 5, ""),
        ):
            house = built[name] = House(personality, servers, limits)
            ends.callback(shutil.rmtree, house.directory)
            ends.callback(_remove_whosever, house.unit)
            ends.enter_context(house.stage)
            if name == "troubled":
                remove_segment(house.unit)
                # What a squatter, or gpsd as root, leaves under the key: anybody may write it.
                squatter = sysv_ipc.SharedMemory(
                    shm.key_of(house.unit), sysv_ipc.IPC_CREX, mode=0o666, size=shm.SIZE
                )
                squatter.detach()
                house.stage.attack("ntp-liar@0")  # the first server
                house.stage.servers[-1].close()
            ends.enter_context(house.daemon)
        yield built


def _remove_whosever(unit: int) -> None:
    """The segment at the end, also a squatter's whose own test was not run."""
    with suppress(sysv_ipc.ExistentialError):
        sysv_ipc.SharedMemory(shm.key_of(unit)).remove()


def test_chrony_measures_the_injected_offset_and_never_the_receivers_step(houses):
    house = houses["attacked"]
    with ChronydX(house.directory, house.unit, LIFE_S) as chronyd:
        house.mode("vetted")
        heard = _reached(chronyd, 0o377)
        lead_ns = house.stage.truth.lead_ns()
        assert abs(lead_ns - OFFSET_NS) < NS_PER_MS  # unless somebody steers this machine hard
        assert heard.last_ns == pytest.approx(lead_ns, abs=TOLERANCE_NS)
        assert heard.offset_ns == pytest.approx(lead_ns, abs=TOLERANCE_NS)
        assert house.status()["daemon"]["sinks"][f"chrony SHM {house.unit}"] == "attached, 1 reading"
        house.until(lambda told: told["system"]["chronyd"] is True)

        attack = house.stage.attack("step:+100ms@0")
        told = house.until(lambda told: (told["last_withhold"] or {}).get("reason") == "edge-window")
        assert told["last_withhold"]["value"] == pytest.approx(100 * NS_PER_MS, abs=NS_PER_MS)
        measured = []
        end = time.monotonic() + 4
        while time.monotonic() < end:
            seen = chronyd.ask()
            assert seen is not None
            measured.append(seen.last_ns)
            time.sleep(0.5)
        assert measured == pytest.approx([lead_ns] * len(measured), abs=TOLERANCE_NS)
        assert "receiver moved +" in house.until(lambda told: told["last_accusation"])["last_accusation"]
        house.mode("locked")
        # A silent refclock drops out of chrony's sight; it does not go on with an old value.
        assert _reached(chronyd, 0).reach == 0

    house.until(lambda told: told["system"]["chronyd"] is False)
    assert "chronyd0 down: chrony SHM" in house.daemon.log()
    truth = house.stage.truth
    for one in house.decisions("publish"):
        assert truth.at(one["raw"]) < attack.start_ns + NS_PER_S
        assert abs(one["utc"] - one["sys"] - lead_ns) < min(one["bound"], TOLERANCE_NS)
    # SIGTERM: at once, and nothing of its own is left.
    began = time.monotonic()
    assert house.daemon.stop() == 0
    assert time.monotonic() - began < 1
    assert not (house.directory / "status.sock").exists()
    assert not house.stage.pps_path.exists()
    assert verify_replay(house.directory) == ""


def _reached(chronyd: ChronydX, reach: int) -> Heard:
    end = time.monotonic() + 20
    heard = None
    while time.monotonic() < end:
        heard = chronyd.ask()
        if heard is not None and heard.reach == reach:
            return heard
        time.sleep(0.25)
    pytest.fail(f"reach {reach:o} was not reached: {heard}")


def test_a_restart_is_remembered_and_each_capture_replays_to_the_live_decisions(houses):
    house = houses["restarted"]
    house.mode("vetted")
    before = house.until(lambda told: told["counters"]["published"] >= 2)
    assert house.daemon.stop() == 0
    assert verify_replay(house.directory) == ""
    os.rename(house.directory / CAPTURE, house.directory / "first.jsonl")
    last = house.decisions("publish")[-1]

    with Daemon(house.directory, LIFE_S) as again:
        house.daemon = again
        told = house.mode("vetted")
        house.until(lambda told: told["counters"]["published"] >= 2)
        assert told["enrolled"] is True
        assert told["raw_rate_ppt"] == before["raw_rate_ppt"]
        assert again.stop() == 0
    captured = (house.directory / CAPTURE).read_text()
    (restore,) = [line for line in map(json.loads, captured.splitlines()) if line.get("verb") == "restore"]
    # The floor: no second that was fed already is ever believed again.
    assert restore["floor_utc_ns"] == (nearest_second(last["utc"]) + 1) * NS_PER_S
    assert verify_replay(house.directory) == ""
    for one in house.decisions("publish"):
        assert one["utc"] > last["utc"]


def test_a_receiver_that_vanishes_talks_nonsense_or_nothing_is_missed_and_welcomed_back(houses):
    house = houses["unplugged"]
    house.mode("vetted")

    house.stage.unplug()
    told = house.mode("holdover")
    assert told["daemon"]["ports"]["gps0"]["up"] is False
    house.stage.plug()
    house.mode("vetted")

    house.stage.voice = "noise"
    told = house.mode("holdover")
    assert told["daemon"]["ports"]["gps0"]["up"] is True
    house.stage.voice = "receiver"
    house.mode("vetted")

    house.stage.voice = "silence"
    house.mode("holdover")
    house.stage.voice = "receiver"
    told = house.mode("vetted")
    assert told["last_accusation"] is None
    for one in house.decisions("publish"):
        assert abs(one["utc"] - one["sys"] - house.stage.truth.lead_ns()) < min(one["bound"], TOLERANCE_NS)
    assert house.daemon.stop() == 0
    assert verify_replay(house.directory) == ""


def test_a_segment_that_anybody_may_write_is_refused_and_two_bad_servers_are_outvoted(houses):
    house = houses["troubled"]
    told = house.mode("vetted")
    state = told["daemon"]["sinks"][f"chrony SHM {house.unit}"]
    assert "mode 0666" in state
    assert f"ipcrm -M 0x{shm.key_of(house.unit):08x}" in state
    assert "mode 0666" in house.daemon.log()
    segment = sysv_ipc.SharedMemory(shm.key_of(house.unit))
    try:
        assert segment.read(shm.SIZE) == b" " * shm.SIZE  # sysv_ipc fills it so: nothing was written
    finally:
        segment.remove()
        segment.detach()

    peers = {row["name"]: row for row in told["witnesses"] if row["name"].startswith("ntp:")}
    states = [peers[f"ntp:127.0.0.1:{server.port}"]["state"] for server in house.stage.servers]
    assert states == ["falseticker", "agrees", "agrees", "agrees", "no opinion"]

    # The daemon lives on, and makes the segment anew, for itself alone, once the key is free.
    house.until(lambda told: told["daemon"]["sinks"][f"chrony SHM {house.unit}"].startswith("attached"), 25)
    found = find(house.unit)
    assert found is not None
    facts = facts_of(found[0])
    found[0].detach()
    assert (facts.uid, facts.mode, facts.size) == (os.geteuid(), 0o600, shm.SIZE)
