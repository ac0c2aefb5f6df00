"""``refclock scrub``: a capture anew, without what its owner would not publish."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

from refclock.capture import CaptureReader, CaptureWriter
from refclock.errors import CaptureError, ConfigError
from refclock.model import Command, Event, SerialBytes, SerialSent, SystemClock
from refclock.wire.families import AUTO, FAMILIES
from refclock.wire.scrub import pieces

_OURS = frozenset(("refclock_capture", "policy", "ports", "host", "in_force", "truth", "simulated"))
EXAMPLE = "refclock scrub monday.jsonl.xz --out monday-scrubbed.jsonl.xz"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("capture", help="a capture file (.gz and .xz by suffix)")
    parser.add_argument("--out", metavar="FILE", required=True, help="the new one; - for standard output")
    parser.add_argument(
        "--header", metavar="JSON", help="a file with an object whose keys are added to the header"
    )
    parser.epilog = (
        (parser.epilog or "")
        + """

Positions become zeros in all messages that are read; messages and bytes that are not become zeros
altogether, and so does what was sent to the receiver. Boot ids become numbers, and the host's name goes.
Times of arrival, pulses and answers stay. The configuration stays as it is, with devices and NTP servers
by name: those lines are printed."""
    )


class _Scrubber:
    """What must be known of a whole capture before its first line can be written."""

    def __init__(self, path: str) -> None:
        self._boots: dict[str, str] = {}
        received: dict[str, list[bytes]] = {}
        with CaptureReader(path) as reader:
            self.header = reader.header
            self._note_boot(_host(self.header).get("boot_id"))
            for event in reader:
                if isinstance(event, SerialBytes):
                    received.setdefault(event.port, []).append(event.data)
                elif isinstance(event, SystemClock):
                    self._note_boot(event.boot_id)
        self._chunks = {port: iter(self._scrubbed(path, port, data)) for port, data in received.items()}

    def _note_boot(self, boot_id: object) -> None:
        if isinstance(boot_id, str):
            self._boots.setdefault(boot_id, f"00000000-0000-0000-0000-{len(self._boots) + 1:012}")

    def _scrubbed(self, path: str, port: str, chunks: list[bytes]) -> list[bytes]:
        """The chunks anew: each byte goes to the chunk of the one that it replaces."""
        protocol = _protocol(self.header, port)
        ends, out = [], [bytearray() for _ in chunks]
        total = 0
        for chunk in chunks:
            total += len(chunk)
            ends.append(total)
        index = 0
        try:
            for start, end, new in pieces(b"".join(chunks), protocol):
                at = 0
                while ends[index] < end:
                    taken = new[at : ends[index] - start]
                    out[index] += taken
                    at += len(taken)
                    index += 1
                out[index] += new[at:]
        except KeyError as error:
            raise CaptureError(
                f"{path}: {port}: nobody has taught me to take the position out of protocol {error}; "
                "expected nmea, ubx, or another that is."
            ) from None
        if not any(any(one) for one in out):
            raise CaptureError(f"{path}: {port}: no good frame of {protocol}: nothing would be left of it.")
        return [bytes(one) for one in out]

    def new_header(self) -> dict[str, object]:
        """The header, its host without a name, and marked."""
        host = {key: self._renamed(value) for key, value in _host(self.header).items() if key != "name"}
        if _host(self.header).get("name") == "simulated":
            host["name"] = "simulated"
        return {**self.header, "host": host, "scrubbed": True}

    def new_event(self, event: Event) -> Event | None:
        """The event anew; None for one that says nothing any more."""
        if isinstance(event, SerialBytes):
            data = next(self._chunks[event.port])
            return replace(event, data=data) if data else None
        if isinstance(event, SystemClock):
            return replace(event, boot_id=self._boots[event.boot_id])
        if isinstance(event, Command):
            args = self._renamed(dict(event.args))
            return replace(event, args=args) if isinstance(args, dict) else event
        if isinstance(event, SerialSent):
            return replace(event, data=bytes(len(event.data)))
        return event

    def _renamed(self, value: object) -> object:
        """Boot ids wherever they stand."""
        if isinstance(value, str):
            return self._boots.get(value, value)
        if isinstance(value, list):
            return [self._renamed(one) for one in value]
        return {key: self._renamed(one) for key, one in value.items()} if isinstance(value, dict) else value


def _host(header: Mapping[str, object]) -> Mapping[str, object]:
    host = header.get("host")
    return host if isinstance(host, dict) else {}


def _protocol(header: Mapping[str, object], port: str) -> str:
    ports = header.get("ports")
    told = ports.get(port) if isinstance(ports, dict) else None
    protocol = told.get("protocol") if isinstance(told, dict) else None
    return protocol if isinstance(protocol, str) and protocol in FAMILIES else AUTO


def _names(header: Mapping[str, object]) -> Iterator[str]:
    """Lines of the configuration that name something of the owner's."""
    policy = header.get("policy")
    for line in policy.splitlines() if isinstance(policy, str) else ():
        if "=" in line and ('"' in line or "'" in line) and not line.startswith("profile"):
            yield line.strip()


def _added(path: str) -> dict[str, object]:
    """What a person says of the capture. Raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as file:
            added = json.load(file)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"--header {path}: {error}; expected a JSON object.") from None
    if not isinstance(added, dict):
        raise ConfigError(f"--header {path}: expected a JSON object, found {type(added).__name__}.")
    if taken := sorted(added.keys() & _OURS):
        raise ConfigError(f"--header {path}: {', '.join(taken)}: decides how it replays; leave it out.")
    return added


def main(args: argparse.Namespace) -> int:
    """Scrub one capture."""
    if args.capture == "-":
        raise ConfigError("- : expected a file; it is read twice.")
    added = _added(args.header) if args.header else {}
    if args.out == args.capture:
        raise ConfigError(f"--out {args.out}: expected another file than the one that is read.")
    scrubber = _Scrubber(args.capture)
    with (
        CaptureReader(args.capture) as reader,
        CaptureWriter(args.out, {**scrubber.new_header(), **added}) as writer,
    ):
        for event in reader:
            try:
                new = scrubber.new_event(event)
                if new is not None:
                    writer.write(new)
            except (RecursionError, ValueError):
                raise CaptureError(
                    f"{args.capture}:{reader.line}: nested too deeply, or with an infinite number in it, to "
                    "be written anew."
                ) from None
    for line in _names(scrubber.header):
        print(f"refclock scrub: still in the header: {line}", file=sys.stderr)
    return 0
