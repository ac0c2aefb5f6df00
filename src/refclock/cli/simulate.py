"""``refclock simulate``: write a capture of a simulated world, attackers included."""

import argparse
import sys
import time
from datetime import UTC, datetime

from refclock.capture import CaptureWriter
from refclock.errors import ConfigError
from refclock.policy import PROFILES
from refclock.world import World, WorldArguments, attack_table, parse_duration
from refclock.world.arguments import START_S
from refclock.world.voices.table import VOICES

EXAMPLE = (
    "refclock simulate --receiver ubx --seed 7 --duration 2h --attack ramp:20ppm@1h --out ramp.jsonl"
    "\n\nattacks, as NAME[:AMOUNT][@TIME[+DURATION]], with the amounts taken where none is written;\n"
    "without TIME they begin half-way, without DURATION they last:\n" + attack_table()
)
_QUIET_S = 2
_STRIDE = 4096  # events between two looks at the time


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("--profile", choices=PROFILES, default="kdc", help="the host's profile (kdc)")
    parser.add_argument("--receiver", choices=tuple(VOICES), default="nmea", help="what it speaks (nmea)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="equal seeds, equal worlds (1)")
    parser.add_argument("--duration", default="1h", metavar="TIME", help="90s, 30m, 2h, 1d (1h)")
    parser.add_argument(
        "--attack", action="append", default=[], metavar="ATTACK", help="see below; repeatable"
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="the capture; - for standard output")
    parser.add_argument("--start", metavar="UTC", help="when it begins (2027-03-01T00:00:00Z)")
    parser.add_argument("--fresh", action="store_true", help="a host that was never enrolled")
    parser.add_argument("--no-pps", action="store_true", help="no pulse, messages only")
    parser.add_argument("--no-rtc", action="store_true", help="no battery clock")
    parser.add_argument("--servers", type=int, default=4, metavar="N", help="NTP servers (4)")
    parser.add_argument(
        "--baud", type=int, metavar="N", help="of the serial line (what the family usually has)"
    )
    parser.add_argument(
        "--cold-start", nargs="?", const="60s", metavar="TIME", help="receiver without a fix at first (60s)"
    )
    parser.add_argument(
        "--leap-second",
        action="store_true",
        help="a real one at the end of the month that the world starts in",
    )


def main(args: argparse.Namespace) -> int:
    """Simulate, and write the capture."""
    world = World(
        WorldArguments(
            profile=args.profile,
            receiver=args.receiver,
            seed=args.seed,
            duration_ns=parse_duration(args.duration),
            attacks=tuple(args.attack),
            start_s=START_S if args.start is None else _posix_s(args.start),
            enrolled=not args.fresh,
            pps=not args.no_pps,
            rtc=not args.no_rtc,
            servers=args.servers,
            baud=args.baud,
            cold_s=0 if args.cold_start is None else parse_duration(args.cold_start) // 10**9,
            leap_second=args.leap_second,
        )
    )
    progress = _Progress(world)
    with CaptureWriter(args.out, world.header()) as capture:
        for number, event in enumerate(world.events()):
            capture.write(event)
            if number % _STRIDE == 0:
                progress.show(event.raw_ns)
    progress.clear()
    return 0


def _posix_s(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--start {text!r}: expected UTC as in 2027-03-01T00:00:00Z.") from None
    whole = when.replace(microsecond=0)
    return int((whole if whole.tzinfo else whole.replace(tzinfo=UTC)).timestamp())


class _Progress:
    """How far the simulation has come: on a terminal, and only when it takes its time."""

    def __init__(self, world: World) -> None:
        self._wanted = sys.stderr.isatty()
        self._begin = time.monotonic()
        self._first_ns = world.counter.raw_at(world.start_ns)
        self._length_ns = world.arguments.duration_ns
        self._shown = False

    def show(self, raw_ns: int) -> None:
        if self._wanted and time.monotonic() - self._begin > _QUIET_S:
            percent = min(max((raw_ns - self._first_ns) * 100 // self._length_ns, 0), 100)
            print(f"\rsimulated {percent} %", end="", file=sys.stderr, flush=True)
            self._shown = True

    def clear(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
