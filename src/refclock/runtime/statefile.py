"""What survives a restart: the core's memory and the limits last in force, sealed against edits.

Three files. ``PATH`` holds the state; ``PATH.key`` a random key of 32 bytes, made once; ``PATH.seq`` counts
the states written and names the last one by its seal. Each state carries its number and the seal of the
state before it. So an edit, a truncation, a deletion and the return of an older state are noticed, unless
state and count go back together, or all three go (docs/threat-model.md says what that leaves open).
"""

import fcntl
import os
from collections.abc import Callable, Mapping

from refclock.errors import ConfigError
from refclock.runtime.seal import KEY_SIZE, Fields, UnfitError, opened, read_whole, replace_whole, sealed
from refclock.sinks.journal import ERR, NOTICE
from refclock.units import NS_PER_S

VERSION = 2
_STATE, _COUNTER = "refclock-state", "refclock-seq"  # BLAKE2's personalisation: at most 16 bytes
# Between two writes at changes of mode, and between two while the mode stays.
_CHANGED_NS = 60 * NS_PER_S
_STEADY_NS = 600 * NS_PER_S


class StateFile:
    """Reads the state once, and writes it: at once when ``urgent``, within 60 s of a change of mode, each
    10 min otherwise.

    ``confirmed`` is the table of limits last in force (refclock.policy.confirmed), None where none is
    remembered; ``tampered`` says what was wrong with the seals, or nothing. An fsync may take seconds on a
    busy disk and does hold the loop: the edges' stamps are the kernel's and do not suffer, a turn over its
    budget is counted, and chrony waits for nobody.
    """

    def __init__(self, path: str, log: Callable[[int, str], None]) -> None:
        self.path = path
        self.confirmed: Fields | None = None
        self._devices: dict[str, Fields] = {}
        self._learnt = False
        self.tampered = ""
        self._log = log
        self._key = b""
        self._seq = 0
        self._head = ""
        self._floor = 0
        self._behind = False
        self._loaded = False
        self._memory: Fields | None = None
        self._lock_fd: int | None = None
        self._holding = False
        self._written_raw_ns: int | None = None
        self._last: tuple[Mapping[str, object], Fields | None, dict[str, Fields]] | None = None
        self._trouble = ""

    # ---- reading ----------------------------------------------------------------------------------

    def load(self) -> Fields | None:
        """The memory as the core's ``restore`` takes it; None on the first day. Read once; writes nothing.

        Where a seal is broken only what is still sealed counts, and of that only the floor. Raises
        ConfigError for files that cannot be read, or that others may write.
        """
        if not self._loaded:
            self._memory, self._loaded = self._load(), True
        return self._memory

    def _load(self) -> Fields | None:
        # The count before the state: a daemon that writes meanwhile is then seen one ahead, and not behind.
        key, counter, state = (self._read(suffix) for suffix in (".key", ".seq", ""))
        if key is None and state is None and counter is None:
            return None
        self._key = key if key is not None and len(key) == KEY_SIZE else b""
        found = opened(self._key, _STATE, state) if self._key and state is not None else None
        count = opened(self._key, _COUNTER, counter) if self._key and counter is not None else None
        self.tampered = self._judge(key, state, counter, found, count)
        seqs = [self._integer(one, "seq") for one in (found, count) if one is not None]
        self._seq = max(seqs, default=0)
        self._floor = max((self._integer(one, "floor_utc_ns") for one in (found, count) if one), default=0)
        self._head = str(found["mac"]) if found else ""
        self._behind = count is None or self._integer(count, "seq") < self._seq
        if self.tampered:
            self._behind = bool(self._key)
            self._log(
                ERR,
                f"{self.path}: {self.tampered}. Locking: find out who changed it, then refclock rearm. "
                "What was enrolled and confirmed is forgotten with it.",
            )
            return {"floor_utc_ns": self._floor, "tampered": self.tampered}
        if found is None:
            return None
        memory, confirmed = found.get("memory"), found.get("confirmed")
        self.confirmed = confirmed if isinstance(confirmed, dict) else None
        kept: Fields = memory if isinstance(memory, dict) else {}
        devices = found.get("devices")
        self._devices = dict(devices) if isinstance(devices, dict) else {}
        self._last = kept, self.confirmed, dict(self._devices)
        return kept

    def _read(self, suffix: str) -> bytes | None:
        try:
            return read_whole(self.path + suffix)
        except UnfitError as unfit:
            raise ConfigError(
                f"{self.path}{suffix}: {unfit}. The state says what was vetted and whether the daemon is "
                "locked: find out why it changed, and mend owner and mode."
            ) from None

    def _judge(
        self, key: bytes | None, state: bytes | None, counter: bytes | None,
        found: Fields | None, count: Fields | None,
    ) -> str:  # fmt: skip
        """What was tampered with, or nothing."""
        if key is None:
            return "the key is gone, and what it sealed cannot be told from a forgery"
        if not self._key:
            return f"the key was changed: {len(key)} bytes, expected {KEY_SIZE}"
        if None not in (state, counter) and found is None and count is None:
            return "neither the state nor its count bears the key's seal: one was changed, or all were"
        if counter is not None and count is None:
            return "the count of states was edited or cut off"
        if state is None:
            fresh = count is not None and self._integer(count, "seq") == 0
            return "" if fresh else "the state was deleted"
        if found is None:
            return "the state was edited or cut off"
        if found.get("refclock_state") != VERSION:
            return f"the state has format {found.get('refclock_state')!r}, this version reads {VERSION}"
        seq = self._integer(found, "seq")
        if count is None:
            # Stopped between the first state and its count, or the count was taken away.
            return "" if seq == 1 else "the count of states was deleted"
        counted, head = self._integer(count, "seq"), count.get("head")
        if seq < counted:
            return f"the state was rolled back: it is number {seq} of {counted}"
        if seq == counted:
            return "" if found["mac"] == head else f"the state was exchanged for another number {seq}"
        # Stopped between the two writes: the state is the one that follows the one counted.
        follows = seq == counted + 1 and found.get("prev") == head
        return "" if follows else f"the count of states was rolled back: {counted} of {seq}"

    @staticmethod
    def _integer(fields: Fields, key: str) -> int:
        value = fields.get(key)
        return value if type(value) is int else 0

    def recall(self, port: str) -> Fields | None:
        """Which device was behind a port when it was last open (refclock.ports.identity)."""
        return self._devices.get(port)

    def learn(self, port: str, fields: Mapping[str, object]) -> None:
        """Remember which one is now; it is written at the next opportunity."""
        if self._devices.get(port) != fields:
            self._devices[port], self._learnt = dict(fields), True

    # ---- writing ----------------------------------------------------------------------------------

    def hold(self) -> None:
        """Make the key where there are no files yet, and keep every other process from writing them while
        this one lives. Raises ConfigError when another one does."""
        self._holding = True
        try:
            if not any(os.path.lexists(self.path + suffix) for suffix in (".key", "", ".seq")):
                self._begin()
            elif os.path.lexists(f"{self.path}.key"):
                self._lock()
        except BlockingIOError:
            self.release()
            raise ConfigError(
                f"{self.path}: a running daemon keeps its state there; ask it through its status socket, or "
                "stop it first."
            ) from None
        except OSError as error:
            self._say(f"cannot be held: {error.strerror or error}")

    def _lock(self) -> None:
        self._lock_fd = os.open(f"{self.path}.key", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        """Let others write the files."""
        if self._lock_fd is not None:
            os.close(self._lock_fd)
            self._lock_fd = None

    def _begin(self) -> None:
        """A new key, and a count that begins anew."""
        self._key = os.urandom(KEY_SIZE)
        replace_whole(f"{self.path}.key", self._key)
        self._head = ""
        self._count()
        if self._holding:
            self.release()
            self._lock()

    def _count(self) -> None:
        fields = {"seq": self._seq, "head": self._head, "floor_utc_ns": self._floor}
        replace_whole(f"{self.path}.seq", sealed(self._key, _COUNTER, fields)[0])
        self._behind = False

    def tend(
        self, raw_ns: int, memory: Callable[[], Mapping[str, object]], mode_changed: bool, urgent: bool
    ) -> bool:
        """Write if it is time to. True once a change of mode is on disk (or need not be)."""
        if not urgent and not self._learnt and self._written_raw_ns is not None:
            pause = _CHANGED_NS if mode_changed else _STEADY_NS
            if raw_ns - self._written_raw_ns < pause:
                return not mode_changed
        self._written_raw_ns = raw_ns
        return self.save(memory())

    def save(self, memory: Mapping[str, object]) -> bool:
        """Write the next state, unless it would say the same. False, and a line in the log, when that
        failed. The state is written before its count: a state one ahead of it is no tampering."""
        self._learnt = False
        if (memory, self.confirmed, self._devices) == self._last:
            return True
        try:
            if not self._key:
                self._begin()
            if self._behind:
                self._count()  # never a second state ahead of the count
            floor = memory.get("floor_utc_ns")
            floor_ns = max(self._floor, floor if isinstance(floor, int) else 0)
            data, mac = sealed(self._key, _STATE, {
                "refclock_state": VERSION, "seq": self._seq + 1, "prev": self._head,
                "floor_utc_ns": floor_ns, "confirmed": self.confirmed, "devices": self._devices,
                "memory": dict(memory),
            })  # fmt: skip
            replace_whole(self.path, data)
            self._seq, self._head, self._floor, self._behind = self._seq + 1, mac, floor_ns, True
            self._count()
        except OSError as error:
            self._say(f"state not saved: {error.strerror or error}; mend it, a restart would forget")
            return False
        if self._trouble:
            self._log(NOTICE, f"{self.path}: state saved again")
        self._trouble, self._last = "", (dict(memory), self.confirmed, dict(self._devices))
        return True

    def _say(self, trouble: str) -> None:
        """Each trouble once."""
        if trouble != self._trouble:
            self._log(ERR, f"{self.path}: {trouble}")
        self._trouble = trouble
