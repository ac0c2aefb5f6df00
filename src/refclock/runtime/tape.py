"""The capture of a running daemon: each event before it is acted on, and never a reason to stop."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from refclock.digest import sha256
from refclock.errors import CaptureError
from refclock.jsonform import decision_line
from refclock.model import Decision, Event
from refclock.sinks.journal import ERR
from refclock.units import NS_PER_S

_FLUSH_NS = 10 * NS_PER_S


class Recorder(Protocol):
    """What is asked of a capture: refclock.capture.CaptureWriter."""

    def write(self, event: Event) -> None: ...
    def flush(self) -> None: ...
    def close(self, decisions: int | None = None, decisions_sha256: str | None = None) -> None: ...


class Tape:
    """Writes events to a recorder until that fails, and counts and digests the decisions made on them.

    The digest is SHA-256 over each decision's line with its newline; ``replay --verify`` compares it.
    """

    def __init__(self, recorder: Recorder | None, log: Callable[[int, str], None], decides: bool) -> None:
        self.state = "writing" if recorder else "none"
        self.decisions = 0
        self._recorder = recorder
        self._log = log
        self._flushed_ns = 0
        self._digest: Callable[[], str] | None = None
        self._update: Callable[[bytes], object] | None = None
        if recorder is not None and decides:
            digest = sha256()
            self._digest, self._update = digest.hexdigest, digest.update

    @property
    def failed(self) -> bool:
        """A capture was wanted and could not be kept up."""
        return self.state not in ("writing", "none")

    def event(self, event: Event) -> None:
        """Append an event."""
        if self._recorder is None:
            return
        try:
            self._recorder.write(event)
            if event.raw_ns - self._flushed_ns >= _FLUSH_NS:
                self._flushed_ns = event.raw_ns
                self._recorder.flush()
        except (OSError, CaptureError) as error:
            self._drop(error)

    def decision(self, decision: Decision) -> None:
        """Take a decision into the digest."""
        self.decisions += 1
        if self._update is not None:
            self._update(f"{decision_line(decision)}\n".encode())

    def _drop(self, error: Exception) -> None:
        """Disks fill. What was written replays as far as it goes."""
        recorder, self._recorder, self._update = self._recorder, None, None
        self.state = f"dropped: {error}"
        self._log(ERR, f"the capture ends here: {error}")
        if recorder is not None:
            with suppress(OSError, CaptureError):
                recorder.close()

    def close(self) -> None:
        """Write the footer."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        try:
            if self._digest is None:
                recorder.close()
            else:
                recorder.close(self.decisions, self._digest())
        except (OSError, CaptureError) as error:
            self.state = f"without footer: {error}"
            self._log(ERR, f"the capture lacks its footer: {error}")
