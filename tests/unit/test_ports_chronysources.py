"""The port that asks chronyc, with scripts in its place."""

import os
import select
import time
from pathlib import Path
from typing import Any

import pytest

from refclock.errors import ConfigError, PortError
from refclock.model import PortChange, SourceReport
from refclock.policy import ChronySettings, parse_policy
from refclock.ports import chronysources, ports_of, stamp
from refclock.ports.chronysources import ChronySourcesPort
from refclock.runtime.header import port_table
from refclock.units import NS_PER_MS, NS_PER_S

TRACKING = (
    "7F000002,192.0.2.1,6,1795409546.8,0.250000000,0.000000000,0.000000000,"
    "-0.264,-0.025,0.575,0.000011678,0.000002779,1.0,Normal"
)
SOURCES = (
    "^,*,192.0.2.1,5,6,377,7,0.000001000,0.000001000,0.000005000\n#,?,RCLK,0,4,377,1,0.000000000,0.0,0.0"
)
AUTHDATA = "192.0.2.1,NTS,1,15,256,7,0,0,8,100"


@pytest.fixture
def chronyc(tmp_path):
    """A function that writes a chronyc of the given script and makes a port that asks it."""
    ports = []

    def make(script, **settings):
        path = tmp_path / "chronyc"
        path.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/words\n{script}\n')
        path.chmod(0o755)
        port = ChronySourcesPort(ChronySettings(str(path), **settings), "chrony0")
        ports.append(port)
        return port

    yield make
    for port in ports:
        port.close()


def run(port: ChronySourcesPort, longest: float = 8.0) -> list[Any]:
    """Drive a port as the loop does, until something is said; its timers run as fast as the clock."""
    events: list[Any] = []
    end = time.monotonic() + longest
    while not events and time.monotonic() < end:
        if port.fd is not None and select.select([port.fd], [], [], 0.005)[0]:
            events += port.on_ready()
        events += port.on_timer(stamp.raw())
    return events


def saying(*lines, code=0):
    return "\n".join([*(f"cat <<'E'\n{line}\nE" for line in lines), f"exit {code}"])


def test_a_round_gives_a_report_of_each_authenticated_source(chronyc, tmp_path):
    port = chronyc(saying(TRACKING, SOURCES, AUTHDATA))
    (up,) = port.open()
    assert isinstance(up, PortChange)
    assert up.up
    assert port.fd is None
    before = stamp.raw()
    (event,) = run(port)
    assert isinstance(event, SourceReport)
    assert before <= event.raw_ns <= stamp.raw()
    assert (event.port, event.peer) == ("chrony0", "192.0.2.1")
    assert event.offset_ns == 250 * NS_PER_MS - 1_000
    # What the system clock may have been slewed by meanwhile is in it.
    assert 5_000 < event.error_ns <= 5_000 + (event.raw_ns - before) // 10 + 1
    assert (event.age_s, event.auth, event.leap, event.reach) == (7, True, 0, 0o377)
    assert (tmp_path / "words").read_text() == "-c -n -m tracking sources authdata\n"
    assert port.fd is None
    wait = port.wake_at() - stamp.raw()
    assert 60 * NS_PER_S < wait <= 64 * NS_PER_S


