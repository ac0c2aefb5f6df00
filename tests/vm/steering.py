"""Runs inside the guest: feeds chronyd's SOCK reference clocks by a plan, and watches what becomes of the
clock.

    python3 steering.py '{"sockets": [...], "seconds": 90, "plan": [[10, 700000000], ...], "midnight": null}'

``plan``: from so many seconds on, the reference clocks are so far ahead of CLOCK_MONOTONIC_RAW (ns); with
``midnight`` (POSIX s) they are a second behind from then on, as after a leap second. Prints an object: the
fastest and slowest rate that the kernel was set to (ppb), the greatest that both clocks show over a second
(ppb), the greatest jump from one reading to the next beyond ``allowed_ppb`` (ns), and the greatest step
back (ns)."""

import ctypes
import json
import socket
import struct
import sys
import time
from typing import Any

_TIMEX = struct.Struct("@I4l i8l i5l i44x")
_EACH_S, _FEED_NS, _SPAN_NS = 0.02, 200_000_000, 1_000_000_000
_MAGIC = 0x534F434B


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


def kernel_ppb(library: Any) -> int:
    """By how much tick and freq have the clock run fast."""
    buffer = ctypes.create_string_buffer(_TIMEX.size)
    library.adjtimex(buffer)
    fields = _TIMEX.unpack(buffer.raw)
    return int((fields[11] - 10_000) * 100_000 + fields[2] * 1000 // 65536)


class Watch:
    """What the readings show."""

    def __init__(self, allowed_ppb: int) -> None:
        self.allowed_ppb = allowed_ppb
        self.fastest_ppb = self.slowest_ppb = self.shown_ppb = self.jump_ns = self.back_ns = 0
        self._last: tuple[int, int, int] | None = None
        self._span: tuple[int, int, int] | None = None

    def look(self, now: tuple[int, int, int], rate_ppb: int) -> None:
        """One reading."""
        self.fastest_ppb = max(self.fastest_ppb, rate_ppb)
        self.slowest_ppb = min(self.slowest_ppb, rate_ppb)
        raw, real, half = now
        if self._last is not None:
            passed = raw - self._last[0]
            apart = real - self._last[1] - passed
            beyond = abs(apart) - passed * self.allowed_ppb // 10**9 - half - self._last[2]
            self.jump_ns = max(self.jump_ns, beyond)
            self.back_ns = max(self.back_ns, self._last[1] - real)
        self._last = now
        if self._span is None:
            self._span = now
        elif raw - self._span[0] >= _SPAN_NS:
            passed = raw - self._span[0]
            apart = max(0, abs(real - self._span[1] - passed) - half - self._span[2])
            self.shown_ppb = max(self.shown_ppb, apart * 10**9 // passed)
            self._span = now


def main() -> None:
    """Feed and watch."""
    wanted = json.loads(sys.argv[1])
    library, watch = ctypes.CDLL(None), Watch(wanted["allowed_ppb"])
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    start_raw, start_real, _ = reading()
    fed_raw = 0
    while True:
        now = raw, real, _ = reading()
        passed_ns = raw - start_raw
        if passed_ns > wanted["seconds"] * 10**9:
            break
        watch.look(now, kernel_ppb(library))
        ahead_ns = max((one for one in wanted["plan"] if one[0] * 10**9 <= passed_ns), default=[0, 0])[1]
        true_ns = start_real + passed_ns + ahead_ns
        if wanted["midnight"] is not None and true_ns >= (wanted["midnight"] + 1) * 10**9:
            true_ns -= 10**9
        if raw - fed_raw >= _FEED_NS:
            fed_raw = raw
            sample = struct.pack(
                "@qqdiiii", real // 10**9, real // 1000 % 10**6, (true_ns - real) / 1e9, 0, 0, 0, _MAGIC
            )
            for path in wanted["sockets"]:
                line.sendto(sample, path)
        time.sleep(_EACH_S)
    print(json.dumps({
        "fastest_ppb": watch.fastest_ppb, "slowest_ppb": watch.slowest_ppb, "shown_ppb": watch.shown_ppb,
        "jump_ns": watch.jump_ns, "back_ns": watch.back_ns,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
