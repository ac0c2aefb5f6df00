"""A replay cache that stays right when the clock is set back, and outlives crashes and reboots."""

import hashlib
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from refclock.errors import RefclockError
from refclock.units import NS_PER_S

SKEW_S = 300
_FORMAT = 1
# Beyond it the file holds no number; nobody's ticket lives so long.
_FARTHEST_NS = 1 << 62
_BUSY_S = 5.0
_DIGEST_SIZE = 20
_WRITABLE_BY_OTHERS = 0o022
_TABLES = """
CREATE TABLE seen (stamp_ns INTEGER, digest BLOB, PRIMARY KEY (stamp_ns, digest)) WITHOUT ROWID;
CREATE TABLE memory (floor_ns INTEGER NOT NULL, latest_ns INTEGER NOT NULL);
"""


class ReplayCacheError(RefclockError):
    """The cache cannot be asked: whoever presents an authenticator is to be refused."""

    exit_status = 1


class Judgement(Enum):
    """What an authenticator is worth. Only ACCEPTED lets anybody in."""

    ACCEPTED = "accepted"
    REPLAYED = "it was presented before"
    DISCARDED = "it is no later than what was discarded"
    STALE = "its time is too long ago"
    EARLY = "its time is too far ahead"


class ReplayCache:
    """Every authenticator once. One file, for all processes of a server.

    Clause 4 (numbers as in docs/requirements.md): the newest time stamp that was ever discarded is kept, and
    nothing as old or older is accepted, so a clock that is set back opens no door. Clause 5: what has
    expired is kept for ``retain_s`` more, so a clock that is set back by less than that locks nobody out.
    Clause 6: ``set_back_ns`` tells by how much the clock is behind the latest time that was ever judged at.
    Clause 7: an authenticator that is refused, for being early or late, is remembered like any other, and is
    not accepted later.

    It promises that only as long as the file is not lost. So a new one accepts nothing that a lost one may
    have accepted: no time stamp before its own beginning and one skew more. ``new_key=True`` says that there
    is nothing to fear, because the service's key is new (clause 36). Its directory must be the server's
    alone.

    Each judgement is on the disk before it is returned. Threads may share one, and a process that was forked
    opens the file for itself.
    """

    def __init__(
        self,
        path: str,
        *,
        skew_s: int = SKEW_S,
        retain_s: int = SKEW_S,
        clock: Callable[[], int] = time.time_ns,
        new_key: bool = False,
    ) -> None:
        """``clock`` gives POSIX ns: the clock that tickets are judged by, and that may be set back. Raises
        ReplayCacheError for a file that is foreign, damaged, or open to others for writing."""
        self._path, self._clock = path, clock
        self._skew_ns, self._retain_ns = skew_s * NS_PER_S, retain_s * NS_PER_S
        self._new_key = new_key
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._file: sqlite3.Connection | None = None
        # What a forked process got from its parent: not used, and not closed either, as SQLite wants it.
        self._inherited: list[sqlite3.Connection | None] = []
        with self._transaction():
            pass

    def judge(self, authenticator: bytes, stamp_ns: int) -> Judgement:
        """Judge an authenticator, and remember it. ``authenticator`` is what was sent, encrypted as it was,
        and ``stamp_ns`` the time stamp in it (ctime and cusec, POSIX ns), after it was decrypted: what
        nobody with a key has made must not get here. Raises ReplayCacheError, which is a refusal."""
        stamp_ns = max(-_FARTHEST_NS, min(stamp_ns, _FARTHEST_NS))
        digest = hashlib.blake2b(authenticator, digest_size=_DIGEST_SIZE).digest()
        with self._transaction() as file:
            now_ns = self._clock()
            floor_ns, _ = self._forget(file, now_ns)
            if stamp_ns <= floor_ns:
                return Judgement.DISCARDED
            seen = "SELECT 1 FROM seen WHERE stamp_ns = ? AND digest = ?"
            if file.execute(seen, (stamp_ns, digest)).fetchone():
                return Judgement.REPLAYED
            if stamp_ns < self._kept_from(now_ns):
                # Refused now and, by the floor, ever after: as if it had been kept and discarded.
                file.execute("UPDATE memory SET floor_ns = ?", (stamp_ns,))
                return Judgement.STALE
            file.execute("INSERT INTO seen VALUES (?, ?)", (stamp_ns, digest))
        if stamp_ns < now_ns - self._skew_ns:
            return Judgement.STALE
        return Judgement.EARLY if stamp_ns > now_ns + self._skew_ns else Judgement.ACCEPTED

    @property
    def set_back_ns(self) -> int:
        """By how much the clock is behind the latest that was judged by; 0 as a rule. More than the skew and
        ``retain_s`` keeps honest clients out until the clock is there again, or the key is changed."""
        with self._transaction() as file:
            (latest_ns,) = file.execute("SELECT latest_ns FROM memory").fetchone()
        return max(0, int(latest_ns) - self._clock())

    def forget_all(self) -> None:
        """Begin anew: only when the services' keys were changed and no old authenticator can be used any
        more (clauses 35 and 36)."""
        with self._transaction() as file:
            file.execute("DELETE FROM seen")
            file.execute("UPDATE memory SET floor_ns = 0, latest_ns = ?", (self._clock(),))

    def close(self) -> None:
        """Let go of the file."""
        self._after_fork()
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def _kept_from(self, now_ns: int) -> int:
        return now_ns - self._skew_ns - self._retain_ns

    def _forget(self, file: sqlite3.Connection, now_ns: int) -> tuple[int, int]:
        """Discard what is old enough; returns the newest that ever was, and the latest time."""
        limit_ns = self._kept_from(now_ns)
        floor_ns, latest_ns = file.execute("SELECT floor_ns, latest_ns FROM memory").fetchone()
        old = "FROM seen WHERE stamp_ns < ?"
        (newest,) = file.execute(f"SELECT MAX(stamp_ns) {old}", (limit_ns,)).fetchone()
        if newest is not None:
            file.execute(f"DELETE {old}", (limit_ns,))
            floor_ns = max(floor_ns, newest)
        latest_ns = max(latest_ns, now_ns)
        file.execute("UPDATE memory SET floor_ns = ?, latest_ns = ?", (floor_ns, latest_ns))
        return floor_ns, latest_ns

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """The file, for this process alone until the end, when all is on the disk."""
        self._after_fork()
        with self._lock:
            try:
                file = self._file = self._file or self._open()
                with _whole(file):
                    yield file
            except (sqlite3.Error, OSError) as error:
                raise ReplayCacheError(
                    f"{self._path}: the replay cache cannot be asked ({error}), so nobody may be let in; "
                    "mend it, or change the service's keys and make a new one."
                ) from None

    def _after_fork(self) -> None:
        if self._pid != os.getpid():
            # Another thread of the parent's may have held the lock.
            self._pid, self._lock = os.getpid(), threading.Lock()
            self._inherited.append(self._file)
            self._file = None

    def _open(self) -> sqlite3.Connection:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            found = os.fstat(handle)
        finally:
            os.close(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_mode & _WRITABLE_BY_OTHERS:
            raise OSError("others than its owner may write it")
        # Autocommit: the transactions are written out here. Threads take turns by our own lock.
        file = sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            # FULL would let a power cut bring back the journal of a transaction that was told as done.
            file.execute("PRAGMA synchronous = EXTRA")
            self._prepare(file)
        except BaseException:
            file.close()
            raise
        return file

    def _prepare(self, file: sqlite3.Connection) -> None:
        """Make the tables, once, whoever comes first."""
        with _whole(file):
            (version,) = file.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in filter(str.strip, _TABLES.split(";")):
                    file.execute(statement)
                now_ns = self._clock()
                floor_ns = 0 if self._new_key else now_ns + self._skew_ns
                file.execute("INSERT INTO memory VALUES (?, ?)", (floor_ns, now_ns))
                file.execute(f"PRAGMA user_version = {_FORMAT}")
            elif version != _FORMAT:
                raise OSError(f"it is of version {version}; this program knows {_FORMAT}")


@contextmanager
def _whole(file: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing. Some errors end a transaction by themselves."""
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
        file.execute("COMMIT")
    finally:
        if file.in_transaction:
            file.execute("ROLLBACK")
