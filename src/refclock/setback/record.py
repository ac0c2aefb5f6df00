"""The record of a set-back: one line of JSON for each thing that happened, in order, on the disk at once.

Each line has a digest over itself and the line before, so that a cut, an edit or an exchange is noticed; not
against root, who can write them all anew. The file is replaced as a whole for each line, so that no crash
leaves half a one. Several procedures follow each other in one file.
"""

import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Mapping

from refclock.bounded import this_boot
from refclock.errors import ConfigError, PortError
from refclock.ports import stamp
from refclock.runtime.seal import UnfitError, read_whole, replace_whole

VERSION = 1
BEGUN, DONE, UNDONE, NOTED, ABANDONED, FINISHED = (
    "begun", "done", "undone", "noted", "abandoned", "finished",
)  # fmt: skip
_KINDS = (BEGUN, DONE, UNDONE, NOTED, ABANDONED, FINISHED)
_MACHINE_ID = "/etc/machine-id"

Fields = dict[str, object]


class RecordError(ConfigError):
    """The record cannot be used as it lies there."""


class Record:
    """A file of what happened. ``lines`` are all of it, the oldest first."""

    def __init__(self, path: str, machine_id: str = _MACHINE_ID) -> None:
        """Raises RecordError for a file that was cut, edited, or made on another host."""
        self.path = path
        self._host = _host(machine_id)
        self._lock_fd: int | None = None
        self.lines: list[Fields] = []
        self._read()

    @property
    def current(self) -> list[Fields]:
        """The lines of the procedure that is open; none where none is."""
        for at in range(len(self.lines) - 1, -1, -1):
            if self.lines[at]["what"] in (ABANDONED, FINISHED):
                return []
            if self.lines[at]["what"] == BEGUN:
                return self.lines[at:]
        return []

    def hold(self) -> None:
        """Keep other processes from going on with it, and read it anew. Raises PortError where another one
        does, or where its directory is not there."""
        directory = os.path.dirname(self.path) or "."
        try:
            self._lock_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise PortError(f"{self.path}: another refclock setback is at work; only one may be.") from None
        except OSError as error:
            raise PortError(
                f"{directory}: {error.strerror}; make it (mode 0700), or name another --record."
            ) from None
        self._read()

    def release(self) -> None:
        """Let others go on."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def add(self, what: str, **more: object) -> None:
        """Write one more line; it is on the disk before this returns. Raises PortError."""
        raw_ns, real_ns, _ = stamp.now()
        previous = str(self.lines[-1]["digest"]) if self.lines else ""
        line: Fields = {
            "refclock_setback": VERSION, "number": len(self.lines), "what": what,
            "real_ns": real_ns, "raw_ns": raw_ns, "boot": this_boot().hex(), "host": self._host,
            **more, "previous": previous,
        }  # fmt: skip
        line["digest"] = _digest(line)
        lines = [*self.lines, line]
        try:
            replace_whole(self.path, "".join(json.dumps(one) + "\n" for one in lines).encode())
        except OSError as error:
            raise PortError(
                f"{self.path}: cannot be written: {error.strerror or error}. Nothing goes on without its "
                "record: mend it, or name another --record before you begin."
            ) from None
        self.lines = lines

    def _read(self) -> None:
        try:
            data = read_whole(self.path) or b""
        except UnfitError as unfit:
            raise RecordError(f"{self.path}: {unfit}.") from None
        lines: list[Fields] = []
        previous = ""
        for number, text in enumerate(data.splitlines(keepends=True)):
            line = _line(text)
            where = f"{self.path}, line {number + 1}"
            if line is None or not text.endswith(b"\n"):
                raise RecordError(f"{where}: was cut off, or is no record of refclock setback. {_MEND}")
            if line.get("refclock_setback") != VERSION:
                raise RecordError(f"{where}: expected version {VERSION}; another refclock wrote it.")
            told = line.get("digest"), line.get("previous"), line.get("number")
            if told != (_digest(line), previous, number) or line.get("what") not in _KINDS:
                raise RecordError(f"{where}: was changed after it was written. {_MEND}")
            if line.get("host") != self._host:
                raise RecordError(
                    f"{where}: was written on another host (this one is {socket.gethostname()}). {_MEND}"
                )
            previous = str(line["digest"])
            lines.append(line)
        self.lines = lines


_MEND = (
    "Do not go on by it: stop what depends on the clock, move the file away, and begin anew; keys that were "
    "changed already are then changed once more."
)


def _line(text: bytes) -> Fields | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


def _digest(line: Mapping[str, object]) -> str:
    content = {key: value for key, value in line.items() if key != "digest"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _host(machine_id: str) -> str:
    """This host, without telling its machine-id(5), which is not to be passed on."""
    try:
        with open(machine_id, encoding="ascii", errors="replace") as file:
            told = file.read(64).strip()
    except OSError:
        told = ""
    name = told or socket.gethostname()
    return hashlib.blake2b(name.encode(), person=b"refclock-setback", digest_size=16).hexdigest()
