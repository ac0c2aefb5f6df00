"""``refclock wait``: until the time is established; and, with ``--keep``, for as long as it can be borne."""

import argparse
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from refclock.cli.configfile import configs_arguments, configs_of, read_config, usual_path, whole_seconds
from refclock.cli.fast import clock_alarm
from refclock.cli.status import ask
from refclock.errors import ConfigError, PortError
from refclock.policy import ServicesSettings
from refclock.sinks.journal import ERR, NOTICE, WARNING, Journal
from refclock.sinks.notify import Notifier
from refclock.units import printable, show_ns

EXAMPLE = "refclock wait --timeout 60"
_LOOK_S, _LOOK_LATER_S = 1, 5
# A daemon that does not answer, or whose time is not established any more without it knowing a bound.
PATIENCE_S = 300
_SOURCES = {"rtc": "RTC", "ntp": "NTP quorum"}

Document = Mapping[str, object]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    configs_arguments(parser)
    parser.add_argument("--timeout", metavar="N", type=whole_seconds, help="give up after N seconds (never)")
    parser.add_argument(
        "--keep",
        action="store_true",
        help="stay when established, and do as [services] says once the error bound is too wide",
    )
    parser.epilog = (
        (parser.epilog or "")
        + """

Of several configurations one that is established suffices. Exit status: 0 when established; 1 when --timeout
ran out, or when it was interrupted before. With --keep: 0 when services should stop, as [services] when_lost
= "stop" has it, or when it was told to end itself."""
    )


def main(args: argparse.Namespace) -> int:
    """Wait; say on standard error, and to the service manager, what for."""
    policies = [(path, read_config(path)[1]) for path in configs_of(args)]
    journal, notifier = Journal(), Notifier()
    asked = {path: policy.status_socket or usual_path(path, "sock") for path, policy in policies}
    try:
        with _Ends() as ends:
            limit = _strictest([policy.services for _, policy in policies])
            return _watch(list(asked.values()), limit, args, journal=journal, notifier=notifier, ends=ends)
    finally:
        notifier.close()


def _strictest(settings: Sequence[ServicesSettings]) -> ServicesSettings:
    """Of several configurations: the smallest bound, and whether any says stop."""
    stops = [one.when_lost for one in settings if one.when_lost != "alarm"]
    return ServicesSettings(stops[0] if stops else "alarm", min(one.bound_ns for one in settings))


class _Ends:
    """SIGTERM and SIGINT end a wait at once."""

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> "_Ends":
        self._before = {one: signal.signal(one, self._end) for one in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for one, handler in self._before.items():
            signal.signal(one, handler)

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self.asked = True


def _watch(
    sockets: list[str],
    limit: ServicesSettings,
    args: argparse.Namespace,
    *,
    journal: Journal,
    notifier: Notifier,
    ends: _Ends,
) -> int:
    began = time.monotonic()
    keeper = Keeper(limit)
    told = ""
    ready = False
    while not ends.asked:
        now = time.monotonic()
        documents = [_ask(path) for path in sockets]
        verdict = keeper.look(now, documents)
        if not ready and verdict.established:
            ready, told = True, ""
            journal.log(NOTICE, f"the time is established: {verdict.why}")
            notifier.ready()
            if not args.keep:
                return 0
        elif not ready and args.timeout is not None and now - began >= args.timeout:
            journal.log(ERR, f"not established in {args.timeout} s: {verdict.why}")
            return 1
        if ready and verdict.lost and limit.when_lost == "stop":
            journal.log(ERR, f"services must stop: {verdict.lost}")
            return 0
        line = verdict.lost or verdict.why
        notifier.status(f"{'ALARM: ' if ready and verdict.lost else '' if ready else 'waiting: '}{line}")
        if not ready and line != told:
            journal.log(NOTICE, f"waiting: {line}")
        elif ready and verdict.lost and not told:
            journal.log(WARNING, f"alarm, services go on: {verdict.lost}")
        elif ready and told and not verdict.lost:
            journal.log(NOTICE, f"the alarm is over: {verdict.why}")
        told = verdict.lost if ready else line
        _sleep(_LOOK_LATER_S if ready else _LOOK_S, ends)
    return 0 if ready or args.keep else 1


def _sleep(seconds: int, ends: _Ends) -> None:
    """A signal's handler does not cut a sleep short (PEP 475), so it is slept in small pieces."""
    end = time.monotonic() + seconds
    while not ends.asked and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.2))


def _ask(path: str) -> Document | str:
    """A daemon's document, or why there is none."""
    try:
        return ask(path)
    except (PortError, ConfigError) as error:
        return str(error)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``why`` says by whom the time is established, or what is missing; ``lost`` why services can no longer
    rely on it, or nothing."""

    established: bool
    why: str
    lost: str = ""


class Keeper:
    """Judges what the daemons say, look after look."""

    def __init__(self, limit: ServicesSettings) -> None:
        self._limit = limit
        self._unknown_since: float | None = None

    def look(self, now_s: float, documents: Sequence[Document | str]) -> Verdict:
        """``now_s`` is CLOCK_MONOTONIC. The best of the daemons counts."""
        heard = [one for one in documents if not isinstance(one, str)]
        agreed = next((one for one in heard if one.get("established") is True), None)
        known = [one for one in heard if clock_bound_ns(one) is not None]
        bounds = [clock_bound_ns(one) or 0 for one in known]
        if agreed is None and not bounds:
            if self._unknown_since is None:
                self._unknown_since = now_s
            why = "; ".join(one if isinstance(one, str) else missing(one) for one in documents)
            waited_s = now_s - self._unknown_since
            lost = f"{why} (for {waited_s:.0f} s)" if waited_s >= PATIENCE_S else ""
            return Verdict(False, why, lost)
        self._unknown_since = None
        why = by_whom(agreed) if agreed is not None else "; ".join(missing(one) for one in heard)
        lost = ""
        # Where none knows a bound, those who established the time vouch for it.
        if bounds and min(bounds) > self._limit.bound_ns:
            lost = (
                f"the system clock may be {show_ns(min(bounds)).lstrip('+')} off, more than the "
                f"{show_ns(self._limit.bound_ns).lstrip('+')} that [services] bound_ms allows"
            )
            alarm = clock_alarm(known[bounds.index(min(bounds))])
            lost += f". It is {alarm}" if alarm else ""
        return Verdict(agreed is not None, why, lost)


def clock_bound_ns(document: Document) -> int | None:
    """How far the system clock, which services live by, may be off UTC: its distance from the vetted time,
    and how far that may be off; None where the daemon does not know."""
    bound, off = document.get("bound_ns"), document.get("system_off_ns")
    return bound + abs(off if isinstance(off, int) else 0) if isinstance(bound, int) else None


def by_whom(document: Document) -> str:
    """The two that agree."""
    names = document.get("established_by")
    listed = names if isinstance(names, list) else []
    return (
        f"{' and '.join(_SOURCES.get(str(name), str(name)) for name in listed)} agree with the system clock"
    )


def missing(document: Document) -> str:
    """Why the time is not established, from what each of the three says."""
    parts = [f"receiver {document.get('mode')} ({document.get('mode_reason') or 'nothing heard yet'})"]
    rows = document.get("witnesses")
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and row.get("name") in _SOURCES:
            detail = f" ({row['detail']})" if row.get("detail") else ""
            parts.append(f"{_SOURCES[str(row['name'])]}: {row.get('state')}{detail}")
    text = "no two of receiver, RTC and NTP quorum agree with the system clock yet: " + "; ".join(parts)
    return printable(text)
