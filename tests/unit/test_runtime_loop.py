"""The event loop with ports, a core and a capture that are stand-ins; nothing here lasts a second."""

import errno
import hashlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from refclock.errors import PortError
from refclock.jsonform import decision_line
from refclock.model import (
    Command,
    Decision,
    Event,
    Mode,
    ModeChange,
    PortChange,
    Publish,
    Request,
    SerialBytes,
    SerialSent,
    Tick,
)
from refclock.ports import stamp
from refclock.runtime import LeapFile, Runtime, StateFile
from refclock.sinks.journal import Journal
from refclock.sinks.notify import Notifier
from refclock.sinks.status import StatusServer
from refclock.units import NS_PER_MS, NS_PER_S


def _publish(event: Event) -> Publish:
    return Publish(event.raw_ns, event.real_ns, event.real_ns, 0, 1000)


class Line:
    """A port on one end of a socket pair; ``far`` is the device."""

    def __init__(self, name: str = "gps0") -> None:
        self.name = name
        self.fd: int | None = None
        self.closed = False
        self.far: socket.socket
        self._near: socket.socket | None = None
        self.fails = ""
        self.wakes: list[int] = []

    def open(self) -> list[Event]:
        if self.fails:
            raise PortError(self.fails)
        self._near, self.far = socket.socketpair()
        self.fd = self._near.fileno()
        return [PortChange(*stamp.now(), port=self.name, up=True, reason="opened")]

    def try_open(self) -> list[Event]:
        try:
            return self.open()
        except PortError as error:
            return [PortChange(*stamp.now(), port=self.name, up=False, reason=str(error))]

    def on_ready(self) -> list[Event]:
        if self._near is None:
            return []
        when = stamp.now()
        data = self._near.recv(1000)
        if not data:
            self._near.close()
            self._near, self.fd = None, None
            self.wakes.append(stamp.raw())
            self.far.close()
            return [PortChange(*when, port=self.name, up=False, reason="hung up")]
        return [SerialBytes(*when, port=self.name, data=data)]

    def wake_at(self) -> int | None:
        return self.wakes[0] if self.wakes else None

    def on_timer(self, raw_ns: int) -> list[Event]:
        self.wakes.pop(0)
        return self.try_open()

    def perform(self, data: bytes) -> list[Event]:
        if self._near is None:
            raise PortError(f"{self.name}: not open.")
        self._near.send(data)
        return [SerialSent(*stamp.now(), port=self.name, data=data)]

    def close(self) -> None:
        self.closed = True
        if self._near is not None:
            self._near.close()
            self.far.close()
            self._near = None


class Core:
    """Remembers what it was told and answers as ``script`` says; ends the run at the event ``enough``."""

    def __init__(self, script: Callable[[Event], Sequence[Decision]] = lambda event: ()) -> None:
        self.seen: list[Event] = []
        self.script = script
        self.wake: int | None = None
        self.memories: dict[str, object] = {"count": 0}

    def step(self, event: Event) -> Sequence[Decision]:
        self.seen.append(event)
        self.memories = {"count": len(self.seen)}
        return self.script(event)

    def wake_at(self) -> int | None:
        return self.wake

    def view(self, raw_ns: int) -> dict[str, object]:
        return {"mode": "cold", "witnesses": []}

    def memory(self) -> Mapping[str, object]:
        return self.memories

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.seen]


class Tape:
    """A capture in memory."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.footer: tuple[int | None, str | None] | None = None
        self.full_after: int | None = None

    def write(self, event: Event) -> None:
        if self.full_after is not None and len(self.events) >= self.full_after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.events.append(event)

    def flush(self) -> None:
        pass

    def close(self, decisions: int | None = None, decisions_sha256: str | None = None) -> None:
        self.footer = (decisions, decisions_sha256)


class Drain:
    """A sink in memory."""

    name = "drain"

    def __init__(self) -> None:
        self.taken: list[Decision] = []
        self.tended = 0
        self.closed = False

    def take(self, decision: Decision) -> None:
        self.taken.append(decision)

    def tend(self, raw_ns: int) -> None:
        self.tended += 1

    def state(self) -> str:
        return "fine"

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def log(tmp_path) -> Iterator["Log"]:
    made = Log(str(tmp_path / "log"))
    yield made
    os.close(made.fd)


class Log:
    """A journal that writes to a file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = os.open(path, os.O_CREAT | os.O_RDWR)
        self.journal = Journal(self.fd, prefixed=False)

    def lines(self) -> list[str]:
        with open(self.path, encoding="utf-8") as file:
            return file.read().splitlines()


