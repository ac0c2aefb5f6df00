"""The gate under a real service manager: a KDC's unit with our drop-in, and a daemon that says what we want.

The manager is ``systemd --user`` in a mount namespace of its own, where /run and the control groups are its
own to see; it may not set the clock. The units are those that `install` writes, less their sandbox and user,
which a user's manager cannot give.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from refclock import cli
from tests.unit.test_cli_wait import NOT_YET, WELL, Daemon

pytestmark = pytest.mark.integration

MANAGER = "/lib/systemd/systemd"
KEPT = (
    "Type",
    "NotifyAccess",
    "ExecStart",
    "TimeoutStartSec",
    "Restart",
    "RestartSec",
    "RestartPreventExitStatus",
    "RemainAfterExit",
)
START = """
set -e
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system
mount -t tmpfs tmpfs /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup
exec setpriv --bounding-set -sys_time,-sys_module,-sys_boot "$0" --user
"""


def bare(text: str) -> str:
    """A unit's text without what only the system's manager can do."""
    lines, section = [], ""
    for line in text.splitlines():
        section = line if line.startswith("[") else section
        if section != "[Service]" or line.startswith(("[", *(f"{key}=" for key in KEPT))):
            lines.append(line)
    return "\n".join(lines) + "\n"


class Manager:
    """A service manager for the units in ``home``/units."""

    def __init__(self, home: Path) -> None:
        self.environment = os.environ | {
            "XDG_RUNTIME_DIR": str(home),
            "SYSTEMD_UNIT_PATH": f"{home}/units:",  # and behind them those that systemd brings
            "XDG_CONFIG_HOME": f"{home}/config",
            "XDG_DATA_HOME": f"{home}/data",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", START, MANAGER]
        self.process = subprocess.Popen(
            command, env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def ask(self, *words: str) -> str:
        command = ["systemctl", "--user", *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=30
        )
        return done.stdout.strip()

    def until(self, unit: str, state: str, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while (found := self.ask("is-active", unit)) != state:
            if self.process.poll() is not None:
                pytest.skip("no service manager can run here")
            assert time.monotonic() < end, f"{unit} is {found}, not {state}: {self.ask('status', unit)}"
            time.sleep(0.1)

    def said(self, unit: str, words: str, seconds: float = 20) -> None:
        """Wait for a unit's status line to hold these words."""
        end = time.monotonic() + seconds
        while words not in (found := self.ask("show", "-p", "StatusText", unit)):
            assert time.monotonic() < end, found
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def home() -> Iterator[Path]:
    # Short, for a Unix socket's path ends at 107 bytes.
    path = Path(tempfile.mkdtemp(prefix="gt-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def daemon(home) -> Iterator[Daemon]:
    made = Daemon(home / "s")
    yield made
    made.stop()


@pytest.fixture
def manager(home, daemon, require_program, capsys) -> Iterator[Manager]:
    for program in ("unshare", "setpriv", "systemctl"):
        require_program(program)
    if os.geteuid() != 0 or not os.path.exists(MANAGER):
        pytest.skip("it takes root, and systemd")
    (home / "etc").mkdir()
    (home / "etc/a.toml").write_text(
        f'[status]\nsocket = "{home}/s"\n[services]\nwhen_lost = "stop"\nbound_ms = 1000\n'
    )
    assert cli.main(["install", "--root", str(home), "--program", "/bin/true"]) == 0
    installed = home / "etc/systemd/system"
    shutil.copytree(installed, home / "units")
    for name in ("wait", "watch"):
        unit = home / f"units/refclock-{name}.service"
        text = bare(unit.read_text()).replace("/bin/true wait", f"{sys.executable} -m refclock wait")
        unit.write_text(re.sub("(ExecStart=.*)", rf"\1 --directory {home}/etc", text))
    (home / "units/krb5-kdc.service").write_text("[Service]\nExecStart=/bin/sleep 1000\n")
    made = Manager(home)
    made.until("refclock-wait.service", "inactive")
    yield made
    made.stop()


def test_a_kdc_waits_survives_a_crash_of_the_watch_and_stops_when_the_time_is_lost(manager, daemon):
    kdc, gate, watch = "krb5-kdc.service", "refclock-wait.service", "refclock-watch.service"
    target = "refclock-established.target"
    manager.ask("--no-block", "start", kdc)
    manager.until(gate, "activating")
    manager.said(gate, "waiting: no two of receiver, RTC and NTP quorum agree")
    assert manager.ask("is-active", kdc, target).split() == ["inactive", "inactive"]

    daemon.document = WELL
    manager.until(kdc, "active")
    manager.until(watch, "active")
    assert manager.ask("is-active", gate, target).split() == ["active", "active"]

    before = manager.ask("show", "-p", "MainPID", "--value", kdc)
    os.kill(int(manager.ask("show", "-p", "MainPID", "--value", watch)), 9)
    manager.until(watch, "activating")
    manager.until(watch, "active")
    assert manager.ask("show", "-p", "MainPID", "--value", kdc) == before

    daemon.document = {**NOT_YET, "bound_ns": 2 * 10**9}
    manager.until(kdc, "inactive")
    manager.until(target, "inactive")
    manager.until(gate, "inactive")

    # Whoever starts it again makes it wait again.
    manager.ask("--no-block", "start", kdc)
    manager.until(gate, "activating")
    assert manager.ask("is-active", kdc) == "inactive"
    daemon.document = WELL
    manager.until(kdc, "active")


@pytest.mark.parametrize(
    ("masked", "starts"),
    [
        ("refclock-wait.service", False),
        ("refclock-established.target", False),
        ("refclock-watch.service", True),
    ],
)
def test_without_its_gate_a_kdc_does_not_start_and_without_the_watch_nobody_stops_it(
    manager, home, daemon, masked, starts
):
    """What a masked unit does (docs/threat-model.md): the gate fails closed, the watch does not."""
    kdc = "krb5-kdc.service"
    unit = home / "units" / masked
    unit.unlink()
    unit.symlink_to("/dev/null")
    manager.ask("daemon-reload")
    daemon.document = WELL
    manager.ask("start", kdc)
    manager.until(kdc, "active" if starts else "inactive")
    assert manager.ask("is-active", "refclock-watch.service") == "inactive"