def test_where_chrony_requires_authentication_authdata_is_not_asked(chronyc, tmp_path):
    port = chronyc(saying(TRACKING, SOURCES), authselectmode="require")
    port.open()
    (event,) = run(port)
    assert isinstance(event, SourceReport)
    assert (tmp_path / "words").read_text() == "-c -n -m tracking sources\n"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (saying("506 Cannot talk to daemon", code=1), "ended with 1, saying: 506 Cannot talk to daemon"),
        (saying(TRACKING, SOURCES, "501 Not authorised", code=1), "authselectmode"),
        ("exit 0", "saying: nothing"),
        (saying(TRACKING, SOURCES), "no authenticated source"),
        ("printf '\\033[2J\\377'; exit 3", "saying: ?[2J"),
        ("kill -9 $$", "ended with -9"),
    ],
)
def test_a_failure_is_told_once_and_ends_with_the_first_answer(chronyc, script, told, monkeypatch):
    monkeypatch.setattr(chronysources, "_AGAIN_NS", 50 * NS_PER_MS)
    port = chronyc(script)
    port.open()
    (down,) = run(port)
    assert isinstance(down, PortChange)
    assert not down.up
    assert told in down.reason
    assert down.reason.isprintable()
    assert run(port, longest=0.3) == []
    path = Path(port._settings.command)
    fresh = path.with_name("fresh")
    fresh.write_text("#!/bin/sh\n" + saying(TRACKING, SOURCES, AUTHDATA))
    fresh.chmod(0o755)
    fresh.replace(path)  # written in place it might be running
    up, event = run(port)
    assert up.up
    assert isinstance(event, SourceReport)


def test_one_that_hangs_is_killed_and_never_two_at_a_time(chronyc, monkeypatch, tmp_path):
    monkeypatch.setattr(chronysources, "_TIMEOUT_NS", 200 * NS_PER_MS)
    port = chronyc(f"echo $$ >> {tmp_path}/pids; echo part; exec sleep 60")
    port.open()
    (down,) = run(port)
    assert "no answer" in down.reason
    (pid,) = (tmp_path / "pids").read_text().split()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid), 0)
    assert port.fd is None


def test_one_that_talks_without_end_is_cut_off(chronyc):
    port = chronyc("exec yes")
    port.open()
    (down,) = run(port)
    assert "ended with -9" in down.reason


def test_closing_ends_a_child_that_runs(chronyc, tmp_path):
    port = chronyc(f"echo $$ > {tmp_path}/pid; exec sleep 60")
    port.open()
    port.on_timer(stamp.raw())
    assert port.fd is not None
    end = time.monotonic() + 5
    while not (tmp_path / "pid").exists() and time.monotonic() < end:
        time.sleep(0.01)
    port.close()
    assert port.fd is None
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert port.wake_at() is None
    assert port.on_ready() == []


def test_a_spurious_call_reads_nothing(chronyc):
    port = chronyc("sleep 60")
    port.open()
    assert port.on_ready() == []
    port.on_timer(stamp.raw())
    assert port.on_ready() == []


def test_what_cannot_be_run_is_named(tmp_path, chronyc):
    port = ChronySourcesPort(ChronySettings(str(tmp_path / "none")), "chrony0")
    with pytest.raises(PortError, match=r"none: cannot be run; install chrony"):
        port.open()
    port.close()
    strange = chronyc("")
    Path(strange._settings.command).write_bytes(b"\x7fELF")
    strange.open()
    (down,) = run(strange)
    assert "cannot be run" in down.reason


def test_the_policy_names_it():
    assert parse_policy("[chrony]\n").chrony is None
    assert parse_policy("[chrony]\nchronyc = false\n").chrony is None
    policy = parse_policy("[chrony]\nchronyc = true\n")
    assert policy.chrony == ChronySettings("/usr/bin/chronyc", "")
    assert [port.name for port in ports_of(policy)] == ["sys0", "chrony0"]
    assert port_table(policy)["chrony0"] == {"kind": "src"}
    chosen = parse_policy('[chrony]\nchronyc = true\ncommand = "/opt/chronyc"\nauthselectmode = "require"\n')
    assert chosen.chrony == ChronySettings("/opt/chronyc", "require")


@pytest.mark.parametrize(
    "line", ["chronyc = 1", 'command = "chronyc"', 'authselectmode = "mix"', "command = 1"]
)
def test_a_wrong_key_is_an_error_with_its_line(line):
    with pytest.raises(ConfigError, match=r"c:2: chrony\."):
        parse_policy(f"[chrony]\n{line}\n", "c")
