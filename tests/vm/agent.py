"""What runs inside the guest: one thread does what the driver asks, another records the clocks.

JSON lines on two virtio serial ports. ``refclock.command``: {"id", "run": shell text, "timeout"} is answered
by {"id", "status", "output"}; {"id", "put": path, "data": base64, "mode"} writes a file; {"id", "unix": path}
reads what a socket says. ``refclock.clocks``: each line {"id"} is answered by {"id", "raw", "real", "unc",
"boot", "readings", "time"}: both clocks now, all readings [raw, real, unc] taken since the last answer, one
each 50 ms (ns), and the daemon's time file.
"""

import base64
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_PORTS = Path("/dev/virtio-ports")
_EACH_S = 0.05
_MOST = 20_000
_OUTPUT = 200_000

Request = dict[str, Any]


def reading() -> tuple[int, int, int]:
    """CLOCK_MONOTONIC_RAW, CLOCK_REALTIME and the half-width of the pair: the narrowest of five."""
    found = []
    for _ in range(5):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        found.append(((after - before + 1) // 2, (before + after) // 2, real))
    half, raw, real = min(found)
    return raw, real, half


def serve(name: str, answer: Callable[[Request], Request]) -> None:
    """Answer what comes in on a port, for ever."""
    path = _PORTS / name
    while not path.exists():
        time.sleep(0.05)
    fd = os.open(path, os.O_RDWR)
    tell(fd, {"hello": os.uname().release})
    pending = b""
    while True:
        data = os.read(fd, 1 << 16)
        if not data:  # nobody is connected to the host's side
            time.sleep(0.05)
            continue
        pending += data
        while b"\n" in pending:
            line, _, pending = pending.partition(b"\n")
            request = json.loads(line)
            tell(fd, {"id": request["id"], **answer(request)})


def tell(fd: int, message: Request) -> None:
    data = json.dumps(message).encode() + b"\n"
    while data:
        data = data[os.write(fd, data) :]


def unix(path: str) -> str:
    """What a Unix stream socket says to one who connects and says nothing."""
    with socket.socket(socket.AF_UNIX) as asked:
        asked.settimeout(10)
        asked.connect(path)
        data = b""
        while part := asked.recv(1 << 16):
            data += part
    return data.decode(errors="replace")


def act(request: Request) -> Request:
    """Run a command or write a file. Whatever goes wrong is the answer."""
    try:
        if "put" in request:
            path = Path(request["put"])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(request["data"]))
            path.chmod(request["mode"])
            return {"status": 0, "output": ""}
        if "unix" in request:
            return {"status": 0, "output": unix(request["unix"])}
        done = subprocess.run(
            ["/bin/bash", "-c", request["run"]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=request["timeout"], check=False,
        )  # fmt: skip
        return {"status": done.returncode, "output": done.stdout.decode(errors="replace")[-_OUTPUT:]}
    except subprocess.TimeoutExpired as late:
        return {"status": 124, "output": (late.stdout or b"").decode(errors="replace")[-_OUTPUT:]}
    except OSError as error:
        return {"status": 125, "output": str(error)}


class Clocks:
    """Readings of both clocks, kept until they are fetched."""

    def __init__(self) -> None:
        self._kept: list[tuple[int, int, int]] = []
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def record(self) -> None:
        while True:
            if len(self._kept) < _MOST:
                self._kept.append(reading())
            time.sleep(_EACH_S)

    def answer(self, _request: Request) -> Request:
        raw, real, half = reading()
        readings, self._kept = self._kept, []
        return {
            "raw": raw,
            "real": real,
            "unc": half,
            "boot": self._boot,
            "readings": readings,
            "time": self._time(),
        }

    @staticmethod
    def _time() -> str:
        """The daemon's time file as it is now, base64; "" where there is none."""
        try:
            return base64.b64encode(Path("/run/refclock/time").read_bytes()).decode()
        except OSError:
            return ""


def main() -> None:
    clocks = Clocks()
    threading.Thread(target=clocks.record, daemon=True).start()
    threading.Thread(target=serve, args=("refclock.clocks", clocks.answer), daemon=True).start()
    serve("refclock.command", act)


if __name__ == "__main__":
    main()
