"""What survives a restart: the core's memory in one file, replaced as a whole."""

import json
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress

from refclock.errors import ConfigError
from refclock.sinks.journal import ERR, NOTICE
from refclock.units import NS_PER_S

_VERSION = 1
_KEY = "refclock_state"
_MAX_SIZE = 1 << 20
_WRITE_BY_OTHERS = 0o022
# Between two writes at changes of mode, and between two while the mode stays.
_CHANGED_NS = 60 * NS_PER_S
_STEADY_NS = 600 * NS_PER_S


class StateFile:
    """Reads the memory once, and writes it: at once when ``urgent``, within 60 s of a change of mode, each
    10 min otherwise.

    Writing is tmp, fsync, rename, fsync of the directory (mode 0600). An fsync may take seconds on a busy
    disk and does hold the loop: the edges' stamps are the kernel's and do not suffer, a turn over its
    budget is counted, and chrony waits for nobody.
    """

    def __init__(self, path: str, log: Callable[[int, str], None]) -> None:
        self.path = path
        self._log = log
        self._written_raw_ns: int | None = None
        self._last: Mapping[str, object] | None = None
        self._trouble = ""

    def _damaged(self, problem: str) -> ConfigError:
        return ConfigError(
            f"{self.path}: {problem}. The state says what was vetted and whether the daemon is locked: find "
            "out why it changed; then remove the file to start as on the first day, or restore a backup."
        )

    def load(self) -> dict[str, object] | None:
        """The memory, or None when there is no file yet. Raises ConfigError for one not to be trusted."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._damaged(f"cannot be read: {error.strerror}") from None
        with open(fd, "rb") as file:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                raise self._damaged("is not a regular file")
            if facts.st_uid not in (0, os.geteuid()) or facts.st_mode & _WRITE_BY_OTHERS:
                raise self._damaged(
                    f"belongs to uid {facts.st_uid} with mode {stat.S_IMODE(facts.st_mode):04o}, expected "
                    f"uid {os.geteuid()} or root and no one else to write it"
                )
            data = file.read(_MAX_SIZE + 1)
        try:
            document = json.loads(data) if len(data) <= _MAX_SIZE else None
        except (ValueError, RecursionError) as error:
            raise self._damaged(f"is damaged: {error}") from None
        if not isinstance(document, dict) or not isinstance(document.get("memory"), dict):
            raise self._damaged("is damaged: no refclock state in it")
        if document.get(_KEY) != _VERSION:
            raise self._damaged(f"has state format {document.get(_KEY)!r}, this version reads {_VERSION}")
        self._last = document["memory"]
        memory: dict[str, object] = document["memory"]
        return memory

    def tend(
        self, raw_ns: int, memory: Callable[[], Mapping[str, object]], mode_changed: bool, urgent: bool
    ) -> bool:
        """Write if it is time to. True once a change of mode is on disk (or need not be)."""
        if not urgent and self._written_raw_ns is not None:
            pause = _CHANGED_NS if mode_changed else _STEADY_NS
            if raw_ns - self._written_raw_ns < pause:
                return not mode_changed
        self._written_raw_ns = raw_ns
        return self.save(memory())

    def save(self, memory: Mapping[str, object]) -> bool:
        """Replace the file, unless it already says so. False, and a line in the log, when that failed."""
        if memory == self._last:
            return True
        text = json.dumps({_KEY: _VERSION, "memory": dict(memory)}, indent=1) + "\n"
        temporary = f"{self.path}.new"
        try:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
            directory = os.open(os.path.dirname(self.path) or ".", os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError as error:
            trouble = error.strerror or str(error)
            if trouble != self._trouble:
                self._log(ERR, f"{self.path}: state not saved: {trouble}; mend it, a restart would forget")
            self._trouble = trouble
            return False
        if self._trouble:
            self._log(NOTICE, f"{self.path}: state saved again")
        self._trouble, self._last = "", json.loads(text)["memory"]
        return True
