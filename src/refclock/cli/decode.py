"""``refclock decode``: every labelled second in a receiver's byte stream, one JSON line each."""

import argparse
import json
import lzma
import sys
import zlib
from collections.abc import Iterator
from functools import lru_cache
from io import BufferedIOBase
from typing import cast

from refclock.capture import MARK, CaptureReader, open_stream
from refclock.core.seconds.dates import Dates
from refclock.errors import CaptureError, ConfigError
from refclock.model import SerialBytes
from refclock.units import NS_PER_MS, NS_PER_S, S_PER_DAY
from refclock.wire.calendar import parse_day, show_utc
from refclock.wire.families import AUTO, FAMILIES
from refclock.wire.recognise import Recogniser
from refclock.wire.report import Label, LeapInfo, Report
from refclock.wire.scanner import Scanner

EXAMPLE = "refclock decode receiver.log | jq -c '[.utc, .message, .valid]'"

_CHUNK = 1 << 17
# Of a capture: each has a scanner of its own.
_MAX_PORTS = 64
# An epoch this near a whole second is meant to be that second: receivers round theirs to 10 ms.
_NEAR_NS = 10 * NS_PER_MS
_TEXT = {None: "null", True: "true", False: "false"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "file",
        metavar="FILE",
        help="bytes as a receiver sent them, a gpsd .log or a refclock capture; .gz and .xz by suffix; "
        "- for standard input",
    )
    parser.add_argument(
        "--protocol", default=AUTO, choices=[AUTO, *FAMILIES], help="look for this protocol only"
    )
    parser.add_argument(
        "--not-before",
        metavar="DATE",
        help="YYYY-MM-DD: where a message names no year, take the first that is not before this day",
    )
    parser.epilog = (
        (parser.epilog or "")
        + """

Each line tells the second (utc), where it came from (protocol, message, start: offset in the stream), the
receiver's own word on it (valid), which pulse it names (label_edge), and the leap-second count known at
that point (leap, utc_valid). frac_ns is what the epoch lies after that second, or before it if negative.
null is unknown. A second that is not known to be in UTC has utc null, and timescale and time at the end,
where a time without year is DDDThh:mm:ss. Without
--protocol, families whose frames have no checksum are reported from five consecutive seconds on.
Exit status: 0, or 2 when no frame of a known protocol was found, or the input cannot be used."""
    )


