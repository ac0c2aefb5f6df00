"""``refclock record``: what the ports say, into a capture, and nothing decided."""

import argparse
from collections.abc import Mapping, Sequence

from refclock.capture import CaptureWriter
from refclock.cli.configfile import config_argument, read_config, seconds_argument
from refclock.core.asking.poller import Poller
from refclock.core.seconds.line import Line
from refclock.model import Decision, Event, PortChange, PpsEdge, SerialBytes, SerialSent
from refclock.policy import CESIUM_PORT, RECEIVER_PORT
from refclock.ports import ports_of
from refclock.ports.hotplug import with_hotplug
from refclock.runtime import Runtime
from refclock.runtime.header import capture_header
from refclock.sinks.journal import Journal
from refclock.sinks.notify import Notifier
from refclock.wire.families import dialogue_of

EXAMPLE = "refclock record --config /etc/refclock/receiver.toml --out receiver.jsonl.gz --seconds 3600"


class Nobody:
    """Stands where the core stands in a daemon, and decides nothing: but a receiver that speaks only when
    asked is asked, or there were nothing to record."""

    def __init__(self, protocol: str) -> None:
        dialogue = dialogue_of(protocol)
        self._poller = None if dialogue is None else Poller(dialogue, RECEIVER_PORT)
        self._line = None if dialogue is None else Line(protocol)

    def step(self, event: Event) -> Sequence[Decision]:
        if self._poller is None or self._line is None:
            return ()
        if isinstance(event, SerialBytes) and event.port == RECEIVER_PORT:
            for report, _ in self._line.feed(event):
                self._poller.on_report(report)
        elif isinstance(event, PortChange) and event.port == RECEIVER_PORT:
            self._poller.begin_anew(event.raw_ns, event.up)
        elif isinstance(event, SerialSent) and event.port == RECEIVER_PORT:
            self._poller.on_sent(event.data, event.raw_ns)
        elif isinstance(event, PpsEdge) and event.port != CESIUM_PORT:
            self._poller.on_pulse(event.raw_ns - (event.real_ns - event.at_ns))
        return self._poller.on_time(event.raw_ns)

    def wake_at(self) -> int | None:
        return None if self._poller is None else self._poller.wake_at()

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
        with_hotplug(ports_of(policy)),
        Nobody(policy.receiver.protocol),
        (),
        Journal(),
        capture=capture,
        notifier=Notifier(),
        record=True,
    )
    return runtime.run(args.seconds)
