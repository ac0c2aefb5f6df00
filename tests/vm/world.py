"""The emulated receiver, its pulse and the NTP servers, before a virtual machine's own hardware."""

import fcntl
import mmap
import os
import subprocess
import termios
import tty
from array import array
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import TracebackType

from refclock.stage.play import Stage
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.world.chance import Chance
from refclock.world.receiver import Receiver
from tests.vm.machine import hurry

HERE = Path(__file__).resolve().parent
_EDGES = 64
_ROOM = 400  # bytes that the guest has not fetched: about one second's
_WORDS_BEFORE = 2
_AHEAD_NS = 12 * NS_PER_MS  # less than modem.c waits for an edge
_WIDTH_NS = 40 * NS_PER_MS  # some of QEMU's questions, which are 10 ms apart, must fall into it


class ModemLines:
    """The DCD line that modem.c shows to QEMU: edges at planned readings of CLOCK_MONOTONIC_RAW."""

    def __init__(self, directory: Path) -> None:
        self._library, self._path = directory / "modem.so", directory / "modem-lines"
        command = ["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(self._library),
                   str(HERE / "modem.c"), "-ldl"]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True, text=True)
        self._path.write_bytes(bytes(8 * (_WORDS_BEFORE + _EDGES)))
        with self._path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._words = memoryview(self._memory).cast("q")
        self._words[0] = _WIDTH_NS
        self._next = 0

    def environment(self) -> dict[str, str]:
        """What QEMU is started with."""
        return {**os.environ, "LD_PRELOAD": str(self._library), "MODEM_LINES": str(self._path)}

    def edge(self, raw_ns: int) -> None:
        """Let the line rise then."""
        self._words[_WORDS_BEFORE + self._next] = raw_ns
        self._next = (self._next + 1) % _EDGES

    def close(self) -> None:
        """Forget all edges, and the memory."""
        self._words.release()
        self._memory.close()


def make_room(far: int) -> None:
    """What a UART had no room for is lost: a pty (its far end is given) would keep it, for minutes."""
    waiting = array("i", [0])
    fcntl.ioctl(far, termios.FIONREAD, waiting)
    if waiting[0] > _ROOM:
        termios.tcflush(far, termios.TCIFLUSH)


class OtherPort:
    """Another line of the same receiver: what it says on the first is heard there, too, while that is
    ``plugged`` in. ``path`` is the pty."""

    def __init__(self, *, plugged: bool) -> None:
        self._near, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._near, False)
        self.path = Path(os.ttyname(self._far))
        self.plugged = plugged

    def say(self, data: bytes) -> None:
        """What was said there by others is heard by nobody."""
        if not self.plugged:
            return
        make_room(self._far)
        with suppress(BlockingIOError):
            os.read(self._near, 4096)
        with suppress(BlockingIOError):
            os.write(self._near, data)

    def close(self) -> None:
        """For good."""
        self.plugged = False
        os.close(self._near)
        os.close(self._far)


class VmStage(Stage):
    """The emulated world of ``refclock demo``, with a real modem line and no battery clock of its own: the
    machine has one. The pty stays open for as long as the machine runs. ``beside`` is another line's path,
    on which the same receiver is heard."""

    def __init__(self, directory: Path, personality: str, *, servers: int, seed: int) -> None:
        super().__init__(directory, personality, servers=servers, seed=seed)
        self._personality = personality
        self.lines = ModemLines(directory)
        self._beside = OtherPort(plugged=True)
        self.beside = self._beside.path
        # QEMU's FTDI bridge asks for the modem lines only when it has a byte to deliver, while a real one
        # tells them each millisecond. So a line feed, with which no message begins, is there just before each
        # pulse, and modem.c waits for the edge.
        self.usb = OtherPort(plugged=False)
        # Cut by a scenario: the pulse's wire, and nothing else.
        self.pulse_wire = True
        self._far: int | None = None

    def hurry(self) -> None:
        """Its thread goes with the emulator's first: a byte that is late makes a USB port's pulse late."""
        assert self._thread.native_id is not None
        with suppress(PermissionError):
            hurry(self._thread.native_id, 2)

    def speak(self, personality: str) -> None:
        """Another receiver is on the line from the next second on."""
        self._personality = personality
        chance = Chance(self._seed, "receiver")
        self.receiver = Receiver(personality, chance, list(self.attacks), start_s=self._second)

    def plug(self) -> None:
        """As ever; its other end stays open here too, so that a machine that starts anew finds the line."""
        super().plug()
        self._far = os.open(self.device, os.O_RDWR | os.O_NOCTTY)

    def said(self, data: bytes) -> None:
        """On all its ports."""
        assert self._far is not None
        make_room(self._far)
        super().said(data)
        self._beside.say(data)
        self.usb.say(data)

    def plan_pulse(self, true_ns: int) -> None:
        """The line rises at that instant, to the precision of the emulator."""
        if self.pulse_wire:
            self.lines.edge(self.truth.raw_at(true_ns))
            self._at(true_ns - _AHEAD_NS, lambda _due_ns: self.usb.say(b"\n"))

    def move(self, true_ns: int, leap_at_s: int) -> None:
        """Let it be another time, before a leap second; returns once it is."""
        moved = Event()

        def anew(_due_ns: int) -> None:
            self.truth.set(true_ns)
            self.leap_at_s, self._second = leap_at_s, true_ns // NS_PER_S + 2
            chance = Chance(self._seed, "receiver")
            self.receiver = Receiver(self._personality, chance, start_s=self._second, leap_at_s=leap_at_s)
            self._due.clear()
            self._at(true_ns + NS_PER_S, self._prepare)
            if self.receiver.listens:
                self._at(true_ns, self._listen)
            moved.set()

        self._at(0, anew)  # before all else: it is for the thread that plays
        moved.wait(30)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if self._far is not None:
            os.close(self._far)
        self._beside.close()
        self.usb.close()
        self.lines.close()
