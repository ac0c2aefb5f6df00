"""The event loop: stamp, capture, decide, act; one thread, and nothing in it waits but select."""

import os
import selectors
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, Protocol

from refclock import __version__
from refclock.errors import PortError
from refclock.jsonform import dump
from refclock.model import (
    Command,
    Decision,
    Event,
    Mark,
    Mode,
    ModeChange,
    PortChange,
    Request,
    Tick,
)
from refclock.ports import Port, stamp
from refclock.runtime.leapfile import LeapFile
from refclock.runtime.operator import Operator
from refclock.runtime.signals import Signals
from refclock.runtime.statefile import StateFile
from refclock.runtime.tape import Recorder, Tape
from refclock.sinks.journal import NOTICE, WARNING, Journal
from refclock.sinks.notify import Notifier
from refclock.sinks.sink import Sink
from refclock.sinks.status import StatusServer
from refclock.units import NS_PER_MS, NS_PER_S

STATUS_VERSION = 1
# A turn that takes longer is counted and told. The next edge is stamped by the kernel all the same.
BUDGET_NS: Final = 50 * NS_PER_MS
_LONGEST_WAIT_NS: Final = NS_PER_S
# Two Ticks are never closer: a wake-up that stays in the past must not fill a capture.
_TICK_SPACING_NS: Final = 10 * NS_PER_MS


class Decider(Protocol):
    """What the loop asks of the core: refclock.core.bridge.Bridge."""

    def step(self, event: Event) -> Sequence[Decision]: ...
    def wake_at(self) -> int | None: ...
    def view(self, raw_ns: int) -> dict[str, object]: ...
    def memory(self) -> Mapping[str, object]: ...


