"""Tells every process of this host what time it is: the file that ``refclock.now()`` reads.

Written at each accepted second, and each two seconds while there is none, so that it is void soon after the
daemon is gone.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from refclock.bounded import suspended_ns, this_boot, this_namespace
from refclock.model import Decision, Mode, ModeChange, Publish
from refclock.policy import Policy
from refclock.sinks.journal import NOTICE, WARNING
from refclock.units import NS_PER_S
from refclock.wire.timefile import NO_TIME, TimeRecord, encode

_TELLING = (Mode.VETTED, Mode.DEGRADED, Mode.HOLDOVER)
_REFRESH_NS = 2 * NS_PER_S
_RETRY_NS = 16 * NS_PER_S
# So long after the daemon's last sign of life its time is void.
VALID_NS = 10 * NS_PER_S
# The core's own view changes slowly, and costs more than all the rest.
_LOOK_NS = 16 * NS_PER_S
_SUSPENSION_NS = 1_000_000
_READABLE_BY_ALL = 0o644

View = Callable[[int], Mapping[str, object]]


class TimeFile:
    """Writes what the core decided. ``view`` is asked for the rate of the counter and the witnesses."""

    def __init__(self, path: str, policy: Policy, view: View, log: Callable[[int, str], None]) -> None:
        self.name = f"time file {path}"
        self._path, self._policy, self._view, self._log = path, policy, view, log
        self._boot, self._namespace = this_boot(), this_namespace()
        self._handle: int | None = None
        self._trouble = "not opened yet"
        self._open_at_ns = 0
        self._number = 0
        self._mode = Mode.COLD
        self._anchor: Publish | None = None
        self._suspended_ns = suspended_ns()
        self._rate = (0, 0)
        self._chain: tuple[str, ...] = ()
        self._look_at_ns = self._write_at_ns = 0

    def take(self, decision: Decision) -> None:
        """Tell an accepted second; or, where the mode ends that tells, nothing any more."""
        if isinstance(decision, Publish):
            if self._mode not in (Mode.VETTED, Mode.DEGRADED):
                self._mode = Mode.VETTED
            before_ns, self._suspended_ns = self._suspended_ns, suspended_ns()
            # A second that a suspension separates from its writing cannot be placed by a reader.
            slept = abs(self._suspended_ns - before_ns) >= _SUSPENSION_NS
            self._anchor = None if slept else decision
            self._tell(_raw())
        elif isinstance(decision, ModeChange):
            self._mode, self._look_at_ns = decision.after, 0
            if decision.after not in _TELLING:
                self._anchor = None
            self._tell(_raw())

    def tend(self, raw_ns: int) -> None:
        """Say that the daemon lives; open the file if it is not yet."""
        if self._handle is None and raw_ns >= self._open_at_ns:
            self._open_at_ns = raw_ns + _RETRY_NS
            self._open()
        if self._handle is not None and raw_ns >= self._write_at_ns:
            self._tell(raw_ns)

    def state(self) -> str:
        """How the file fares, for people."""
        if self._handle is None:
            return self._trouble
        return "vouching for nothing" if self._anchor is None else f"telling the time, {self._mode.value}"

    def close(self) -> None:
        """Vouch for nothing any more, which readers see at once, and remove the file, unless another daemon
        has put its own there: what is in the directory is whose daemon lives."""
        self._anchor = None
        if self._handle is not None:
            self._tell(_raw())
        if self._handle is not None:
            with suppress(OSError):
                if os.path.samestat(os.fstat(self._handle), os.stat(self._path)):
                    os.unlink(self._path)
            os.close(self._handle)
            self._handle = None
            self._trouble = "closed"

    def _open(self) -> None:
        """A new file each time, in place of an old one: nobody else can have it open for writing."""
        fresh = f"{self._path}.{os.getpid()}"
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            handle = os.open(fresh, flags, _READABLE_BY_ALL)
            try:
                os.fchmod(handle, _READABLE_BY_ALL)  # whatever the umask
                os.pwrite(handle, encode(self._record(_raw())), 0)
                os.rename(fresh, self._path)
            except BaseException:
                os.close(handle)
                raise
        except OSError as error:
            with suppress(OSError):
                os.unlink(fresh)
            self._fail(error)
            return
        self._handle, self._trouble = handle, ""
        self._log(NOTICE, f"{self.name}: opened")

    def _fail(self, error: OSError) -> None:
        why = f"cannot be written: {error.strerror or error}; its directory must exist and be writable"
        if why != self._trouble:
            self._log(WARNING, f"{self.name}: {why}")
        self._trouble = why

    def _tell(self, raw_ns: int) -> None:
        self._write_at_ns = raw_ns + _REFRESH_NS
        if self._handle is None:
            return
        if self._anchor is not None and raw_ns >= self._look_at_ns:
            self._look_at_ns = raw_ns + _LOOK_NS
            self._look(raw_ns)
        try:
            os.pwrite(self._handle, encode(self._record(raw_ns)), 0)
        except OSError as error:  # it is void soon
            os.close(self._handle)
            self._handle = None
            self._fail(error)

    def _record(self, raw_ns: int) -> TimeRecord:
        self._number += 1
        anchor, (rate_ppt, unc_ppt) = self._anchor, self._rate
        if anchor is None:
            return TimeRecord(
                self._number, 0, 0, 0, 0, 0, raw_ns, 0, self._namespace, self._boot, NO_TIME, 0, ()
            )
        return TimeRecord(
            self._number, anchor.raw_ns, anchor.utc_ns, anchor.bound_ns, rate_ppt,
            self._policy.limits.holdover_rate_ppt + unc_ppt, raw_ns + VALID_NS, self._suspended_ns,
            self._namespace, self._boot, self._mode.value, anchor.leap, self._chain,
        )  # fmt: skip

    def _look(self, raw_ns: int) -> None:
        """What the core knows of the counter, and on what its trust rests."""
        view = self._view(raw_ns)
        self._rate = (_integer(view, "raw_rate_ppt"), _integer(view, "raw_rate_unc_ppt"))
        policy, witnesses = self._policy, view.get("witnesses")
        agreeing = [
            f"witness:{row.get('name')}"
            for row in (witnesses if isinstance(witnesses, list) else [])
            if isinstance(row, dict) and row.get("state") == "agrees"
        ]
        pulse = [f"pps:{policy.pps.device}"] if policy.pps else []
        counter = "counter:enrolled" if view.get("enrolled") is True else "counter:nominal"
        receiver = f"receiver:{policy.receiver.device}"
        self._chain = (receiver, *pulse, counter, f"profile:{policy.profile}", *agreeing)


def _integer(view: Mapping[str, object], key: str) -> int:
    value = view.get(key)
    return value if isinstance(value, int) else 0


def _raw() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
