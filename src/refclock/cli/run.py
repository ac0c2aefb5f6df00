"""``refclock run``: the daemon."""

import argparse
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

from refclock import BUILD_UTC_S
from refclock.cli.configfile import config_argument, read_config, seconds_argument
from refclock.core.bridge import Bridge
from refclock.errors import ConfigError
from refclock.policy import Policy
from refclock.ports import ports_of
from refclock.ports.chronyd import ChronydPort
from refclock.ports.hotplug import with_hotplug
from refclock.runtime import LeapFile, Runtime, StateFile
from refclock.runtime.header import capture_header
from refclock.runtime.inforce import in_force
from refclock.sinks.chrony_shm import ChronyShm
from refclock.sinks.chrony_sock import ChronySock
from refclock.sinks.decisions import DecisionLog
from refclock.sinks.journal import NOTICE, WARNING, Journal
from refclock.sinks.notify import Notifier
from refclock.sinks.sink import Sink
from refclock.sinks.status import StatusServer

if TYPE_CHECKING:
    from refclock.capture import CaptureWriter

EXAMPLE = "refclock run --config /etc/refclock/receiver.toml --capture /var/tmp/today.jsonl"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    config_argument(parser)
    parser.add_argument("--capture", metavar="FILE", help="write every event to it; .gz and .xz by suffix")
    parser.add_argument(
        "--decisions", metavar="FILE", help="write every decision to it, one a line; - for standard output"
    )
    seconds_argument(parser)


def main(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT."""
    text, policy = read_config(args.config)
    if args.capture == "-" and args.decisions == "-":
        raise ConfigError("--capture - and --decisions -: standard output takes one of them.")
    journal = Journal()
    with ExitStack() as ends:
        # First of all: where another daemon answers, neither its segment nor its files may be touched.
        status = StatusServer(policy.status_socket) if policy.status_socket else None
        if status is not None:
            status.open()
            ends.callback(status.close)
        state = StateFile(policy.state_file, journal.log) if policy.state_file else None
        kept: Mapping[str, object] = {}
        if state is not None:
            state.hold()
            ends.callback(state.release)
            state.load()
            policy, kept = in_force(policy, state, journal.log)
        _announce(policy, journal)
        # Chrony's sink is the first: a decision reaches it before anybody writes it down.
        bridge = Bridge(policy, BUILD_UTC_S)
        ways: list[ChronyShm | ChronySock] = []
        if policy.shm_unit is not None:
            ways.append(ChronyShm(policy.shm_unit, journal.log))
        if policy.sock_path is not None:
            ways.append(ChronySock(policy.sock_path, journal.log))
        sinks: list[Sink] = [*ways]
        ports = ports_of(policy, state)
        if ways:
            ports.append(ChronydPort([way.unheard for way in ways]))
        if policy.time_file is not None:
            from refclock.sinks.timefile import TimeFile  # only for those who want it

            sinks.append(TimeFile(policy.time_file, policy, bridge.view, journal.log))
        if args.decisions:
            sinks.append(DecisionLog(args.decisions, journal.log))
        runtime = Runtime(
            with_hotplug(ports),
            bridge,
            sinks,
            journal,
            capture=_capture(args.capture, policy, text, kept) if args.capture else None,
            status=status,
            notifier=Notifier(),
            state=state,
            leap=LeapFile(policy.leap_file, journal.log) if policy.leap_file else None,
        )
        return runtime.run(args.seconds)


def _capture(path: str, policy: Policy, text: str, kept: Mapping[str, object]) -> "CaptureWriter":
    # Only for those who want one: its compressors and OpenSSL's share of hashlib cost megabytes.
    from refclock.capture import CaptureWriter

    return CaptureWriter(path, capture_header(policy, text, kept))


def _announce(policy: Policy, journal: Journal) -> None:
    """What is unusual about a configuration is said at each start, not only when it was written."""
    journal.log(NOTICE, f"starting with profile {policy.profile}")
    for row in policy.loosened:
        journal.log(WARNING, f"limit {row.key} is loosened from {row.default} to {row.chosen}: {row.reason}")
    if not policy.receiver.device and not policy.receiver.pulse_only:
        journal.log(WARNING, "no receiver is configured ([receiver] device): nothing will be published")
    elif policy.pulse is None:
        journal.log(WARNING, "no pulse is configured ([pps]): seconds are good to milliseconds only")
    if policy.shm_unit is None and policy.sock_path is None:
        journal.log(WARNING, "no way to chrony is configured ([sock] path or [shm] unit): it is told nothing")
