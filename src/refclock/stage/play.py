"""The emulated world in real time: a receiver on a pty, its pulse, a battery clock, NTP servers on loopback.

One thread plays it all. Nothing here touches a clock of this host: true time is a number that runs beside
CLOCK_REALTIME, ahead of it by what was asked for.
"""

import heapq
import os
import selectors
import socket
import threading
import tty
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from refclock.errors import PortError
from refclock.model import SystemClock
from refclock.ports import stamp
from refclock.ports.systemclock import SystemClockPort
from refclock.stage.servers import LiveServer
from refclock.units import NS_PER_MS, NS_PER_S, PPT_ONE, PPT_PER_PPB, PPT_PER_PPM
from refclock.world.attack import Attack
from refclock.world.attacks import parse_attack
from refclock.world.chance import Chance
from refclock.world.receiver import Receiver

_TICK_US = 10_000  # adjtimex(2): the nominal tick; each microsecond off it is 100 ppm
# A second's pulses may come this much before it, when an attacker moves them.
_AHEAD_NS = 600 * NS_PER_MS
# A battery clock's tick that is late by more than this is left out: a missed tick makes its reader search
# anew, a late one would be told as a tick of the clock itself.
_RTC_LATE_NS = 4 * NS_PER_MS
# What a receiver sends at power-on at the wrong baud rate looks like this.
_NOISE_BYTES = 60
# How often a receiver that is asked looks whether somebody asked.
_LISTEN_NS = 2 * NS_PER_MS


class TrueTime:
    """True UTC (POSIX ns) as a line over CLOCK_MONOTONIC_RAW.

    It starts ``offset_ns`` ahead of CLOCK_REALTIME and has the rate that the kernel gives that clock now,
    so that the two keep their distance unless somebody steers the host meanwhile.
    """

    def __init__(self, offset_ns: int) -> None:
        # The first readings of a process are slow; the narrowest bracket of many is good to 0.1 us.
        raw_ns, real_ns, _ = min((stamp.now() for _ in range(50)), key=lambda one: one[2])
        self._raw_ns, self._true_ns = raw_ns, real_ns + offset_ns
        self.rate_ppt = _kernel_rate_ppt()

    def at(self, raw_ns: int) -> int:
        """True time at a reading of the counter."""
        passed = raw_ns - self._raw_ns
        return self._true_ns + passed + passed * self.rate_ppt // PPT_ONE

    def raw_at(self, true_ns: int) -> int:
        """The counter's reading at a true instant (to the nanosecond for rates of ppm and spans of hours)."""
        passed = true_ns - self._true_ns
        return self._raw_ns + passed - passed * self.rate_ppt // PPT_ONE

    def now_ns(self) -> int:
        """True time."""
        return self.at(stamp.raw())

    def set(self, true_ns: int) -> None:
        """Let it be that instant now."""
        self._true_ns += true_ns - self.now_ns()

    def lead_ns(self) -> int:
        """By how much true time is ahead of this host's clock at this moment."""
        raw_ns, real_ns, _ = stamp.now()
        return self.at(raw_ns) - real_ns


def _kernel_rate_ppt() -> int:
    """How fast the kernel lets CLOCK_REALTIME run against the raw counter (read, never written)."""
    port = SystemClockPort()
    try:
        looks = [event for event in port.open() if isinstance(event, SystemClock)]
    except PortError:
        return 0
    finally:
        port.close()
    look = looks[0]
    return look.freq_ppb * PPT_PER_PPB + (look.tick_us - _TICK_US) * 100 * PPT_PER_PPM


