"""A real chronyd that cannot touch any clock: ``chronyd -x`` in a directory of its own, asked by chronyc.

It serves nobody (``port 0``), listens for commands on a Unix socket in its directory only
(``cmdport 0``), and is stopped by the process id that starting it gave.
"""

import csv
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.integration.ending import end

# What could move a clock or reach beyond this host. -x keeps the clock safe all the same.
_FORBIDDEN = (
    "makestep",
    "initstepslew",
    "rtcsync",
    "rtcfile",
    "server",
    "pool",
    "peer",
    "include",
    "confdir",
)


@dataclass(frozen=True)
class Source:
    """A line of ``chronyc -c sources``. ``measured_s`` is the local clock minus the source."""

    state: str
    name: str
    stratum: int
    reach: str  # octal
    since_s: int
    adjusted_s: float
    measured_s: float
    error_s: float


@dataclass(frozen=True)
class Tracking:
    """The beginning of ``chronyc -c tracking``."""

    refid: str
    name: str
    stratum: int
    system_offset_s: float
    last_offset_s: float
    leap: str


class Chronyd:
    """A context in which chronyd runs with the given lines of configuration."""

    def __init__(self, chronyd: str, chronyc: str, lines: Sequence[str]) -> None:
        for line in lines:
            assert line.split()[0] not in _FORBIDDEN, line
        self._chronyd, self._chronyc = chronyd, chronyc
        self._lines = lines
        # Short, for the path of a Unix socket ends at 107 bytes; and 0700, or chronyd refuses the directory.
        self.directory = Path(tempfile.mkdtemp(prefix="chrony-"))
        self._socket = self.directory / "run" / "chronyd.sock"
        self.log = self.directory / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._socket.parent.mkdir(mode=0o700)
        user = pwd.getpwuid(os.geteuid()).pw_name
        configuration = self.directory / "chrony.conf"
        configuration.write_text(
            "\n".join(
                [
                    "port 0",
                    "cmdport 0",
                    f"bindcmdaddress {self._socket}",
                    f"pidfile {self.directory}/chronyd.pid",
                    f"driftfile {self.directory}/drift",
                    f"user {user}",
                    *self._lines,
                    "",
                ]
            )
        )
        command = [self._chronyd, "-x", "-d", "-f", str(configuration)]
        if os.geteuid() != 0:
            command.insert(1, "-U")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self._await_socket()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _await_socket(self) -> None:
        assert self._process is not None
        limit = time.monotonic() + 10
        while time.monotonic() < limit:
            if self._process.poll() is not None:
                raise AssertionError(f"chronyd ended at once:\n{self.log.read_text()}")
            if self._socket.exists():
                return
            time.sleep(0.02)
        raise AssertionError(f"chronyd opened no command socket in 10 s:\n{self.log.read_text()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process)
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, *words: str) -> list[list[str]]:
        """The rows of one ``chronyc -c`` report."""
        command = [self._chronyc, "-c", "-n", "-h", str(self._socket), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
        assert done.returncode == 0, (done.stdout, done.stderr, self.log.read_text())
        return list(csv.reader(done.stdout.splitlines()))

    def sources(self) -> dict[str, Source]:
        """``chronyc sources``, by reference id."""
        return {
            row[2]: Source(
                row[1], row[2], int(row[3]), row[5], int(row[6]), float(row[7]), float(row[8]), float(row[9])
            )
            for row in self.ask("sources")
        }

    def offsets(self) -> dict[str, float]:
        """``chronyc sourcestats``: the estimated offset of each source (s)."""
        return {row[0]: float(row[6]) for row in self.ask("sourcestats")}

    def tracking(self) -> Tracking:
        """``chronyc tracking``."""
        (row,) = self.ask("tracking")
        return Tracking(row[0], row[1], int(row[2]), float(row[4]), float(row[5]), row[13])
