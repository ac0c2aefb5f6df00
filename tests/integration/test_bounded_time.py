"""``refclock.now()`` beside the real daemon on the emulated world: vetted, in holdover, and after its end."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, suppress

import pytest

from refclock.bounded import BoundedTime, TimeReader
from refclock.errors import NotVettedError
from refclock.sinks.timefile import VALID_NS
from refclock.stage.daemon import CONFIG, Daemon
from refclock.stage.site import remove_segment
from refclock.units import NS_PER_MS, NS_PER_S
from tests.integration.test_daemon_chrony import LIFE_S, House

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def house():
    with ExitStack() as ends:
        built = House("nmea", more_limits="missing_after_s = 2")
        ends.callback(shutil.rmtree, built.directory)
        ends.callback(remove_segment, built.unit)
        config = built.directory / CONFIG
        config.write_text(f'{config.read_text()}\n[time]\nfile = "{built.directory}/time"\n')
        ends.enter_context(built.stage)
        ends.enter_context(built.daemon)
        yield built


def raw_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def checked(house: House, reader: TimeReader) -> BoundedTime:
    """The time, which must hold the emulated world's own."""
    before = house.stage.truth.at(raw_ns())
    told = reader.now(10)
    after = house.stage.truth.at(raw_ns())
    assert told.earliest_ns <= after
    assert before <= told.latest_ns
    return told


def until_told(path: str, seconds: float = 30) -> TimeReader:
    """Asks until somebody vouches for a time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(NotVettedError):
            reader = TimeReader(path)
            reader.now(10)
            return reader
        time.sleep(0.1)
    raise AssertionError("nobody vouches for a time")


def test_the_life_of_a_time(house):
    path = f"{house.directory}/time"
    reader = until_told(path)
    told = checked(house, reader)
    assert told.state in ("vetted", "degraded")
    assert told.bound_ns < 200 * NS_PER_MS
    assert {f"receiver:{house.stage.device}", "counter:enrolled", "profile:kdc"} <= set(told.chain)
    assert "witness:ntp" in told.chain
    # The likeliest time is the pulse's to a millisecond; the bound says what could be proven.
    assert abs(told.utc_ns - house.stage.truth.at(raw_ns())) < 50 * NS_PER_MS
    done = subprocess.run(
        [sys.executable, "-m", "refclock", "now", "--file", path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert " vetted " in done.stdout or " degraded " in done.stdout

    house.stage.voice = "silence"
    house.mode("holdover")
    first = checked(house, reader)
    time.sleep(3)
    second = checked(house, reader)
    assert first.state == second.state == "holdover"
    assert second.bound_ns > first.bound_ns
    house.stage.voice = "receiver"
    house.mode("vetted")
    assert checked(house, reader).state == "vetted"

    # A daemon that hangs does not say so; its time is void soon.
    assert house.daemon._process is not None
    pid = house.daemon._process.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        stopped = raw_ns()
        checked(house, reader)
        while raw_ns() < stopped + VALID_NS + NS_PER_S:
            time.sleep(0.2)
        with pytest.raises(NotVettedError, match=r"void for .*: the daemon is gone, or hangs"):
            reader.now()
    finally:
        os.kill(pid, signal.SIGCONT)
    until_told(path)

    assert house.daemon.stop() == 0
    with pytest.raises(NotVettedError, match="the daemon vouches for no time now"):
        reader.now()
    with Daemon(house.directory, LIFE_S) as again:
        house.daemon = again
        assert until_told(path).inode != reader.inode
