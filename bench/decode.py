"""Whole-process time of `refclock decode` against gpsdecode on the same bytes.

usage: python bench/decode.py [--megabytes N] [--runs N]

The streams are generated: an NMEA receiver of thirteen sentences a second, a UBX timing receiver, and ten
minutes of each other voice of the simulated world, over and over. Printed is the best of the runs of each
program, and gpsdecode's time divided by ours: above 1 we are faster.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from streams import seconds

from refclock.wire.families import FAMILIES
from refclock.wire.nmea import checksum as nmea_checksum
from refclock.wire.scanner import Scanner
from refclock.wire.ubx import checksum as ubx_checksum
from refclock.world.voices.table import VOICES

START = datetime(2024, 2, 29, tzinfo=UTC)
GPS_EPOCH = datetime(1980, 1, 6, tzinfo=UTC)
WEEK_MS = 604_800_000
LEAP_MS = 18_000
LITTLE: Final = "little"
MINUTES = 10


def nmea_second(when: datetime) -> bytes:
    """What a receiver that sees three systems says in one second."""
    clock, place = f"{when:%H%M%S}.00", "4900.00000,N,00800.00000,E"
    bodies = [
        f"GNRMC,{clock},A,{place},0.004,77.52,{when:%d%m%y},,,A,V",
        "GNVTG,77.52,T,,M,0.004,N,0.008,K,A",
        f"GNGGA,{clock},{place},1,12,0.71,110.2,M,47.1,M,,",
        "GNGSA,A,3,02,05,07,13,15,20,29,30,,,,,1.31,0.71,1.10,1",
        "GNGSA,A,3,66,67,76,77,82,83,,,,,,,1.31,0.71,1.10,2",
    ]
    for talker, parts in (("GP", 3), ("GL", 2), ("GA", 1)):
        for part in range(1, parts + 1):
            satellites = "".join(
                f",{4 * part + n:02},{20 + 7 * n},{(40 * n + 9 * part) % 360:03},4{n}" for n in range(4)
            )
            bodies.append(f"{talker}GSV,{parts},{part},{4 * parts:02}{satellites},1")
    bodies += [f"GNGLL,{place},{clock},A,A", f"GNZDA,{clock},{when:%d,%m,%Y},00,00"]
    return b"".join(b"$%s*%02X\r\n" % (body.encode(), nmea_checksum(body.encode())) for body in bodies)


def ubx_second(when: datetime) -> bytes:
    """What a u-blox timing receiver says in one second: PVT, SAT, TIMEGPS and TIMEUTC, and TIM-TP."""
    gps_ms = (when - GPS_EPOCH) // timedelta(milliseconds=1) + LEAP_MS
    tow = (gps_ms % WEEK_MS).to_bytes(4, LITTLE)
    week = (gps_ms // WEEK_MS).to_bytes(2, LITTLE)
    pulse_week, pulse_tow = divmod(gps_ms - LEAP_MS + 1000, WEEK_MS)
    civil = bytes([when.month, when.day, when.hour, when.minute, when.second])
    year, nano = when.year.to_bytes(2, LITTLE), (-300).to_bytes(4, LITTLE, signed=True)
    messages = [
        (0x0107, tow + year + civil + b"\x37" + bytes(4) + nano + b"\x05\x01\xe0\x0c" + bytes(68)),
        (0x0135, tow + b"\x01\x18\0\0" + b"\0\x05\x28\x1e\x59\0\0\0\x1f\x19\0\0" * 24),
        (0x0120, tow + nano + week + b"\x12\x07" + b"\x0a\0\0\0"),
        (0x0121, tow + b"\x0a\0\0\0" + nano + year + civil + b"\x37"),
        (0x0D01, pulse_tow.to_bytes(4, LITTLE) + bytes(8) + pulse_week.to_bytes(2, LITTLE) + b"\x0b\0"),
    ]  # fmt: skip
    stream = b""
    for key, payload in messages:
        covered = key.to_bytes(2, "big") + len(payload).to_bytes(2, LITTLE) + payload
        stream += b"\xb5\x62" + covered + bytes(ubx_checksum(covered))
    return stream


def streams(size: int) -> Iterator[tuple[str, str, bytes]]:
    """At least ``size`` bytes of consecutive seconds of each kind: its name, its protocol, and they."""
    for protocol, second in (("nmea", nmea_second), ("ubx", ubx_second)):
        data, when = bytearray(), START
        while len(data) < size:
            data += second(when)
            when += timedelta(seconds=1)
        yield protocol, protocol, bytes(data)
    for voice, row in VOICES.items():
        if row.protocol in FAMILIES and row.protocol not in ("nmea", "ubx"):
            said = b"".join(seconds(voice, MINUTES * 60))
            yield voice, row.protocol, said * (size // len(said) + 1)


def best_ns(command: list[str], path: Path, runs: int) -> int:
    """The shortest wall time of a whole process that reads ``path`` on standard input."""
    times = []
    for _ in range(runs):
        with path.open("rb") as stream:
            start = time.perf_counter_ns()
            subprocess.run(command, stdin=stream, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter_ns() - start)
    return min(times)


def main() -> int:
    """Measure them all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    gpsdecode = shutil.which("gpsdecode")
    with tempfile.TemporaryDirectory() as folder:
        for name, protocol, data in streams(args.megabytes * 1_000_000):
            path = Path(folder) / name
            path.write_bytes(data)
            scanner = Scanner(protocol)
            scanner.feed(data)
            frames = sum(scanner.counters.frames.values())
            command = [sys.executable, "-m", "refclock", "decode", "--protocol", protocol, "-"]
            ours = best_ns(command, path, args.runs)
            print(f"{name}: {len(data)} bytes, {frames} frames")
            print(f"  refclock decode  {ours / 1e9:6.2f} s  {frames * 1_000_000_000 // ours} frames/s")
            if gpsdecode is None:
                print("  gpsdecode is not installed (Debian: gpsd-clients)")
                continue
            theirs = best_ns([gpsdecode], path, args.runs)
            print(f"  gpsdecode        {theirs / 1e9:6.2f} s  {frames * 1_000_000_000 // theirs} frames/s")
            print(f"  ratio            {theirs / ours:6.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
