"""Time that may be relied upon: ``refclock.now()`` says what UTC is, how closely that is known, and why.

No network, no daemon is asked: it reads a file that the daemon keeps up to date in shared memory
(wire.timefile), and the host's raw counter. What cannot be vouched for is an error, never a guess.
"""

import math
import mmap
import os
import stat
from dataclasses import dataclass
from time import CLOCK_BOOTTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, clock_gettime_ns
from typing import TYPE_CHECKING

from refclock.errors import BoundExceededError, NotVettedError, RefclockError
from refclock.units import NS_PER_S, show_ns
from refclock.wire.timefile import NO_TIME, SIZE, TimeRecord, decode

if TYPE_CHECKING:
    from datetime import datetime, timedelta

# Where the daemons of a host keep what others read: NAME.time and NAME.sock of each.
DIRECTORY = "/run/refclock"
BOOT_ID = "/proc/sys/kernel/random/boot_id"
TIME_NAMESPACE = "/proc/self/ns/time"
# A record is written in a microsecond; who finds it torn so often finds something else.
_TRIES = 100
# CLOCK_BOOTTIME and CLOCK_MONOTONIC are read one after the other; a suspension takes longer.
_SUSPENSION_NS = 1_000_000
# So close to each other two readings of a clock usually are, with nothing else between them.
_CLOSE_NS = 100_000
_WRITABLE_BY_OTHERS = 0o022
_MOST_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class BoundedTime:
    """UTC lay from ``earliest_ns`` to ``latest_ns`` when the call was made (POSIX ns), and most likely at
    ``utc_ns``. ``state`` is the daemon's mode: "vetted", "degraded" (a witness is missing) or "holdover" (no
    receiver: the bound grows). ``chain`` says what it rests on: "receiver:...", "pps:...", "witness:...",
    "counter:...", "profile:..."."""

    utc_ns: int
    earliest_ns: int
    latest_ns: int
    state: str
    chain: tuple[str, ...]

    @property
    def bound_ns(self) -> int:
        """How far UTC may be from ``utc_ns``."""
        return max(self.latest_ns - self.utc_ns, self.utc_ns - self.earliest_ns)

    @property
    def utc(self) -> "datetime":
        """``utc_ns`` as an aware datetime, to the microsecond below."""
        return _datetime(self.utc_ns // 1000)

    @property
    def earliest(self) -> "datetime":
        """No time before this one is possible."""
        return _datetime(self.earliest_ns // 1000)

    @property
    def latest(self) -> "datetime":
        """No time after this one is possible."""
        return _datetime(-(-self.latest_ns // 1000))

    def before(self, instant_ns: int) -> bool:
        """Certainly before an instant (POSIX ns): a ticket that ends then is still good."""
        return self.latest_ns < instant_ns

    def after(self, instant_ns: int) -> bool:
        """Certainly after an instant (POSIX ns): a ticket that ended then is good no more."""
        return self.earliest_ns > instant_ns


_NOTHING = TimeRecord(0, 0, 0, 0, 0, 0, 0, 0, 0, b"", NO_TIME, 0, ())


class TimeReader:
    """Reads one daemon's time file, mapped into memory once."""

    def __init__(self, path: str) -> None:
        """Raises NotVettedError where there is no file, or one that anybody may have written."""
        self.path = path
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise NotVettedError(
                f"{path}: {error.strerror}; start `refclock run` with [time] file set, or name its file."
            ) from None
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode) or found.st_size != SIZE:
                raise NotVettedError(f"{path}: is no time file of refclock's.")
            if found.st_mode & _WRITABLE_BY_OTHERS:
                raise NotVettedError(f"{path}: others than its owner may write it, so it says nothing.")
            self._memory = mmap.mmap(handle, SIZE, mmap.MAP_SHARED, mmap.PROT_READ)
        finally:
            os.close(handle)
        self.inode = (found.st_dev, found.st_ino)
        self._boot, self._namespace = this_boot(), this_namespace()
        # The last record that was read, as bytes and decoded, with what is wrong with it: it changes once a
        # second. One tuple, so that no other thread sees a part of it.
        self._latest: tuple[bytes, TimeRecord, str] = b"", _NOTHING, ""

    def now(self, max_error: "float | timedelta" = 1.0) -> BoundedTime:
        """As refclock.now."""
        latest = self._latest
        if self._memory[:] != latest[0]:
            latest = self._read()
        _, record, refusal = latest
        if refusal:
            raise NotVettedError(f"{self.path}: {refusal}")
        for _ in range(_TRIES):
            monotonic_ns = clock_gettime_ns(CLOCK_MONOTONIC)
            # The raw counter stands still while the machine is suspended: so none must have been since.
            slept_ns = clock_gettime_ns(CLOCK_BOOTTIME) - monotonic_ns - record.suspended_ns
            if -_SUSPENSION_NS < slept_ns < _SUSPENSION_NS:
                break
        else:
            raise NotVettedError(f"{self.path}: the machine was suspended since it was written.")
        raw_ns = clock_gettime_ns(CLOCK_MONOTONIC_RAW)
        if not record.raw_ns <= raw_ns <= record.void_after_ns:
            late = show_ns(raw_ns - record.void_after_ns).lstrip("+")
            raise NotVettedError(f"{self.path}: void for {late}: the daemon is gone, or hangs.")
        earliest_ns, utc_ns, latest_ns = record.at(raw_ns)
        limit_ns = NS_PER_S if max_error == 1.0 else _nanoseconds(max_error)
        if latest_ns - utc_ns > limit_ns or utc_ns - earliest_ns > limit_ns:
            raise self._too_wide(max(latest_ns - utc_ns, utc_ns - earliest_ns), limit_ns)
        return BoundedTime(utc_ns, earliest_ns, latest_ns, record.state, record.chain)

    def _read(self) -> tuple[bytes, TimeRecord, str]:
        """A new record, read whole, and what is wrong with it for as long as it stands."""
        for _ in range(_TRIES):
            data = self._memory[:]
            record = decode(data)
            if record is not None:
                latest = self._latest = data, record, self._judged(record)
                return latest
        raise NotVettedError(f"{self.path}: holds no whole record of this version's.")

    def _judged(self, record: TimeRecord) -> str:
        if record.state == NO_TIME:
            return "the daemon vouches for no time now; see `refclock status`."
        if record.boot != self._boot or record.namespace != self._namespace:
            return "was written in another boot, or another time namespace."
        return ""

    def _too_wide(self, bound_ns: int, limit_ns: int) -> BoundExceededError:
        known, wanted = (show_ns(one).lstrip("+") for one in (bound_ns, limit_ns))
        return BoundExceededError(
            f"{self.path}: UTC is known to {known} only, and {wanted} is wanted.", bound_ns
        )

    @property
    def replaced(self) -> bool:
        """Whether the path names another file by now: the daemon was started anew."""
        try:
            found = os.stat(self.path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) != self.inode

    def close(self) -> None:
        """Let go of the memory."""
        self._memory.close()


# None is the file of the host's only daemon.
_readers: dict[str | None, TimeReader] = {}


def only_file(suffix: str, what: str, error: type[RefclockError]) -> str:
    """The one ``NAME.suffix`` in DIRECTORY (or ``suffix`` itself). Raises ``error`` where there is none, or
    several, of what is called ``what``."""
    try:
        names = sorted(name for name in os.listdir(DIRECTORY) if name.rpartition(".")[2] == suffix)
    except OSError as problem:
        raise error(f"{DIRECTORY}: {problem.strerror}; start refclock, or name its {what}.") from None
    if not names:
        raise error(f"{DIRECTORY}: no {what} is there; start refclock, or name its {what}.")
    if len(names) > 1:
        raise error(f"{DIRECTORY}: several daemons have a {what} there ({', '.join(names)}); name one.")
    return f"{DIRECTORY}/{names[0]}"


def suspended_ns() -> int:
    """For how long the machine was suspended since it booted, in ns, to some microseconds: the closest of a
    few pairs of readings of the clock that counts suspensions and of the one that does not."""
    best_ns, told_ns = 1 << 62, 0
    for _ in range(_TRIES):
        before_ns = clock_gettime_ns(CLOCK_MONOTONIC)
        since_boot_ns = clock_gettime_ns(CLOCK_BOOTTIME)
        took_ns = clock_gettime_ns(CLOCK_MONOTONIC) - before_ns
        if took_ns < best_ns:
            best_ns, told_ns = took_ns, since_boot_ns - before_ns
        if took_ns < _CLOSE_NS:
            break
    return told_ns


def now(max_error: "float | timedelta" = 1.0, *, path: str | None = None) -> BoundedTime:
    """UTC with its bound, as the refclock daemon of this host vouches for it.

    ``max_error`` (seconds, or a timedelta) is how far UTC may be off for the caller's purpose; ``path`` the
    daemon's [time] file, where the host has several (the only one in /run/refclock). Raises NotVettedError
    where nobody vouches for a time, BoundExceededError where it is known less closely than that: both are
    TimeUnavailableError. Nothing is asked over a network, and nothing waits. Safe in threads, and after a
    fork.
    """
    reader = _readers.get(path)
    if reader is None:
        reader = _readers[path] = TimeReader(path or _time_file())
    try:
        return reader.now(max_error)
    except NotVettedError:
        found = path or _time_file()
        if found == reader.path and not reader.replaced:
            raise
        # Not closed here: another thread may be reading it.
        reader = _readers[path] = TimeReader(found)
        return reader.now(max_error)


def _time_file() -> str:
    return only_file("time", "time file", NotVettedError)


def get_server_time(max_error: "float | timedelta" = 1.0) -> BoundedTime:
    """The server's time, traceable: what ``now`` says, or its error, and never the bare system clock."""
    return now(max_error)


def this_boot() -> bytes:
    """This boot's id, 16 bytes; zeros where the kernel does not tell it."""
    try:
        with open(BOOT_ID, encoding="ascii") as file:
            return bytes.fromhex(file.read(64).strip().replace("-", "")).ljust(16, b"\0")[:16]
    except (OSError, ValueError):
        return bytes(16)


def this_namespace() -> int:
    """The inode of this process's time namespace, in which CLOCK_MONOTONIC_RAW may be shifted
    (time_namespaces(7)); 0 on a kernel without them."""
    try:
        return os.stat(TIME_NAMESPACE).st_ino
    except OSError:
        return 0


def _nanoseconds(limit: "float | timedelta") -> int:
    """A caller's limit, rounded down. Raises ValueError for what is no number."""
    seconds = limit if isinstance(limit, (int, float)) else limit.total_seconds()
    return math.floor(min(seconds, _MOST_S) * NS_PER_S)


def _datetime(microseconds: int) -> "datetime":
    # Only for those who want one: the daemon, which is told its boot by this module, does not.
    from datetime import UTC, datetime, timedelta  # noqa: PLC0415

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
