"""A real gpsd on loopback with an emulated receiver, and a scripted server that misbehaves as one might.

gpsd runs in an IPC namespace of its own: it makes segments for ntpd on starting, and never removes them.
"""

import os
import select
import socket
import subprocess
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

import pytest

from refclock.model import Event
from refclock.ports import Port, stamp
from refclock.units import NS_PER_S


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Gpsd:
    """A context in which gpsd owns ``devices`` and listens on ``port``."""

    def __init__(self, require: Callable[[str], str], *devices: str) -> None:
        own_ipc = [require("unshare"), "--ipc", *(() if os.geteuid() == 0 else ("--map-root-user",))]
        if subprocess.run([*own_ipc, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
            pytest.skip("no IPC namespace can be made here")
        self.port = free_port()
        self._command = [*own_ipc, require("gpsd"), "-N", "-n", "-b", "-S", str(self.port), *devices]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.02)
        raise AssertionError("gpsd does not listen after 10 s")

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Pty:
    """A receiver on a pty: what ``say`` makes of each second of this host's clock, 100 ms after it."""

    def __init__(self, say: Callable[[int], bytes]) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        os.chmod(self.path, 0o666)  # gpsd drops root
        self._say = say
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(1.1 - time.time() % 1):
            os.write(self._master, self._say(int(time.time())))

    def close(self) -> None:
        self._over.set()
        self._thread.join()
        for one in (self._master, self._slave):
            os.close(one)


# What to do with a client; True keeps the line open afterwards.
Script = Callable[[socket.socket], bool]


class Fake:
    """A server on loopback that does with each client what the next of ``scripts`` says; the last one is for
    all that come later."""

    def __init__(self, *scripts: Script) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.clients = 0
        self.heard = b""
        self._scripts = scripts
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.settimeout(5)
            script = self._scripts[min(self.clients, len(self._scripts) - 1)]
            self.clients += 1
            self._open.append(client)
            held = False
            with suppress(OSError):
                held = script(client)
            if not held:
                client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._open:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()
        self._thread.join()


def silent(client: socket.socket) -> bool:
    """Takes the call and says nothing."""
    return True


PATH = "/dev/ttyACM0"
VERSION = b'{"class":"VERSION","release":"3.22","rev":"3.22","proto_major":3,"proto_minor":14}\r\n'


def devices(*paths: str) -> bytes:
    rows = ",".join(f'{{"class":"DEVICE","path":"{path}","driver":"u-blox","bps":9600}}' for path in paths)
    return f'{{"class":"DEVICES","devices":[{rows}]}}\r\n'.encode()


def watch(path: str = PATH) -> bytes:
    return f'{{"class":"WATCH","enable":true,"json":true,"pps":true,"device":"{path}"}}\r\n'.encode()


def tpv(time_: str, path: str = PATH, more: str = "") -> bytes:
    return f'{{"class":"TPV","device":"{path}","mode":3,"time":"{time_}"{more}}}\r\n'.encode()


def saying(*pieces: bytes, hold: bool = True) -> Script:
    """Greets, answers like gpsd up to the agreement to watch, then says the pieces as they are."""

    def script(client: socket.socket) -> bool:
        client.sendall(VERSION)
        client.recv(1000)
        client.sendall(devices(PATH))
        client.recv(1000)
        client.sendall(watch() + b"".join(pieces))
        return hold

    return script


def raw(*pieces: bytes, hold: bool = True) -> Script:
    """Says the pieces, each after something was heard but for the first."""

    def script(client: socket.socket) -> bool:
        for number, piece in enumerate(pieces):
            if number:
                client.recv(1000)
            client.sendall(piece)
        return hold

    return script


def listen(port: Port, seconds: float) -> Iterator[Event]:
    """What a port tells within a time, driven as the loop drives it; every call into it is timed."""
    end = stamp.raw() + int(seconds * NS_PER_S)
    while (now := stamp.raw()) < end:
        due = port.wake_at()
        wait_s = 0.05 if due is None else max(0, min(due - now, NS_PER_S // 20)) / NS_PER_S
        ready = select.select([] if port.fd is None else [port.fd], [], [], wait_s)[0]
        began = stamp.raw()
        events = port.on_ready() if ready else []
        events += port.on_timer(stamp.raw())
        # The loop's budget for a turn; on a busy machine a preemption takes longer, hence the width.
        assert stamp.raw() - began < NS_PER_S // 4
        yield from events
