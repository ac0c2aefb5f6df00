"""A real chronyd beside the emulated world, unable to set any clock: ``chronyd -x``, asked by chronyc.

It serves nobody (``port 0``), listens for commands on a Unix socket in its own directory only
(``cmdport 0``), knows no server, and ends by itself.
"""

import csv
import os
import pwd
import shutil
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from refclock.chrony.program import find
from refclock.errors import RefclockError
from refclock.units import NS_PER_S

_REFID = "VETD"
_START_S, _STOP_S, _ASK_S = 5.0, 5.0, 2.0
# `noselect`: chrony measures and draws no conclusions, so that the offset it shows stays the one that is.
_OPTIONS = f"refid {_REFID} poll 0 dpoll -1 filter 1 precision 1e-6 noselect"


@dataclass(frozen=True, slots=True)
class Heard:
    """What chronyc says of the refclock. ``reach`` is the register of the last eight polls; ``last_ns`` is
    how far UTC is ahead of this host's clock by the last sample, ``offset_ns`` the same by chrony's own
    estimate, ``deviation_ns`` the spread of its samples."""

    reach: int
    last_ns: int
    offset_ns: int
    deviation_ns: int


def programs() -> tuple[str, str]:
    """The paths of chronyd and chronyc. Raises RefclockError that says how to install them."""
    found = [find(name) for name in ("chronyd", "chronyc")]
    missing = [name for name, path in zip(("chronyd", "chronyc"), found, strict=True) if path is None]
    if missing:
        raise RefclockError(
            f"{' and '.join(missing)} not found; chrony is what refclock works for: install it "
            "(apt install chrony, dnf install chrony); its service need not run."
        )
    return str(found[0]), str(found[1])


class ChronydX:
    """A context in which ``chronyd -x`` reads one SHM unit, for ``seconds`` at most."""

    def __init__(self, directory: Path, unit: int, seconds: int) -> None:
        self._chronyd, self._chronyc = programs()
        self._directory = directory
        self._run = directory / "chrony"
        self._socket = self._run / "chronyd.sock"
        self._unit, self._seconds = unit, seconds
        self.log = directory / "chronyd.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._run.mkdir(mode=0o700)
        # chronyd refuses a socket in a directory of another group; a set-gid parent would hand its own down.
        os.chown(self._run, -1, os.getegid())
        (self._directory / "chrony.conf").write_text(self._configuration())
        if not self._start(self._chronyd) and self._confined():
            # Debian's AppArmor profile keeps /usr/sbin/chronyd to its own directories. A copy, run with no
            # more rights than whoever runs this has, is not bound by it; with -x it sets no clock either.
            self._start(shutil.copy(self._chronyd, str(self._directory / "chronyd")))
        if self._process is None:
            told = self.log.read_text(errors="replace").strip().splitlines() or ["(it said nothing)"]
            raise RefclockError(f"chronyd -x does not start: {told[-1]}")
        return self

    def _confined(self) -> bool:
        """Whether it ended as one does who may not even write its own log here, or says so."""
        told = self.log.read_text(errors="replace")
        return not told or "Permission denied" in told

    def _configuration(self) -> str:
        lines = ["port 0", "cmdport 0", f"bindcmdaddress {self._socket}", f"pidfile {self._run}/chronyd.pid"]
        with suppress(KeyError):  # a user without a name, as in some containers: -U then keeps it as it is
            lines.append(f"user {pwd.getpwuid(os.geteuid()).pw_name}")
        lines.append(f"refclock SHM {self._unit} {_OPTIONS}")
        return "\n".join(lines) + "\n"

    def _start(self, program: str) -> bool:
        """Start it; False when it ended at once or opened no command socket."""
        command = [program, "-x", "-d", "-t", str(self._seconds), "-f", str(self._directory / "chrony.conf")]
        if os.geteuid() != 0:
            command.insert(1, "-U")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            if self._socket.exists():
                return True
            time.sleep(0.02)
        self.stop()
        return False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it, by its process id."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def ask(self) -> Heard | None:
        """What it makes of the refclock; None while it does not answer."""
        command = [self._chronyc, "-c", "-n", "-h", str(self._socket), "-m", "sources", "sourcestats"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ASK_S)
        except (subprocess.TimeoutExpired, OSError):
            return None
        return read_reports(done.stdout)


def read_reports(text: str) -> Heard | None:
    """The rows of ``chronyc -c sources`` and ``sourcestats`` (chronyc(1)); None where the refclock is not
    among them. Their offsets are the local clock's, so the sign changes."""
    rows = list(csv.reader(text.splitlines()))
    sources = [row for row in rows if len(row) == 10 and row[2] == _REFID]
    estimates = [row for row in rows if len(row) == 8 and row[0] == _REFID]
    if not sources or not estimates:
        return None
    try:
        return Heard(
            reach=int(sources[0][5], 8),
            last_ns=-_ns(sources[0][8]),
            offset_ns=-_ns(estimates[0][6]),
            deviation_ns=_ns(estimates[0][7]),
        )
    except ValueError:
        return None


def _ns(seconds: str) -> int:
    return round(float(seconds) * NS_PER_S)
