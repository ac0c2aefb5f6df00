"""CPU time and memory of `refclock replay --decisions` over captures of several lengths.

usage: python bench/replay.py [--hours N]... [--runs N]

The captures are simulated: 1 Hz of NMEA with PPS, an RTC and four NTP servers. Printed is the best run,
start-up included, beside two yardsticks of the same minute: the *floor*, which reads the same file, parses
each line with json.loads and digests it, as any reader of a capture must; and a fixed loop over integers.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import LOOP, Cost, best, refclock, script

FLOOR = """
import hashlib, json, sys
digest = hashlib.sha256()
with open(sys.argv[1], "rb") as capture:
    for line in capture:
        json.loads(line)
        digest.update(line)
"""
DAY_H = 24


def main() -> int:
    """Measure each length."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=int, action="append", help="length of a capture (1, 6 and 24)")
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    peaks = []
    print("   h   events   CPU s   us/event  events/s   RSS MiB   to floor   to loop")
    for hours in args.hours or [1, 6, DAY_H]:
        with tempfile.TemporaryDirectory() as folder:
            capture = str(Path(folder) / "capture.jsonl")
            subprocess.run(refclock("simulate", "--duration", f"{hours}h", "--out", capture), check=True)
            with open(capture, "rb") as lines:
                events = sum(1 for _ in lines) - 2  # without header and footer
            found = best(
                args.runs,
                {
                    "replay": refclock("replay", "--decisions", capture),
                    "floor": script(FLOOR, capture),
                    "loop": script(LOOP),
                },
            )
        print(row(hours, events, found), flush=True)
        peaks.append(found["replay"].rss_kib)
    if len(peaks) > 1:
        print(f"memory: {peaks[-1] / peaks[0]:.3f} times as much for the last as for the first")
    return 0


def row(hours: int, events: int, found: dict[str, Cost]) -> str:
    """One line of the table."""
    replay = found["replay"]
    return (
        f"{hours:4}{events:9}{replay.cpu_ns / 1e9:8.2f}{replay.cpu_ns / events / 1000:11.1f}"
        f"{events * 1_000_000_000 // replay.cpu_ns:10}{replay.rss_kib / 1024:10.1f}"
        f"{replay.cpu_ns / found['floor'].cpu_ns:11.2f}{replay.cpu_ns / found['loop'].cpu_ns:10.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
