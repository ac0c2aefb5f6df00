"""What one call of ``refclock.now()`` costs, beside reading a clock, and beside the same with an error.

usage: python bench/bounded.py [--calls N]

It writes a time file of its own; no daemon runs and no clock is set.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

import refclock
from refclock.bounded import suspended_ns, this_boot, this_namespace
from refclock.errors import BoundExceededError
from refclock.wire.timefile import TimeRecord, encode

# Short, so that some rounds run undisturbed on a machine that has other things to do.
ROUNDS = 400
CHAIN = ("receiver:/dev/serial/by-id/usb-u-blox-if00", "pps:/dev/pps0", "counter:enrolled", "profile:kdc")
DAY_NS = 86_400 * 10**9


def write(handle: int, number: int) -> None:
    """A record as the daemon writes it, but good for a day."""
    raw_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    record = TimeRecord(
        number, raw_ns, time.time_ns(), 1_000_000, 12_000_000, 5_100_000, raw_ns + DAY_NS, suspended_ns(),
        this_namespace(), this_boot(), "vetted", 0, (*CHAIN, "witness:ntp", "witness:rtc"),
    )  # fmt: skip
    os.pwrite(handle, encode(record), 0)


def each_ns(call: Callable[[], object], calls: int) -> tuple[float, float]:
    """The best and the median round's time for one call, in ns."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(calls):
            call()
        rounds.append((time.perf_counter_ns() - began) / calls)
    return min(rounds), statistics.median(rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=200, help="in each of 400 rounds (200)")
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as place:
        path = f"{place}/time"
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        write(handle, 1)
        refclock.now(path=path)
        number = 1

        def refused() -> None:
            try:
                refclock.now(0.0001, path=path)
            except BoundExceededError:
                return

        def changed() -> None:
            nonlocal number
            number += 1
            write(handle, number)
            refclock.now(path=path)

        clock = each_ns(lambda: time.clock_gettime_ns(time.CLOCK_REALTIME), calls)
        told = refclock.now(path=path)
        rows = (
            ("now()", each_ns(lambda: refclock.now(path=path), calls)),
            ("now().utc, a datetime", each_ns(lambda: refclock.now(path=path).utc, calls)),
            ("now() that raises", each_ns(refused, calls)),
            ("a record written, and now() that reads it anew", each_ns(changed, calls // 4)),
        )
        print(f"one reading of a clock: {clock[0]:.0f} ns (median {clock[1]:.0f}); told: {told.state}")
        for name, (best, median) in rows:
            print(f"{name:<48} best {best / 1000:5.2f} us, median {median / 1000:5.2f} us, "
                  f"{best / clock[0]:.0f} readings of a clock")  # fmt: skip
        os.close(handle)


if __name__ == "__main__":
    main()