def _stop_when(core: Core, enough: Callable[[Event], bool]) -> None:
    """Send this process SIGTERM, which the loop catches, at an event."""
    inner = core.script

    def script(event: Event) -> Sequence[Decision]:
        if enough(event):
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(event)

    core.script = script


def _feeder(line: Line, *chunks: bytes) -> Callable[[Event], Sequence[Decision]]:
    """A core's script by which the device speaks once its port is up."""

    def script(event: Event) -> Sequence[Decision]:
        if isinstance(event, PortChange) and event.up:
            for chunk in chunks:
                line.far.send(chunk)
        return ()

    return script


def test_bytes_are_captured_decided_and_published(log):
    line, tape, drain = Line(), Tape(), Drain()
    speak = _feeder(line, b"$GPRMC")

    def script(event: Event) -> Sequence[Decision]:
        speak(event)
        if isinstance(event, SerialBytes):
            assert tape.events[-1] is event, "captured before it is acted on"
            return [_publish(event), ModeChange(event.raw_ns, Mode.COLD, Mode.VETTED, "test")]
        return ()

    core = Core(script)
    _stop_when(core, lambda event: isinstance(event, SerialBytes))
    assert Runtime([line], core, [drain], log.journal, capture=tape).run() == 0
    assert core.kinds() == ["PortChange", "SerialBytes"]
    assert tape.events == core.seen
    assert [type(decision) for decision in drain.taken] == [Publish, ModeChange]
    digest = hashlib.sha256("".join(decision_line(d) + "\n" for d in drain.taken).encode())
    assert tape.footer == (2, digest.hexdigest())
    assert drain.closed
    assert line.closed
    assert log.lines()[0] == "refclock: gps0 up: opened"
    assert log.lines()[-1] == "refclock: stopping: SIGTERM"


def test_a_request_reaches_its_port_and_what_was_sent_is_an_event(log):
    line, tape = Line(), Tape()

    def script(event: Event) -> Sequence[Decision]:
        if isinstance(event, PortChange):
            return [Request(event.raw_ns, "gps0", b"poll"), Request(event.raw_ns, "gps9", b"poll")]
        return ()

    core = Core(script)
    _stop_when(core, lambda event: isinstance(event, SerialSent))
    Runtime([line], core, [], log.journal, capture=tape).run()
    assert core.kinds() == tape_kinds(tape) == ["PortChange", "SerialSent"]
    assert any("gps9: no such port" in text for text in log.lines())


def tape_kinds(tape: Tape) -> list[str]:
    return [type(event).__name__ for event in tape.events]


def test_a_port_that_refuses_a_request_is_no_end(log):
    class Mute(Line):
        def perform(self, data: bytes) -> list[Event]:
            raise PortError("gps0: it only listens.")

    core = Core(lambda event: [Request(event.raw_ns, "gps0", b"x")])
    Runtime([Mute()], core, [], log.journal).run(0)
    assert any("it only listens" in text for text in log.lines())


def test_a_port_that_is_lost_and_returns_is_read_again(log):
    line = Line()
    ups = 0

    def script(event: Event) -> Sequence[Decision]:
        nonlocal ups
        if isinstance(event, PortChange) and event.up:
            ups += 1
            line.far.shutdown(socket.SHUT_RDWR) if ups == 1 else line.far.send(b"back")
        return ()

    core = Core(script)
    _stop_when(core, lambda event: isinstance(event, SerialBytes))
    Runtime([line], core, [], log.journal).run()
    assert core.kinds() == ["PortChange", "PortChange", "PortChange", "SerialBytes"]


