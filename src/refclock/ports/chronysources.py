"""chrony's own authenticated sources, through ``chronyc``: a child process whose output is awaited like any
other descriptor. It asks and never tells: tracking, sources and authdata change nothing in chronyd."""

import os
import subprocess
from contextlib import suppress

from refclock.errors import PortError
from refclock.model import Event, PortChange, SourceReport
from refclock.policy import ChronySettings
from refclock.ports import stamp
from refclock.ports.port import DevicePort
from refclock.units import NS_PER_MS, NS_PER_S, printable
from refclock.wire import chronyc

INTERVAL_NS = 64 * NS_PER_S
# chronyd may come up after us.
_AGAIN_NS = 16 * NS_PER_S
_TIMEOUT_NS = 5 * NS_PER_S
_REAP_NS = 10 * NS_PER_MS
_CHUNK = 65_536
_MOST = 1 << 20
# The kernel slews the system clock by no more than a tenth (adjtimex(2), tick) while chronyc runs.
_SLEW = 10


class ChronySourcesPort(DevicePort):
    """One round of chronyc on opening and every 64 s, never two at a time."""

    def __init__(self, settings: ChronySettings, name: str) -> None:
        super().__init__(name)
        self._settings = settings
        self._child: subprocess.Popen[bytes] | None = None
        self._said = b""
        self._asked_ns = 0
        self._ended: stamp.Stamp | None = None
        self._late = False
        self._trouble = ""

    @property
    def _required(self) -> bool:
        return self._settings.authselectmode == "require"

    def _open(self) -> str:
        path = self._settings.command
        if not os.path.isfile(path) or not os.access(path, os.X_OK):
            raise PortError(f"{path}: cannot be run; install chrony, or set chrony.command to its chronyc.")
        self._wake_ns, self._trouble = stamp.raw(), ""
        return f"asking {path}"

    def _shut(self) -> None:
        child, self._child, self.fd = self._child, None, None
        if child is not None:
            child.kill()
            self._hang_up(child)
            with suppress(subprocess.TimeoutExpired):
                child.wait(0.1)  # a killed process is gone at once, or hangs in the kernel beyond help

    @staticmethod
    def _hang_up(child: subprocess.Popen[bytes]) -> None:
        if child.stdout is not None:
            child.stdout.close()

    def _timer(self, raw_ns: int) -> list[Event]:
        child = self._child
        if child is None:
            return self._ask(raw_ns)
        late = raw_ns >= self._asked_ns + _TIMEOUT_NS
        if late and not self._late:
            self._late = True
            child.kill()
            self._end(child)
        self._wake_ns = raw_ns + (NS_PER_S if late else _REAP_NS)
        return self._finish(child)

    def _ask(self, raw_ns: int) -> list[Event]:
        words = ["tracking", "sources"] if self._required else ["tracking", "sources", "authdata"]
        self._said, self._ended, self._late, self._asked_ns = b"", None, False, raw_ns
        try:
            child = subprocess.Popen(
                [self._settings.command, "-c", "-n", "-m", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                bufsize=0,
                cwd="/",
                env={"LC_ALL": "C", "PATH": os.defpath},
            )
        except OSError as error:
            return self._failed(f"cannot be run: {os.strerror(error.errno or 0)}; see chrony.command.")
        assert child.stdout is not None  # a pipe was asked for
        self._child, self.fd = child, child.stdout.fileno()
        os.set_blocking(self.fd, False)
        self._wake_ns = raw_ns + _TIMEOUT_NS
        return []

    def on_ready(self) -> list[Event]:
        """chronyc printed something, or ended."""
        child = self._child
        if child is None or self.fd is None:
            return []
        try:
            data = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return []
        self._said += data
        if len(self._said) > _MOST:
            child.kill()
        elif data:
            return []
        self._end(child)
        self._wake_ns = stamp.raw()
        return self._finish(child)

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        """It says no more."""
        self._ended = self._ended or stamp.now()
        self.fd = None
        self._hang_up(child)

    def _finish(self, child: subprocess.Popen[bytes]) -> list[Event]:
        """Once it is gone: what it said."""
        code, when = child.poll(), self._ended
        if code is None or when is None:
            return []
        self._child = None
        text = self._said.decode("ascii", "replace")
        if self._late:
            return self._failed(f"no answer in {_TIMEOUT_NS // NS_PER_S} s; see whether chronyd runs.")
        report = chronyc.parse(text, self._required) if code == 0 else None
        if "501 Not authorised" in text:
            return self._failed(
                "chronyd says who is authenticated to root and its own user only; where chrony.conf has "
                '"authselectmode require", set chrony.authselectmode = "require".'
            )
        if report is None:
            told = next((line for line in reversed(text.splitlines()) if line.strip()), "nothing")
            told = printable(told[:100])
            return self._failed(f"ended with {code}, saying: {told}; see whether chronyd runs.")
        if not report.sources:
            return self._failed("no authenticated source answers; see chronyc sources and authdata.")
        self._wake_ns = self._asked_ns + INTERVAL_NS
        events: list[Event] = []
        if self._trouble:
            self._trouble = ""
            events.append(PortChange(*when, port=self.name, up=True, reason="chronyd answers"))
        took_ns = (when[0] - self._asked_ns) // _SLEW + 1
        for one in report.sources:
            events.append(
                SourceReport(
                    *when,
                    port=self.name,
                    peer=one.peer,
                    offset_ns=one.offset_ns,
                    error_ns=one.error_ns + took_ns,
                    age_s=one.age_s,
                    auth=True,
                    leap=report.leap,
                    reach=one.reach,
                )
            )
        return events

    def _failed(self, reason: str) -> list[Event]:
        """No report this time. Told once, and again when the reason changes."""
        self._wake_ns = self._asked_ns + _AGAIN_NS
        reason = f"{self._settings.command}: {reason}"
        before, self._trouble = self._trouble, reason
        return [] if reason == before else [PortChange(*stamp.now(), port=self.name, up=False, reason=reason)]
