"""Fuzz the scanner and the codecs below it.

usage: python bench/fuzz_wire.py [--seconds N] [--seed N]

All families of the table are fuzzed together, with frames of all voices that the simulated world has.
With atheris installed it is coverage-guided; otherwise a seeded loop of mutations, which prints its seed so
that a finding can be had again. It fails on any exception, on reports that depend on how the stream was cut,
on a good sentence lost behind mutated bytes, and on memory held beyond the longest frame.
"""

import argparse
import random
import sys
import time
from itertools import pairwise

from streams import seconds

from refclock.cli.decode import line
from refclock.wire.families import AUTO, FAMILIES
from refclock.wire.nmea import checksum as nmea_checksum
from refclock.wire.report import Label, Report
from refclock.wire.scanner import Scanner
from refclock.wire.ubx import checksum as ubx_checksum
from refclock.world.voices.table import VOICES

# More than the longest message that is waited for, RXM-RAWX of 184 signals.
HELD_MAX = 6000
ALL = frozenset(FAMILIES)
# With one of these before it, a good sentence may be part of another family's good frame.
MARKS = (b"\xb5\x62", b"@@", b"\x10", b"\xa0\xa2")


def sentence(body: bytes) -> bytes:
    """A sentence with its checksum."""
    return b"$%s*%02X\r\n" % (body, nmea_checksum(body))


def frame(key: int, payload: bytes) -> bytes:
    """A UBX frame with its checksum."""
    covered = key.to_bytes(2, "big") + len(payload).to_bytes(2, "little") + payload
    return b"\xb5\x62" + covered + bytes(ubx_checksum(covered))


SEEDS = [
    *(
        sentence(body)
        for body in (
            b"GPRMC,123456.00,A,4900.0,N,00800.0,E,0.1,0.2,290224,,,A",
            b"GNRMC,235960,V,,,,,,,311216,,,N",
            b"GPZDA,123456.789,29,02,2024,00,00",
            b"GNGGA,123456,4900.0,N,00800.0,E,,08,1.0,499.6,M,48.0,M,,",
            b"GPGLL,4900.0,N,00800.0,E,123456,A,D",
            b"GNGNS,123456,4900.0,N,00800.0,E,AN,08,1.0,499.6,48.0,,",
            b"PUBX,04,123456.00,290224,390896.00,2303,18D,1000,-1.5,21,",
            b"PGRMF,255,390914,290224,123456,18,,,,,A,1,0,0,1,1",
            b"PERDCRW,TPS1,20240229123456,2,20250101000000,+18,+19,4",
            b"GPGSV,1,1,01,23,38,230,44",
        )
    ),
    *(
        frame(key, bytes((at * 37) & 0xFF for at in range(size)))
        for key, size in (
            (0x0103, 16), (0x0106, 52), (0x0107, 92), (0x0120, 16), (0x0121, 20), (0x0126, 24), (0x0135, 44),
            (0x0A09, 60), (0x0A38, 28), (0x0D01, 16), (0x2709, 12), (0x2709, 4), (0x0402, 30),
        )
    ),
    bytes.fromhex("a0a200022901002ab0b3"),
    bytes.fromhex("100a022600ce1003"),
    *(data for voice in VOICES for data in seconds(voice, 11)),
]  # fmt: skip
CANARY = sentence(b"GPZDA,000000,01,01,2020,,")


def scan(chunks: list[bytes], protocols: frozenset[str] | str = ALL) -> list[Report]:
    """All reports, with the bound on memory checked after each chunk."""
    scanner = Scanner(protocols)
    reports = []
    for chunk in chunks:
        reports += scanner.feed(chunk)
        assert len(scanner._rest) <= HELD_MAX
    return reports + scanner.finish()


def check(data: bytes, cuts: list[int]) -> None:
    """Everything that must hold for a stream."""
    # The line end takes a sentence just before the canary out of its way.
    data += b"\n" + CANARY
    whole = scan([data])
    edges = [0, *sorted(cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    assert whole == scan(pieces), "reports depend on chunks"
    for name in (*FAMILIES, AUTO):
        alone = scan([data], name)
        assert alone == scan(pieces, name), f"reports of {name} depend on chunks"
        canary = name in ("nmea", AUTO) and any(report.end == len(data) for report in alone)
        # Only another family's good frame may contain it.
        marked = name == AUTO and any(mark in data for mark in MARKS)
        assert canary or marked or name not in ("nmea", AUTO), "a good sentence was lost"
    for report in whole:
        assert 0 <= report.start < report.end <= len(data)
        if isinstance(report, Label):
            assert line(report, None).startswith('{"utc":')


def mutated(chance: random.Random) -> bytes:
    """Some good frames, with a few bytes changed, lost, doubled or put in."""
    data = bytearray(b"".join(chance.choices(SEEDS, k=chance.randrange(1, 9))))
    for _ in range(chance.choice((0, 1, 1, 2, 4, 16, 64))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[at:at] = chance.randbytes(chance.randrange(1, 9))
            case 1:
                del data[at : at + chance.randrange(1, 40)]
            case 2:
                data[at:at] = data[at : at + chance.randrange(1, 80)]
            case 3:
                data[at:at] = chance.choice(
                    (
                        b"$",
                        b"*",
                        b"\r\n",
                        b"\xb5\x62",
                        b"\xb5\x62\x01\x35\xd8\x00",
                        b",",
                        b"\n",
                        b"\x10",
                        b"\x10\x03",
                        b"\x10\x8f\xab",
                        b"\x10\xa1\x00\x00\xff\x02",
                        b"\x10\x33\xff",
                        b"@@",
                        b"@@Ha",
                        b"\xa0\xa2\x01",
                        b"\x02",
                        b"\x03",
                        b"\x01",
                        b"#",
                        b"!",
                    )
                )
            case _ if at < len(data):
                data[at] = chance.choice((data[at] ^ 1 << chance.randrange(8), chance.randrange(256)))
            case _:
                pass
    return bytes(data)


def loop(seconds: int, seed: int) -> int:
    """Mutate until the time is over; returns how many streams were tried."""
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    streams = 0
    while time.monotonic() < end:
        for _ in range(50):
            data = mutated(chance)
            check(data, [chance.randrange(len(data) + 1) for _ in range(chance.randrange(12))])
            streams += 1
    return streams


def guided(seconds: int) -> None:
    """Let atheris find the streams."""
    import atheris  # type: ignore[import-untyped]  # noqa: PLC0415

    def one(data: bytes) -> None:
        check(data[8:], [at * len(data[8:]) // 256 for at in data[:8]])

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], f"-max_total_time={seconds}"], one)
    atheris.Fuzz()


def main() -> int:
    """Fuzz for as long as was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=time.time_ns())
    args = parser.parse_args()
    try:
        guided(args.seconds)
    except ImportError:
        print(f"seed {args.seed}", flush=True)
        print(f"{loop(args.seconds, args.seed)} streams, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
