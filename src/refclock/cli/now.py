"""``refclock now``: the time, how well it is known, and what it rests on."""

import argparse
import json

from refclock.bounded import DIRECTORY, BoundedTime, now
from refclock.cli.configfile import read_config, usual_path
from refclock.errors import ConfigError
from refclock.units import NS_PER_MS, NS_PER_S, show_ns
from refclock.wire.calendar import show_utc

EXAMPLE = "refclock now --max-error-ms 100"
_MAX_MS = 1_000_000_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--config", metavar="FILE", help="read the file that this configuration names")
    where.add_argument("--file", metavar="PATH", help=f"read this file (the only one in {DIRECTORY})")
    parser.add_argument(
        "--max-error-ms", type=_milliseconds, default=1000, metavar="N",
        help="how far UTC may be off; known less closely, it is an error (1000)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the same, for programs")


def _milliseconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _MAX_MS:
        raise argparse.ArgumentTypeError(f"expected 0 to {_MAX_MS} milliseconds, found {text!r}")
    return int(text)


def main(args: argparse.Namespace) -> int:
    """Print it; 1 where nobody vouches for a time, or not closely enough."""
    told = now(args.max_error_ms * NS_PER_MS / NS_PER_S, path=_path(args))
    print(json.dumps(document(told)) if args.json else line(told))
    return 0


def _path(args: argparse.Namespace) -> str | None:
    if not args.config:
        return args.file or None
    path = read_config(args.config)[1].time_file
    if path is None:
        own = usual_path(args.config, "time")
        raise ConfigError(f'{args.config}: has no time file; add [time] file = "{own}".')
    return path


def line(told: BoundedTime) -> str:
    """For people: UTC, the bound, the mode, what it rests on."""
    second, rest = divmod(told.utc_ns, NS_PER_S)
    bound = show_ns(told.bound_ns).lstrip("+")
    return f"{show_utc(second)}.{rest // 1000:06d}Z +- {bound}  {told.state}  {' '.join(told.chain)}"


def document(told: BoundedTime) -> dict[str, object]:
    """For programs (docs/bounded-time.md)."""
    return {
        "utc_ns": told.utc_ns,
        "earliest_ns": told.earliest_ns,
        "latest_ns": told.latest_ns,
        "bound_ns": told.bound_ns,
        "state": told.state,
        "chain": list(told.chain),
    }
