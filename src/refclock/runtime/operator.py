"""What an operator may tell the running daemon: rearm, enroll, confirm. Each is logged with who said it.

What influences decisions becomes a Command event, goes to the capture and replays; a confirmation counts
from the next start on.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from refclock.core.trust.memory import ENROLLED
from refclock.model import Command, Event
from refclock.policy import PROFILES
from refclock.policy.confirmed import remembered
from refclock.ports import stamp
from refclock.runtime.statefile import StateFile
from refclock.sinks.journal import NOTICE, WARNING

_MAX_REASON = 300

Outcome = tuple[bool, str]


class Viewed(Protocol):
    """What can be seen of the core."""

    def view(self, raw_ns: int) -> dict[str, object]: ...


class Operator:
    """Obeys requests. ``handle`` gives events to capture and core."""

    def __init__(
        self,
        bridge: Viewed,
        handle: Callable[[Iterable[Event]], None],
        state: StateFile | None,
        log: Callable[[int, str], None],
    ) -> None:
        self._bridge = bridge
        self._handle = handle
        self._state = state
        self._log = log
        self.obeyed = False  # something was changed that belongs on disk

    def obey(self, request: Mapping[str, object], uid: int) -> Outcome:
        """Do what is asked; returns whether it was done, and the words to answer."""
        verbs = {"rearm": self._rearm, "enroll": self._enroll, "confirm": self._confirm}
        verb = str(request.get("verb"))
        deed = verbs.get(verb)
        if deed is None:
            return False, f"{verb!r:.40} is no command; the commands are {', '.join(verbs)}"
        done, words = deed(request)
        self.obeyed |= done
        self._log(NOTICE if done else WARNING, f"uid {uid} commands {verb}: {words}")
        return done, words

    def _mode(self) -> str:
        return str(self._bridge.view(stamp.raw()).get("mode"))

    def _rearm(self, request: Mapping[str, object]) -> Outcome:
        reason = request.get("reason")
        if not isinstance(reason, str) or not reason.strip():
            return False, "a reason is needed: it is what the log will say"
        reason = "".join(c if c.isprintable() else " " for c in reason.strip())[:_MAX_REASON]
        before = self._mode()
        if before != "locked":
            return False, f"there is nothing to rearm: the mode is {before}"
        self._handle([Command(*stamp.now(), verb="rearm", args={"reason": reason})])
        return True, f"rearmed ({reason}): mode {before} -> {self._mode()}"

    def _enroll(self, request: Mapping[str, object]) -> Outcome:
        rates: dict[str, object] = {key: request[key] for key in ENROLLED if key in request}
        if any(type(value) is not int for value in rates.values()) or "raw_rate_ppt" not in rates:
            return False, f"expected integers, in parts in 10^12 and ns: {', '.join(ENROLLED)}"
        self._handle([Command(*stamp.now(), verb="enroll", args=rates)])
        seen = self._bridge.view(stamp.raw())
        if seen.get("enrolled") is not True or seen.get("raw_rate_ppt") != rates["raw_rate_ppt"]:
            return False, (
                "not enrolled: the rates are no clock's, or the receiver is being rejected just now (see "
                "refclock explain), and an enrolment must not forgive it that"
            )
        return True, f"enrolled at {rates['raw_rate_ppt']} ppt; mode {seen.get('mode')}"

    def _confirm(self, request: Mapping[str, object]) -> Outcome:
        if self._state is None or self._state.confirmed is None:
            return False, "the daemon keeps no state ([state] file), and so holds nothing back"
        if request.get("profile") not in PROFILES or not remembered(request):
            return False, "expected a profile and its limits"
        old = remembered(self._state.confirmed)
        new = {key: value for key, value in remembered(request).items() if old.get(key) != value}
        told = [f"{key}: {old.get(key)} -> {value}" for key, value in new.items()]
        if self._state.confirmed.get("profile") != request["profile"]:
            told.insert(0, f"profile: {self._state.confirmed.get('profile')} -> {request['profile']}")
        self._state.confirmed = {"profile": request["profile"], "limits": old | new}
        return True, f"confirmed {', '.join(told) or 'what is in force'}; in force from the next start on"