class Runtime:
    """One daemon's loop. ``run`` returns after SIGTERM or SIGINT, after ``seconds``, or, when ``record``,
    once the capture cannot be written; an exception out of the core is a bug and passes through, after
    chrony was told nothing more.

    SIGHUP changes nothing: a configuration is read once, when the daemon starts.
    """

    def __init__(
        self,
        ports: Sequence[Port],
        bridge: Decider,
        sinks: Sequence[Sink],
        journal: Journal,
        *,
        capture: Recorder | None = None,
        status: StatusServer | None = None,
        notifier: Notifier | None = None,
        state: StateFile | None = None,
        leap: LeapFile | None = None,
        record: bool = False,
    ) -> None:
        self._ports = {port.name: port for port in ports}
        self._bridge = bridge
        self._sinks = (*sinks, journal)
        self._journal = journal
        self._tape = Tape(capture, journal.log, decides=not record)
        self._status = status
        self._notifier = notifier or Notifier({})
        self._state = state
        self._leap = leap
        self._operator = Operator(bridge, self._handle, state, journal.log)
        self._record = record
        # poll(2) keeps nothing in the kernel: a descriptor that was closed and opened anew is no riddle.
        self._selector = selectors.PollSelector()
        self._registered: dict[str, int] = {}
        self._port_states: dict[str, dict[str, object]] = {}
        self._turns = self._slow_turns = self._slowest_ns = self._tick_after_ns = 0
        self._mode_changed = self._urgent = False
        self._started_ns = stamp.raw()

    def run(self, seconds: int | None = None) -> int:
        """Turn until told to stop; 0 after a clean end, 1 when a recording failed."""
        with ExitStack() as ends:
            ends.callback(self._selector.close)
            signals = ends.enter_context(Signals())
            self._register(signals.fd, signals.drain)
            for sink in reversed(self._sinks):
                ends.callback(sink.close)
            ends.callback(self._tape.close)
            for port in self._ports.values():
                ends.callback(port.close)
            if self._status is not None:
                ends.callback(self._status.close)
                self._register(self._status.fd, self._serve_status)
            ends.callback(self._notifier.close)
            ends.callback(self._notifier.stopping)
            self._start()
            end_ns = None if seconds is None else self._started_ns + seconds * NS_PER_S
            while not (stop := signals.received or self._over(end_ns)):
                self._turn(end_ns)
            self._journal.log(NOTICE, f"stopping: {stop}")
            if self._state is not None:
                self._state.save(self._bridge.memory())
        return int(self._record and self._tape.failed)

    def _start(self) -> None:
        memory = self._state.load() if self._state is not None else None
        if memory is not None:
            self._handle([Command(*stamp.now(), verb="restore", args=memory)])
        self._tend_leap()
        for sink in self._sinks:  # before the ports, one of which asks whether anybody listens to them
            sink.tend(stamp.raw())
        for port in self._ports.values():
            self._handle(port.try_open())
            self._sync(port)
        self._tend(stamp.raw())
        self._notifier.ready()

    def _turn(self, end_ns: int | None) -> None:
        """Wait, then do all that is due. The watchdog hears of turns that were completed only."""
        ready = self._selector.select(self._wait_s(end_ns))
        began_ns = stamp.raw()
        for key, _ in ready:
            act: Callable[[], None] = key.data
            act()
        for port in self._ports.values():
            due = port.wake_at()
            if due is not None and due <= (now := stamp.raw()):
                self._handle(port.on_timer(now))
                self._sync(port)
        self._tick()
        if self._status is not None and (at := self._status.wake_at()) is not None and at <= stamp.raw():
            self._serve_status()
        self._tend_leap()
        now = stamp.raw()
        self._tend(now)
        self._account(stamp.raw() - began_ns)
        self._notifier.pet(now)

    def _over(self, end_ns: int | None) -> str:
        """Why to stop, or nothing."""
        if self._record and self._tape.failed:
            return "there is nowhere to record to"
        return "its time is up" if end_ns is not None and stamp.raw() >= end_ns else ""

    def _wait_s(self, end_ns: int | None) -> float:
        """Until the next thing is due, at most 1 s. The differences are CLOCK_MONOTONIC_RAW's; poll(2)
        counts CLOCK_MONOTONIC, which chrony slews: over a second that is nothing, hence the maximum."""
        due = [at for port in self._ports.values() if (at := port.wake_at()) is not None]
        wake = self._bridge.wake_at()
        if wake is not None:
            due.append(max(wake, self._tick_after_ns))
        if end_ns is not None:
            due.append(end_ns)
        if self._status is not None and (at := self._status.wake_at()) is not None:
            due.append(at)
        now = stamp.raw()
        return max(0, min((*due, now + _LONGEST_WAIT_NS)) - now) / NS_PER_S

    def _tick(self) -> None:
        wake, now = self._bridge.wake_at(), stamp.raw()
        if wake is not None and max(wake, self._tick_after_ns) <= now:
            self._tick_after_ns = now + _TICK_SPACING_NS
            self._handle([Tick(*stamp.now())])

    def _handle(self, events: Iterable[Event]) -> None:
        """Each event goes to the capture before it is acted on; what acting yields comes after it."""
        queue = deque(events)
        while queue:
            event = queue.popleft()
            self._tape.event(event)
            if isinstance(event, PortChange):
                self._note_port(event)
            for decision in self._bridge.step(event):
                queue.extend(self._act(decision))

    def _act(self, decision: Decision) -> list[Event]:
        for sink in self._sinks:  # chrony's is the first
            sink.take(decision)
        self._tape.decision(decision)
        if isinstance(decision, ModeChange):
            self._mode_changed = True
            # A lock that a crash could undo would be none.
            self._urgent |= Mode.LOCKED in (decision.before, decision.after)
            self._notifier.status(f"{decision.after.value}: {decision.reason}")
        if isinstance(decision, Request):
            return self._perform(decision)
        return []

    def _perform(self, request: Request) -> list[Event]:
        port = self._ports.get(request.port)
        try:
            if port is None:
                raise PortError(f"{request.port}: no such port to send {len(request.data)} bytes to.")
            events = port.perform(request.data)
        except PortError as error:
            self._journal.repeating(request.raw_ns, f"request {request.port}", str(error))
            return []
        self._sync(port)
        return events

    def _sync(self, port: Port) -> None:
        """Wait on the descriptor that the port has now."""
        old, new = self._registered.get(port.name), port.fd
        if old == new:
            return
        if old is not None:
            self._selector.unregister(old)
            del self._registered[port.name]
        if new is not None:
            self._registered[port.name] = new
            self._register(new, lambda: self._read(port))

    def _register(self, fd: int | None, act: Callable[[], None]) -> None:
        if fd is not None:
            self._selector.register(fd, selectors.EVENT_READ, act)

    def _read(self, port: Port) -> None:
        self._handle(port.on_ready())
        self._sync(port)

    def _note_port(self, change: PortChange) -> None:
        self._port_states[change.port] = {"up": change.up, "reason": change.reason}
        # Another reason is other news: a receiver that was pulled out, and then a wrong one in its place.
        text = f"{change.port} {'up' if change.up else 'down'}: {change.reason}"
        self._journal.repeating(change.raw_ns, text, text, NOTICE if change.up else WARNING)

    def _tend(self, raw_ns: int) -> None:
        for sink in self._sinks:
            sink.tend(raw_ns)
        if self._state is not None and self._state.tend(
            raw_ns, self._bridge.memory, self._mode_changed, self._urgent
        ):
            self._mode_changed = self._urgent = False

    def _tend_leap(self) -> None:
        if self._leap is not None:
            when = stamp.now()
            table = self._leap.tend(when[0], when[1] // NS_PER_S)
            if table is not None:
                self._handle([Command(*when, verb="leap-table", args=table)])

    def _account(self, took_ns: int) -> None:
        self._turns += 1
        self._slowest_ns = max(self._slowest_ns, took_ns)
        if took_ns > BUDGET_NS:
            self._slow_turns += 1
            text = f"a turn of the loop took {took_ns // NS_PER_MS} ms, budget {BUDGET_NS // NS_PER_MS} ms"
            when = stamp.now()
            self._handle([Mark(*when, text=text)])
            self._journal.repeating(when[0], "slow turn", text)

    def _serve_status(self) -> None:
        assert self._status is not None
        self._status.serve(self._document, self._operator.obey, stamp.raw())
        self._urgent |= self._operator.obeyed
        self._operator.obeyed = False

    def _document(self) -> bytes:
        raw_ns, real_ns, unc_ns = stamp.now()
        daemon: dict[str, object] = {
            "version": __version__,
            "pid": os.getpid(),
            "up_ns": raw_ns - self._started_ns,
            "turns": self._turns,
            "slow_turns": self._slow_turns,
            "slowest_turn_ns": self._slowest_ns,
            "decisions": self._tape.decisions,
            "capture": self._tape.state,
            "ports": self._port_states,
            "sinks": {sink.name: sink.state() for sink in self._sinks},
        }
        as_of = {"raw_ns": raw_ns, "real_ns": real_ns, "unc_ns": unc_ns}
        head = {"refclock_status": STATUS_VERSION, "as_of": as_of}
        return dump({**head, **self._bridge.view(raw_ns), "daemon": daemon}).encode() + b"\n"
