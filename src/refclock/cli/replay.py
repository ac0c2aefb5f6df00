"""``refclock replay``: decide a capture again."""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping

from refclock import BUILD_UTC_S
from refclock.capture import CaptureReader
from refclock.cli.configfile import read_config
from refclock.cli.summary import Summary, expectations, unmet
from refclock.cli.truth import Truth
from refclock.core.bridge import Bridge
from refclock.errors import CaptureError
from refclock.jsonform import decision_line
from refclock.model import Decision
from refclock.policy import Policy, override, parse_policy
from refclock.units import S_PER_DAY

EXAMPLE = "refclock replay monday.jsonl.xz --summary"
_BATCH = 4096


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("capture", help="a capture file (.gz and .xz by suffix), or - for standard input")
    parser.add_argument("--policy", metavar="FILE", help="judge by this configuration, not the capture's own")
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--decisions", action="store_true", help="print each decision as a line of JSON (default)"
    )
    what.add_argument("--summary", action="store_true", help="print a table for people")
    what.add_argument("--verify", action="store_true", help="compare with what the live daemon decided")


def own_policy(reader: CaptureReader) -> Policy:
    """The policy that was in force when a capture was made. Raises CaptureError or ConfigError."""
    told = reader.header.get("policy", "")
    if not isinstance(told, str):
        raise CaptureError(f"{reader.path}:1: policy: expected the TOML text of a configuration.")
    policy, held = parse_policy(told, f"{reader.path}: policy"), reader.header.get("in_force", {})
    if not isinstance(held, dict):
        raise CaptureError(f"{reader.path}:1: in_force: expected an object, found {held!r:.60}.")
    return override(policy, held) if held else policy


def bridge_for(header: Mapping[str, object], policy: Policy) -> Bridge:
    """The core as it was when the capture was made: under its policy, ports and build date."""
    ports = header.get("ports")
    listed = ports.values() if isinstance(ports, dict) else ()
    has_pps = policy.pps is not None or any(
        isinstance(one, dict) and one.get("kind") == "pps" for one in listed
    )
    return Bridge(policy, _built_s(header), has_pps)


def _built_s(header: Mapping[str, object]) -> int:
    """The build date (POSIX s) that sets the floor of dates. A header that states none is judged under this
    program's, but a simulated world of earlier days under one of its own time."""
    host = header.get("host")
    built = host.get("build_utc_s") if isinstance(host, dict) else None
    if type(built) is int and 0 <= built < 1 << 40:
        return built
    truth = Truth.of(header)
    return BUILD_UTC_S if truth is None else min(BUILD_UTC_S, truth.begins_s - S_PER_DAY)


def replay(reader: CaptureReader, bridge: Bridge) -> Iterator[Decision]:
    """Each decision of a capture, in order."""
    step = bridge.step
    for event in reader:
        yield from step(event)


def main(args: argparse.Namespace) -> int:
    """Replay one capture; 0 replayed, 1 an expectation of its header (or --verify) was not met."""
    with CaptureReader(args.capture) as reader:
        expected = expectations(reader)
        policy = read_config(args.policy)[1] if args.policy else own_policy(reader)
        bridge = bridge_for(reader.header, policy)
        summary = Summary(reader.header)
        digest, count = hashlib.sha256(), 0
        lines: list[str] = []
        try:
            for decision in replay(reader, bridge):
                count += 1
                line = decision_line(decision) + "\n"
                digest.update(line.encode())
                summary.add(decision)
                if not (args.summary or args.verify):
                    lines.append(line)
                    if len(lines) >= _BATCH:
                        sys.stdout.write("".join(lines))
                        lines.clear()
        finally:
            # Also what was decided before a damage.
            sys.stdout.write("".join(lines))
        summary.finish(bridge, reader)
    for note in summary.notes:
        print(f"refclock replay: {args.capture}: {note}", file=sys.stderr)
    if args.summary:
        print(summary.table())
    failed = unmet(expected, summary)
    for expectation in failed:
        print(f"refclock replay: {args.capture}: not as expected: {expectation}", file=sys.stderr)
    if args.verify:
        return _verify(args.capture, reader, digest.hexdigest(), count) or int(bool(failed))
    return int(bool(failed))


def _verify(path: str, reader: CaptureReader, found: str, count: int) -> int:
    footer = reader.footer or {}
    told = footer.get("decisions_sha256")
    if told is None:
        raise CaptureError(
            f"{path}: holds no digest of live decisions (a truncated, recorded or simulated "
            "capture has none); nothing to verify against."
        )
    if told == found:
        print(f"{path}: verified: {count} decisions, the same as live, byte for byte")
        return 0
    live = f"live {footer.get('decisions')} decisions {told!s:.16}..."
    print(f"{path}: NOT the same: {live}, now {count} {found:.16}...")
    return 1