def line(label: Label, known_leap_s: int | None, port: str | None = None) -> str:
    """A label as one JSON line without its end. The keys' order is fixed."""
    utc_s, frac_ns, second60 = label.utc_s, label.frac_ns, label.second60
    if frac_ns >= NS_PER_S - _NEAR_NS:
        # The second after a :60 is the one after its :59, too: POSIX time does not count the leap second.
        utc_s, frac_ns, second60 = utc_s + 1, frac_ns - NS_PER_S, False
    milliseconds = (frac_ns + NS_PER_MS // 2) // NS_PER_MS
    fraction = f".{milliseconds:03}" if frac_ns > _NEAR_NS else ""
    leap_s = known_leap_s if label.leap_s is None else label.leap_s
    middle = _middle(
        (label.protocol, label.message, label.valid, label.label_edge, leap_s, label.utc_valid, second60)
    )
    shown, utc, tail = f"{show_utc(utc_s, second60)}{fraction}", "null", ""
    if label.yearless:
        shown = f"{utc_s // S_PER_DAY + 1:03}{shown[10:]}"
    if label.timescale == "utc" and not label.yearless:
        utc = f'"{shown}Z"'
    else:
        tail = f',"timescale":"{label.timescale}","time":"{shown}"'
    if port is not None:
        tail += f',"port":{json.dumps(port)}'
    return (
        f'{{"utc":{utc},{middle},"frac_ns":{frac_ns},'
        f'"t_acc_ns":{_number(label.t_acc_ns)},"q_err_ps":{_number(label.q_err_ps)},"start":{label.start}{tail}}}'
    )


@lru_cache(maxsize=64)
def _middle(key: tuple[str, str, bool | None, str, int | None, bool | None, bool]) -> str:
    """What hardly changes from line to line."""
    protocol, message, valid, label_edge, leap_s, utc_valid, second60 = key
    return (
        f'"protocol":"{protocol}","message":"{message}","valid":{_TEXT[valid]},"label_edge":"{label_edge}",'
        f'"leap":{_number(leap_s)},"utc_valid":{_TEXT[utc_valid]},"second60":{_TEXT[second60]}'
    )


def _number(value: int | None) -> str:
    return "null" if value is None else str(value)


class _Port:
    """One receiver's stream: its scanner, and the leap-second count last heard on it."""

    def __init__(self, protocol: str, dates: Dates | None, name: str | None = None) -> None:
        self._dates, self._name = dates, name
        self._leap_s: int | None = None
        self.scanner = Recogniser() if protocol == AUTO else Scanner(protocol)
        self.labels = 0

    def feed(self, data: bytes) -> None:
        self._show(self.scanner.feed(data))

    def finish(self) -> None:
        self._show(self.scanner.finish())

    def _show(self, reports: list[Report]) -> None:
        lines: list[str] = []
        for report in reports:
            if isinstance(report, Label):
                dated = self._dates.dated(report) if self._dates is not None else None
                lines.append(line(dated or report, self._leap_s, self._name))
            if isinstance(report, Label | LeapInfo) and report.leap_s is not None:
                self._leap_s = report.leap_s
        if lines:
            self.labels += len(lines)
            sys.stdout.write("\n".join(lines) + "\n")
            # What comes from a pipe may be a receiver that is still talking.
            sys.stdout.flush()


def _blank_comments(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Blanks the lines beginning with # at the top, which are comments for people and may quote sentences.

    They become spaces, not nothing, so that offsets remain those of the file.
    """
    in_comment = False
    for chunk in chunks:
        at = 0
        while at < len(chunk):
            if not in_comment and chunk[at] != ord("#"):
                yield b" " * at + chunk[at:]
                yield from chunks
                return
            newline = chunk.find(b"\n", at)
            in_comment = newline < 0
            at = len(chunk) if in_comment else newline + 1
        yield b" " * len(chunk)


class _Source:
    """The file's bytes; every way in which reading them can fail is a CaptureError that names it."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.stream = open_stream(path)

    def read(self, size: int) -> bytes:
        """What is there, up to ``size`` bytes; empty at the end."""
        try:
            return cast(BufferedIOBase, self.stream).read1(size)
        except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise CaptureError(f"{self.path}: cannot read on: {error}.") from None

    def chunks(self, first: bytes) -> Iterator[bytes]:
        """All of it, ``first`` being what was read already."""
        chunk = first
        while chunk:
            yield chunk
            chunk = self.read(_CHUNK)

    def close(self) -> None:
        if self.path != "-":
            self.stream.close()


def _decode_stream(source: _Source, first: bytes, protocol: str, dates: Dates | None) -> list[_Port]:
    port = _Port(protocol, dates)
    for chunk in _blank_comments(source.chunks(first)):
        port.feed(chunk)
    port.finish()
    return [port]


def _decode_capture(source: _Source, first: bytes, protocol: str, dates: Dates | None) -> list[_Port]:
    """What each port of a capture received. A last line without an end was cut off, and is passed over."""
    ports: dict[str, _Port] = {}
    reader = CaptureReader(source.path, source.stream, first)
    for event in reader:
        if not isinstance(event, SerialBytes):
            continue
        if event.port not in ports:
            if len(ports) >= _MAX_PORTS:
                raise CaptureError(f"{source.path}:{reader.line}: more than {_MAX_PORTS} ports.")
            ports[event.port] = _Port(protocol, dates, event.port)
        ports[event.port].feed(event.data)
    for port in ports.values():
        port.finish()
    return list(ports.values())


def _found(ports: list[_Port], path: str) -> str | None:
    """What to tell people when no second was printed. Raises CaptureError when there was no frame at all."""
    frames: dict[str, int] = {}
    damaged = fed = 0
    for counters, offset in ((port.scanner.counters, port.scanner.offset) for port in ports):
        for name, count in counters.frames.items():
            frames[name] = frames.get(name, 0) + count
        damaged += sum(counters.damaged.values())
        fed += offset
    if not any(frames.values()):
        raise CaptureError(
            f"{path}: not a stream I know: no good frame of {' or '.join(sorted(FAMILIES))} in {fed} bytes, "
            f"{damaged} damaged ones. Sentences without a checksum count only where their family is named: "
            "--protocol nmea-unchecked."
        )
    if any(port.labels for port in ports):
        return None
    for name, count in frames.items():
        if count and not FAMILIES[name].says:
            return (
                f"{path}: {count} good frames of {FAMILIES[name].title}, not read: {FAMILIES[name].advice}."
            )
    counts = ", ".join(f"{count} {name}" for name, count in frames.items() if count)
    return f"{path}: no labelled second, though there are good frames: {counts}; {damaged} damaged."


def main(args: argparse.Namespace) -> int:
    """Decode one file; see EXAMPLE."""
    dates = None
    if args.not_before is not None:
        not_before_s = parse_day(args.not_before)
        if not_before_s is None:
            raise ConfigError(f"--not-before {args.not_before!r}: expected a date as in 2027-01-31.")
        dates = Dates(not_before_s + S_PER_DAY)
    source = _Source(args.file)
    try:
        first = b""
        while len(first) < len(MARK) and (more := source.read(len(MARK) - len(first))):
            first += more
        decode = _decode_capture if first == MARK else _decode_stream
        note = _found(decode(source, first, args.protocol, dates), args.file)
    finally:
        source.close()
    if note is not None:
        print(f"refclock decode: {note}", file=sys.stderr)
    return 0
