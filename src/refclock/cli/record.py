"""``refclock record``: what the ports say, into a capture, and nothing decided."""

import argparse
from collections.abc import Mapping, Sequence

from refclock.capture import CaptureWriter
from refclock.cli.configfile import config_argument, read_config, seconds_argument
from refclock.model import Decision, Event
from refclock.ports import ports_of
from refclock.runtime import Runtime
from refclock.runtime.header import capture_header
from refclock.sinks.journal import Journal
from refclock.sinks.notify import Notifier

EXAMPLE = "refclock record --config /etc/refclock.toml --out receiver.jsonl.gz --seconds 3600"


class Nobody:
    """Stands where the core stands in a daemon, and decides nothing."""

    def step(self, event: Event) -> Sequence[Decision]:
        return ()

    def wake_at(self) -> int | None:
        return None

    def view(self, raw_ns: int) -> dict[str, object]:
        return {}

    def memory(self) -> Mapping[str, object]:
        return {}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    config_argument(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        required=True,
        help="the capture; .gz and .xz by suffix; - for standard output",
    )
    seconds_argument(parser)


def main(args: argparse.Namespace) -> int:
    """Record until SIGTERM or SIGINT; 1 when the capture could not be written to its end."""
    text, policy = read_config(args.config)
    capture = CaptureWriter(args.out, capture_header(policy, text))
    runtime = Runtime(
        ports_of(policy), Nobody(), (), Journal(), capture=capture, notifier=Notifier(), record=True
    )
    return runtime.run(args.seconds)