class Stage:
    """A context in which the emulated world runs, with its files in ``directory``.

    ``device`` (a symbolic link to the pty), ``pps_path``, ``rtc_path`` and ``servers`` are what a
    configuration names. ``voice`` may be changed while it runs: "receiver", "silence" or "noise".
    """

    def __init__(
        self,
        directory: Path,
        personality: str = "nmea",
        *,
        offset_ns: int = 0,
        servers: int = 3,
        seed: int = 1,
    ) -> None:
        self.device = directory / "receiver"
        self.pps_path = directory / "pps"
        self.rtc_path = directory / "rtc0"
        self.voice = "receiver"
        self.error: BaseException | None = None
        self.truth = TrueTime(offset_ns)
        self.started_ns = self.truth.now_ns()
        self.attacks: list[Attack] = []
        self.leap_at_s: int | None = None
        self._seed = seed
        self._second = self.started_ns // NS_PER_S + 2
        self.receiver = Receiver(personality, Chance(seed, "receiver"), start_s=self._second)
        self.seconds_said = 0
        chance = Chance(seed, "stage")
        self._rtc_ahead_ns = chance.between(-400 * NS_PER_MS, 400 * NS_PER_MS)
        self._noise = Chance(seed, "noise")
        self._due: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = count()
        self._sequence = 0
        self._master: int | None = None
        self._lock = threading.Lock()
        self._ending = False
        self._selector = selectors.DefaultSelector()
        self._thread = threading.Thread(target=self._play, name="stage", daemon=True)
        self._ends = ExitStack()
        self._pulses = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.servers = [
            LiveServer(index, servers, seed, self.utc_ns, self.attacks) for index in range(servers)
        ]

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            ends.callback(self._selector.close)
            ends.enter_context(self._pulses)
            for server in self.servers:
                ends.callback(server.close)
                self._selector.register(server.fd, selectors.EVENT_READ, server.answer)
            self.rtc_path.mkdir()
            ends.callback(self.unplug)
            self.plug()
            self._at(self._second * NS_PER_S - _AHEAD_NS, self._prepare)
            self._show(self._rtc_ns(self.truth.now_ns()) // NS_PER_S)
            self._at(self.truth.now_ns(), self._tick)
            if self.receiver.listens:
                self._at(self.truth.now_ns(), self._listen)
            self._thread.start()
            ends.callback(self._stop)
            self._ends = ends.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.close()

    def _stop(self) -> None:
        self._ending = True
        self._thread.join()

    def utc_ns(self) -> int:
        """UTC as POSIX counts it: true time goes on through a leap second, which this repeats."""
        now_ns = self.truth.now_ns()
        leapt = self.leap_at_s is not None and now_ns >= self.leap_at_s * NS_PER_S
        return now_ns - NS_PER_S if leapt else now_ns

    # ---- what may be done to it while it runs ------------------------------------------------------

    def attack(self, text: str, begin_ns: int | None = None, duration_ns: int = NS_PER_S) -> Attack:
        """Let an attack loose; its TIME counts from ``begin_ns`` (now). Raises ConfigError."""
        begin_ns = self.truth.now_ns() if begin_ns is None else begin_ns
        attack = parse_attack(text, begin_ns, duration_ns, self._seed)
        self.attacks.append(attack)
        self.receiver.attacks.append(attack)
        return attack

    def plug(self) -> None:
        """The receiver's cable goes in: a new pty, and the device's path leads to it."""
        master, slave = os.openpty()
        # As a serial line is: no echo and no translation. Closed at once, for the daemon refuses a line
        # that another process has open.
        tty.setraw(slave)
        name = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(master, False)
        with suppress(FileNotFoundError):
            os.unlink(self.device)
        os.symlink(name, self.device)
        with self._lock:
            self._master = master

    def unplug(self) -> None:
        """The cable comes out: the line hangs up, its path is gone, and so are the pulses."""
        with self._lock:
            master, self._master = self._master, None
        if master is not None:
            os.unlink(self.device)
            os.close(master)

    # ---- the play ------------------------------------------------------------------------------------

    def _at(self, true_ns: int, act: Callable[[int], None]) -> None:
        heapq.heappush(self._due, (true_ns, next(self._order), act))

    def _play(self) -> None:
        try:
            while not self._ending:
                now_ns = self.truth.now_ns()
                if self._due[0][0] <= now_ns:
                    due_ns, _, act = heapq.heappop(self._due)
                    act(due_ns)
                    continue
                wait_s = min(self._due[0][0] - now_ns, NS_PER_S // 10) / NS_PER_S
                for key, _ in self._selector.select(wait_s):
                    answer: Callable[[], None] = key.data
                    answer()
        except Exception as error:  # told by whoever owns the stage; a thread has nobody to tell
            self.error = error

    def _prepare(self, _due_ns: int) -> None:
        """Ask the receiver for the coming second and plan what leaves it."""
        second, self._second = self._second, self._second + 1
        self._at(self._second * NS_PER_S - _AHEAD_NS, self._prepare)
        emission = self.receiver.second(second)
        self.seconds_said += bool(emission.chunks)
        for edge_ns in emission.edges:
            self.plan_pulse(second * NS_PER_S + edge_ns)
        for chunk_ns, data in emission.chunks:
            self._at(second * NS_PER_S + chunk_ns, partial(self._say, data))

    def plan_pulse(self, true_ns: int) -> None:
        """See to it that there is an edge at a true instant, up to 1.6 s ahead. Who has real pulses to give
        overrides this."""
        self._at(true_ns, self._pulse)

    def _pulse(self, true_ns: int) -> None:
        """Tell the emulated PPS of an edge, stamped as the kernel would: exactly, however late this runs."""
        if self._master is None:
            return
        self._sequence += 1
        raw_ns, real_ns, _ = stamp.now()
        at_ns = real_ns - (raw_ns - self.truth.raw_at(true_ns))
        with suppress(OSError):  # nobody listens yet, or not any more
            self._pulses.sendto(f"assert {self._sequence} {at_ns}".encode(), str(self.pps_path))

    def _say(self, data: bytes, _due_ns: int) -> None:
        with self._lock:
            if self._master is None or self.voice == "silence":
                return
            if self.voice == "noise":
                data = bytes(self._noise.between(0, 255) for _ in range(_NOISE_BYTES))
            if not self.receiver.listens:
                with suppress(OSError):  # what the daemon said to its receiver; EIO while nobody is there
                    os.read(self._master, 4096)
            self.said(data)

    def said(self, data: bytes) -> None:
        """The receiver's bytes go out on its line, which is plugged in."""
        assert self._master is not None
        with suppress(OSError):  # nobody reads, and the line's buffer is full
            os.write(self._master, data)

    def _listen(self, _due_ns: int) -> None:
        """Hear what the daemon wrote, and plan the answers."""
        now_ns = self.truth.now_ns()
        self._at(now_ns + _LISTEN_NS, self._listen)
        data = b""
        with self._lock, suppress(OSError):  # nothing to read, or EIO while nobody is there
            if self._master is not None:
                data = os.read(self._master, 4096)
        if data:
            for at_ns, answer in self.receiver.hears(now_ns, data):
                self._at(at_ns, partial(self._say, answer))

    # ---- the battery clock -----------------------------------------------------------------------------

    def _rtc_ns(self, true_ns: int) -> int:
        return true_ns + self._rtc_ahead_ns + sum(attack.rtc_ns(true_ns) for attack in self.attacks)

    def _tick(self, _due_ns: int) -> None:
        """Show the second that has just begun, and come back at the next."""
        now_ns = self.truth.now_ns()
        shown, late_ns = divmod(self._rtc_ns(now_ns), NS_PER_S)
        if late_ns <= _RTC_LATE_NS:
            self._show(shown)
        self._at(now_ns + NS_PER_S - late_ns, self._tick)

    def _show(self, rtc_s: int) -> None:
        fresh = self.rtc_path / ".new"
        fresh.write_text(f"{rtc_s}\n")
        os.replace(fresh, self.rtc_path / "since_epoch")
