"""A host of its own for what looks at all processes and ports: namespaces of processes, network and mounts,
and a clock that is libfaketime's. "Setting" that clock is writing a file; nobody's clock is touched.

All that runs in it is told the same shift, and none for the monotonic clocks.
"""

import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from refclock.bounded import suspended_ns, this_boot, this_namespace
from refclock.ports import stamp
from refclock.units import NS_PER_S
from refclock.wire.timefile import TimeRecord, encode
from tests.integration.ending import end
from tests.integration.krb5kdc import REALM, libfaketime

BOUND_NS = 3_000_000
# The first process: brings the loopback up, and buries whoever ends.
_INIT = r"""
import fcntl, signal, socket, struct, sys, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
with socket.socket() as any:
    fcntl.ioctl(any, 0x8914, struct.pack("16sh22x", b"lo", 1 | 64))  # SIOCSIFFLAGS: up and running
print("up", flush=True)
while True:
    time.sleep(3600)
"""
# libfaketime 0.9.10 breaks clock_nanosleep(2), which Python's sleep is from 3.11 on (its issue 426).
_SLEEP = "import select, time\ntime.sleep = lambda seconds: select.select([], [], [], seconds) and None\n"


class SecludedHost:
    """A context: a host with a realm's KDC on it (not started), a keytab, and a daemon's time file."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="host-"))
        self.keytab = self.directory / "krb5.keytab"
        self.record = self.directory / "setback.jsonl"
        self.time_file = self.directory / "time"
        self._shift = self.directory / "shift"
        self._unshare: subprocess.Popen[bytes] | None = None
        self._inner = 0
        self.ahead_s = 0.0

    def __enter__(self) -> Self:
        here = self.directory
        self.shift(0)
        self.tell_time()
        (here / "sitecustomize.py").write_text(_SLEEP)
        (here / "krb5.conf").write_text(
            f"[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n"
            f" rdns = false\n[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:88\n"
            "  admin_server = 127.0.0.1:749\n }\n"
        )
        (here / "acl").write_text("")
        (here / "kdc.conf").write_text(
            "[kdcdefaults]\n kdc_listen = 127.0.0.1:88\n kdc_tcp_listen = 127.0.0.1:88\n"
            f"[realms]\n {REALM} = {{\n  database_name = {here}/principal\n  key_stash_file = {here}/stash\n"
            f"  acl_file = {here}/acl\n  kadmind_port = 749\n  kpasswd_port = 464\n }}\n"
            f"[logging]\n kdc = FILE:{here}/log\n admin_server = FILE:{here}/log\n"
        )
        spaces = ["--pid", "--fork", "--kill-child", "--net", "--mount", "--mount-proc"]
        self._unshare = subprocess.Popen(
            ["unshare", *self._user(), *spaces, "sh", "-c",
             'mount -t tmpfs tmpfs /var/tmp && exec "$0" -c "$1"', sys.executable, _INIT],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self._unshare.stdout is not None
        if self._unshare.stdout.readline() != b"up\n":
            self.__exit__(None, None, None)
            pytest.skip("no namespaces of processes and network can be made here")
        self._inner = _only_child(self._unshare.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._inner:
            os.kill(self._inner, signal.SIGKILL)  # and all that runs there with it
        if self._unshare is not None and self._unshare.stdout is not None:
            self._unshare.stdout.close()
        end(self._unshare)
        shutil.rmtree(self.directory, ignore_errors=True)

    @staticmethod
    def _user() -> list[str]:
        return [] if os.geteuid() == 0 else ["--map-root-user"]

    # ---- its clock ----------------------------------------------------------------------------------

    def shift(self, seconds: float) -> None:
        """Set its clock: so far ahead of this machine's."""
        fresh = self._shift.with_suffix(".new")
        fresh.write_text(f"{seconds:+f}s\n")
        self.ahead_s = seconds
        fresh.replace(self._shift)

    def await_later(self, seconds: int) -> None:
        """So much time passes there, for its clock, which is right, as for UTC."""
        self.tell_time(passed_s=round(self.ahead_s) + seconds)
        self.shift(self.ahead_s + seconds)

    def tell_time(self, state: str = "vetted", bound_ns: int = BOUND_NS, passed_s: int = 0) -> None:
        """Write what a daemon would into its time file: UTC is this machine's clock; void in an hour."""
        raw_ns, real_ns, _ = stamp.now()
        real_ns += passed_s * NS_PER_S
        record = TimeRecord(
            1, raw_ns, real_ns, bound_ns, 0, 0, raw_ns + 3600 * NS_PER_S, suspended_ns(), this_namespace(),
            this_boot(), state, 0, ("receiver:/dev/refclock/receiver",),
        )  # fmt: skip
        fresh = self.directory / "time.new"
        fresh.write_bytes(encode(record))
        fresh.replace(self.time_file)

    # ---- what runs in it ----------------------------------------------------------------------------

    def words(self, *words: object) -> list[str]:
        """The command line that runs a command there."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        enter = ["nsenter", f"--target={self._inner}", *user, "--pid", "--net", "--mount"]
        here = self.directory
        environment = [
            f"PATH={os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin",
            f"PYTHONPATH={os.pathsep.join([str(here), *sys.path])}", "LC_ALL=C.UTF-8", "TZ=UTC",
            f"KRB5_CONFIG={here}/krb5.conf", f"KRB5_KDC_PROFILE={here}/kdc.conf", f"KRB5CCNAME={here}/ccache",
            f"LD_PRELOAD={libfaketime()}", f"FAKETIME_TIMESTAMP_FILE={self._shift}", "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]  # fmt: skip
        return [*enter, "env", "-i", *environment, *map(str, words)]

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        return subprocess.run(
            self.words(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def shell(self, line: str) -> str:
        """Run a command line there; what it says. It must succeed."""
        done = self.run("sh", "-c", line)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    def setback(self, *words: object) -> subprocess.CompletedProcess[str]:
        """``refclock setback`` there."""
        return self.run(*self.program, *words)

    @property
    def program(self) -> list[str]:
        """The words that call it."""
        return [sys.executable, "-m", "refclock", "setback", "--record", str(self.record)]

    @property
    def basics(self) -> list[str]:
        """What it is begun with."""
        return [f"--file={self.time_file}", f"--keytab={self.keytab}"]

    def terminal(self, *words: object) -> "Terminal":
        """``refclock setback`` there, at a terminal."""
        return Terminal(self.words(*self.program, *words))

    def pids(self, name: str) -> list[int]:
        """Its processes of a program."""
        done = self.run("pidof", name)
        return [int(one) for one in done.stdout.split()]

    def await_end(self, name: str) -> None:
        """Until no process of a program is left."""
        limit = time.monotonic() + 60
        while found := self.pids(name):
            assert time.monotonic() < limit, f"{name} did not end in 60 s: {found}"

    def await_kdc(self) -> None:
        """Until somebody answers at port 88."""
        limit = time.monotonic() + 60
        probe = "import socket; socket.create_connection(('127.0.0.1', 88), 1)"
        while self.run(sys.executable, "-c", probe).returncode:
            assert time.monotonic() < limit, "krb5kdc accepted no connection in 60 s"


class Terminal:
    """A program at a terminal: what it says is waited for, what it asks is answered."""

    def __init__(self, command: list[str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.said = ""

    def until(self, words: str, seconds: float = 120) -> str:
        """Wait until it says these words; what it said since it was last waited for."""
        limit = time.monotonic() + seconds
        while words not in self.said:
            assert time.monotonic() < limit, self.said
            ready, _, _ = select.select([self._ours], [], [], 1)
            if ready:
                self.said += self._read()
        before, _, self.said = self.said.partition(words)
        return (before + words).replace("\r\n", "\n")

    def _read(self) -> str:
        try:
            data = os.read(self._ours, 65536)
        except OSError:  # the other end is closed
            data = b""
        assert data, f"it ended: {self.said}"
        return data.decode()

    def answer(self, text: str) -> None:
        os.write(self._ours, f"{text}\n".encode())

    def kill(self) -> None:
        """kill -9 to the program itself, behind nsenter."""
        os.kill(_only_child(self.process.pid), signal.SIGKILL)
        self.leave()

    def leave(self) -> int:
        """Wait for its end; its exit status."""
        status = self.process.wait(60)
        os.close(self._ours)
        return status


def _only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)