def test_a_port_that_fails_at_the_start_is_told_and_lived_with(log):
    line, other = Line("gps0"), Line("rtc0")
    line.fails = "/dev/ttyUSB0: no such device; plug it in."
    core = Core(_feeder(other, b"x"))
    _stop_when(core, lambda event: isinstance(event, SerialBytes))
    Runtime([line, other], core, [], log.journal).run()
    assert "refclock: gps0 down: /dev/ttyUSB0: no such device; plug it in." in log.lines()


def test_the_way_out_is_open_before_a_port_asks_who_listens_there(log, monkeypatch):
    """Else each start would find no chronyd, and call what it slews left behind."""
    line, drain, core = Line("chronyd0"), Drain(), Core()
    tended = []
    opened = line.try_open

    def asking() -> list[Event]:
        tended.append(drain.tended)
        return opened()

    monkeypatch.setattr(line, "try_open", asking)
    _stop_when(core, lambda event: isinstance(event, PortChange))
    Runtime([line], core, [drain], log.journal).run()
    assert tended == [1]


def test_ticks_come_when_the_core_asked_for_them_and_are_captured(log):
    tape, core = Tape(), Core()
    core.wake = stamp.raw() + 30 * NS_PER_MS

    def script(event: Event) -> Sequence[Decision]:
        if isinstance(event, Tick):
            assert core.wake is not None
            assert event.raw_ns >= core.wake
            os.kill(os.getpid(), signal.SIGINT)
            core.wake = None
        return ()

    core.script = script
    Runtime([], core, [], log.journal, capture=tape).run()
    assert tape_kinds(tape) == ["Tick"]


def test_a_wake_up_that_stays_in_the_past_does_not_flood(log):
    core = Core()
    core.wake = 0
    runtime = Runtime([], core, [], log.journal)
    threading.Timer(0.15, os.kill, (os.getpid(), signal.SIGTERM)).start()
    runtime.run()
    assert 1 <= len(core.seen) <= 17


@pytest.mark.parametrize("after", [0, 1])
def test_a_full_disk_ends_the_capture_and_nothing_else(log, after):
    line, tape, drain = Line(), Tape(), Drain()
    tape.full_after = after
    speak = _feeder(line, b"x")

    def script(event: Event) -> Sequence[Decision]:
        speak(event)
        return [_publish(event)]

    core = Core(script)
    _stop_when(core, lambda event: isinstance(event, SerialBytes))
    assert Runtime([line], core, [drain], log.journal, capture=tape).run() == 0
    assert len(drain.taken) == 2
    told = [text for text in log.lines() if "the capture ends here" in text]
    assert len(told) == 1
    assert "No space left" in told[0]


def test_a_recording_without_a_place_to_record_to_ends_with_status_1(log):
    tape = Tape()
    tape.full_after = 0
    assert Runtime([Line()], Core(), [], log.journal, capture=tape, record=True).run() == 1


def test_a_recording_has_no_digest_of_decisions(log):
    tape = Tape()
    assert Runtime([Line()], Core(), [], log.journal, capture=tape, record=True).run(0) == 0
    assert tape.footer == (None, None)


def test_a_defect_of_the_core_ends_the_daemon_with_everything_withdrawn(log, tmp_path):
    line, drain, tape = Line(), Drain(), Tape()
    status = StatusServer(str(tmp_path / "s"))
    status.open()
    state = StateFile(str(tmp_path / "state"), log.journal.log)

    def script(event: Event) -> Sequence[Decision]:
        raise ZeroDivisionError

    runtime = Runtime([line], Core(script), [drain], log.journal, capture=tape, status=status, state=state)
    with pytest.raises(ZeroDivisionError):
        runtime.run()
    assert drain.closed
    assert line.closed
    assert tape.footer is not None
    assert os.listdir(tmp_path) == ["log"]


def test_the_memory_is_restored_first_and_saved_at_the_end(log, tmp_path):
    path = str(tmp_path / "state")
    StateFile(path, log.journal.log).save({"floor_s": 5})
    core = Core()
    Runtime([Line()], core, [], log.journal, state=StateFile(path, log.journal.log)).run(0)
    first = core.seen[0]
    assert isinstance(first, Command)
    assert (first.verb, first.args) == ("restore", {"floor_s": 5})
    assert StateFile(path, log.journal.log).load() == {"count": len(core.seen)}


def test_a_lock_is_on_disk_at_once(log, tmp_path):
    path = str(tmp_path / "state")
    line = Line()
    speak = _feeder(line, b"lie")

    def script(event: Event) -> Sequence[Decision]:
        speak(event)
        if isinstance(event, SerialBytes):
            return [ModeChange(event.raw_ns, Mode.VETTED, Mode.LOCKED, "date")]
        return ()

    class Checker(Drain):
        """Stops the run two turns after the lock, and then leaves the last word to the disk."""

        def tend(self, raw_ns: int) -> None:
            if any(isinstance(event, SerialBytes) for event in core.seen):
                core.memories = {"locked": True}
                os.kill(os.getpid(), signal.SIGTERM)

    core = Core(script)
    state = StateFile(path, log.journal.log)
    seen: list[object] = []
    inner = state.save

    def save(memory: Mapping[str, object]) -> bool:
        seen.append(dict(memory))
        return inner(memory)

    state.save = save  # type: ignore[method-assign]
    Runtime([line], core, [Checker()], log.journal, state=state).run()
    assert seen[1:3] == [{"locked": True}, {"locked": True}]  # on the lock, and at the end


def test_the_leap_list_is_fed_before_any_port_speaks(log, tmp_path):
    path = tmp_path / "leap"
    path.write_text("#@ 3991507200\n2272060800 10\n")
    core = Core()
    leap = LeapFile(str(path), log.journal.log)
    Runtime([Line()], core, [], log.journal, leap=leap).run(0)
    first = core.seen[0]
    assert isinstance(first, Command)
    assert (first.verb, first.args["steps"]) == ("leap-table", [[63072000, 10]])
    assert core.kinds() == ["Command", "PortChange"]


def test_the_status_document_is_the_cores_view_and_the_daemons_own(log, tmp_path):
    path = str(tmp_path / "status")
    status = StatusServer(path)
    status.open()
    received: list[bytes] = []

    def ask() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(path)
            while chunk := client.recv(65536):
                received.append(chunk)
        os.kill(os.getpid(), signal.SIGTERM)

    asker = threading.Thread(target=ask)
    asker.start()
    Runtime([Line()], Core(), [Drain()], log.journal, status=status).run()
    asker.join()
    document = json.loads(b"".join(received))
    assert document["refclock_status"] == 1
    assert document["mode"] == "cold"
    assert document["daemon"]["ports"]["gps0"]["up"] is True
    assert document["daemon"]["sinks"] == {"drain": "fine", "journal": "ok"}
    assert not os.path.lexists(path)


def test_a_slow_turn_is_counted_marked_and_told(log):
    line, tape = Line(), Tape()
    speak = _feeder(line, b"x")

    def script(event: Event) -> Sequence[Decision]:
        speak(event)
        if isinstance(event, SerialBytes):
            time.sleep(0.06)  # the defect under test
            os.kill(os.getpid(), signal.SIGTERM)
        return ()

    Runtime([line], Core(script), [], log.journal, capture=tape).run()
    assert tape_kinds(tape)[-1] == "Mark"
    assert any("budget 50 ms" in text for text in log.lines())


def test_the_manager_hears_ready_watchdog_and_stopping(log, tmp_path):
    name = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name)
        notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000"})
        core = Core()
        core.wake = 0
        _stop_when(core, lambda event: isinstance(event, Tick))
        Runtime([], core, [], log.journal, notifier=notifier).run()
        heard = [manager.recv(1000) for _ in range(3)]
    assert heard == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_hang_up_is_ignored_and_the_handlers_are_put_back(log):
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    core = Core()

    def script(event: Event) -> Sequence[Decision]:
        os.kill(os.getpid(), signal.SIGHUP)
        return ()

    core.script = script
    core.wake = 0
    threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM)).start()
    Runtime([], core, [], log.journal).run()
    assert len(core.seen) >= 2
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]


def test_a_run_of_some_seconds_ends_by_itself(log):
    began = time.monotonic_ns()
    assert Runtime([], Core(), [], log.journal).run(1) == 0
    assert NS_PER_S - NS_PER_MS <= time.monotonic_ns() - began < 2 * NS_PER_S
    assert log.lines() == ["refclock: stopping: its time is up"]
