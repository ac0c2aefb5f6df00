"""The units as systemd reads them: verified, and their sandbox measured. No service manager need run."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from refclock import cli

pytestmark = pytest.mark.integration

# The daemon's is what it costs to hear receivers and servers, and to read how the kernel steers its clock.
# docs/adr/0031 says what each tenth is.
EXPOSURE = {
    "refclock@ublox_1.service": 17,
    "refclock-pps@ublox_1.service": 8,
    "refclock-wait.service": 5,
    "refclock-watch.service": 5,
    "refclock-shm.service": 8,
}


@pytest.fixture
def units(tmp_path, capsys) -> Path:
    root = tmp_path / "root"
    # `verify` looks for the program.
    assert cli.main(["install", "--root", str(root), "--program", "/bin/true", "--name", "ublox_1"]) == 0
    capsys.readouterr()
    found: Path = root / "etc/systemd/system"
    return found


@pytest.fixture
def analyze(require_program, units) -> Callable[..., subprocess.CompletedProcess[str]]:
    program = require_program("systemd-analyze")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [program, *words]
        # A colon at the end adds the host's own units behind ours.
        environment = {
            "SYSTEMD_UNIT_PATH": f"{units}:",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
        }
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=120, env=environment
        )

    return run


def test_systemd_finds_no_fault(analyze, units):
    files = [str(units / name) for name in (*EXPOSURE, "refclock-established.target", "refclock-lost.target")]
    done = analyze("verify", "--man=no", *files)
    ours = [line for line in done.stderr.splitlines() if "refclock" in line]
    assert ours == []


@pytest.mark.parametrize(("unit", "tenths"), EXPOSURE.items())
def test_the_sandbox_is_as_narrow_as_was_measured(analyze, units, unit, tenths):
    path = units / re.sub("@[^.]*", "@", unit)
    done = analyze("security", "--offline=true", f"--threshold={tenths}", str(path))
    assert done.returncode == 0, done.stdout[-3000:]


def directives(path: Path) -> list[tuple[str, str]]:
    lines = (line for line in path.read_text().splitlines() if line and line[0] not in "#[")
    return [(key, value) for key, _, value in (line.partition("=") for line in lines)]


def test_what_the_daemon_needs_is_left_to_it(units):
    told = directives(units / "refclock@.service")
    keys = {key for key, _ in told}
    # They would take away its segment, and the look at the kernel's clock.
    assert not keys & {"PrivateIPC", "DynamicUser", "ProtectClock", "PrivateDevices", "PrivateNetwork"}
    found = dict(told)
    assert found["User"] == "refclock"
    assert found["Type"] == "notify"
    assert int(found["WatchdogSec"]) > 0
    # It runs on without its receiver, and does not wait for it.
    assert not keys & {"BindsTo", "Requires", "Requisite"}
    assert [value for key, value in told if key == "Wants" and ".device" in value] == []
    # What `DeviceAllow=char-...` names is looked up when the unit starts, in what the kernel knows by then.
    modules = next(value for key, value in told if key == "Wants" and "modprobe@" in value)
    assert ("After", modules) in told
    assert modules.split() == [f"modprobe@{name}.service" for name in ("usbserial", "cdc_acm", "pps_core")]
    # A configuration that cannot be used is not tried again and again.
    assert (found["Restart"], found["RestartPreventExitStatus"]) == ("on-failure", "2")
    assert [value for key, value in told if key == "SystemCallFilter"][-1] == "adjtimex clock_adjtime"


def test_the_pulse_comes_and_goes_with_the_line(units):
    found = dict(directives(units / "refclock-pps@.service"))
    assert found["BindsTo"] == found["WantedBy"] == "dev-refclock-%i.device"
    # So that a daemon that is started in the same moment finds its pulse.
    assert found["Before"] == "refclock@%i.service"


def test_the_kdc_is_bound_to_established_time(units):
    assert directives(units / "krb5-kdc.service.d/refclock.conf") == [
        ("BindsTo", "refclock-established.target"),
        ("After", "refclock-established.target"),
    ]
    target = directives(units / "refclock-established.target")
    assert ("Requires", "refclock-wait.service") in target
    assert ("After", "refclock-wait.service") in target
    waiting = dict(directives(units / "refclock-wait.service"))
    assert (waiting["Type"], waiting["TimeoutStartSec"]) == ("notify", "infinity")


def test_a_real_kdc_s_unit_takes_the_drop_in(analyze, units):
    """A unit in the manner of Debian's krb5-kdc.service, for nobody installs one for this."""
    kdc = units / "krb5-kdc.service"
    kdc.write_text("[Service]\nType=forking\nExecStart=/bin/true\n")
    done = analyze("verify", "--man=no", str(kdc))
    assert [line for line in done.stderr.splitlines() if "krb5" in line or "refclock" in line] == []


def test_users_and_directories_are_what_systemd_reads(require_program, units, tmp_path):
    root = units.parents[2]
    for program, words in (("systemd-sysusers", ()), ("systemd-tmpfiles", ("--create",))):
        command = [require_program(program), f"--root={root}", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
    assert "refclock:" in (root / "etc/passwd").read_text()
    assert (root / "run/refclock").stat().st_mode & 0o777 == 0o755
    assert (root / "var/lib/refclock").stat().st_mode & 0o777 == 0o700
    assert (root / "etc/refclock").stat().st_mode & 0o777 == 0o750


CONFINED = """
import ctypes, sys
PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN = 65, 1
if ctypes.CDLL(None).prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
    sys.exit(3)
import os
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
LOOK = """
import gpsd, ntplib, serial, sysv_ipc
from refclock.cli import run
from refclock.ports.systemclock import SystemClockPort
print(len(SystemClockPort().open()))
"""


def test_nothing_of_the_daemon_s_needs_memory_that_is_writable_and_executable():
    """MemoryDenyWriteExecute=, by the kernel's own means (prctl(2), Linux 6.3), which outlive an exec."""
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, LOOK], capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode == 3:
        pytest.skip("this kernel knows no PR_SET_MDWE")
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr
