"""The real daemon as a child process beside the emulated world."""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

_STOP_S = 5.0
CONFIG, STATE, LOG = "refclock.toml", "state.json", "refclock.log"
CAPTURE, DECISIONS = "capture.jsonl", "decisions.jsonl"
# It has no service manager to talk to: ours is not its own.
_HIDDEN = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM")


class Daemon:
    """A context in which ``refclock run`` runs with the configuration in ``directory``, where it leaves
    its capture, its decisions and its log; for ``seconds`` at most, should nobody stop it."""

    def __init__(self, directory: Path, seconds: int) -> None:
        self._directory, self._seconds = directory, seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [*_refclock("run"), "--config", CONFIG, "--capture", CAPTURE, "--decisions", DECISIONS]
        with (self._directory / LOG).open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--seconds", str(self._seconds)],
                cwd=self._directory, env=_environment(), start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def ended(self) -> bool:
        """True once the process is gone."""
        return self._process is None or self._process.poll() is not None

    def stop(self) -> int | None:
        """End it, by its process id; returns its exit status, None when it had to be killed."""
        process, self._process = self._process, None
        if process is None:
            return None
        process.terminate()
        try:
            return process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return None

    def log(self) -> str:
        """What it wrote on standard error."""
        return (self._directory / LOG).read_text(errors="replace")

    def last_words(self) -> str:
        """The last line of its log."""
        told = self.log().strip().splitlines()
        return told[-1] if told else "it said nothing"


def verify_replay(directory: Path) -> str:
    """Replay the capture; "" when it yields the very decisions of the live run, else what is wrong."""
    done = subprocess.run(
        [*_refclock("replay"), "--verify", CAPTURE],
        cwd=directory, env=_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip() or "replay failed"


def _refclock(verb: str) -> list[str]:
    return [sys.executable, "-m", "refclock", verb]


def _environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key not in _HIDDEN}
