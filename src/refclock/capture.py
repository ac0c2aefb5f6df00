"""The capture file: a header, one event a line, and a footer that seals them (docs/capture-format.md)."""

import gzip
import json
import lzma
import os
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Self, cast

from refclock.digest import sha256
from refclock.errors import CaptureError
from refclock.jsonform import Fields, dump, event_line, parse_event
from refclock.model import Event

FORMAT_VERSION = 1
# A line longer than this is not an event of ours; without a limit one hostile line would fill the memory.
# The header alone may be long: it carries the truth of a simulated world.
_MAX_LINE = 1 << 20
_MAX_HEADER = 1 << 26
# What each capture begins with.
MARK = b'{"refclock_capture":'
# So many kinds that this version does not know are counted each for itself, by so much of their names.
_MAX_UNKNOWN, _MAX_KIND = 64, 40
_MODE = 0o640


def open_stream(path: str, writing: bool = False) -> BinaryIO:
    """Open a file by its suffix (.gz, .xz), or standard input or output for ``-``.

    Raises CaptureError naming the file and what the system said.
    """
    if path == "-":
        return sys.stdout.buffer if writing else sys.stdin.buffer
    try:
        if writing:
            _make(path)
        if path.endswith(".gz"):
            # No time and no name inside: equal captures are equal files.
            if writing:
                return cast(BinaryIO, _OwningGzip(path))
            return cast(BinaryIO, gzip.open(path, "rb"))
        if path.endswith(".xz"):
            return cast(BinaryIO, lzma.open(path, "wb" if writing else "rb"))
        return open(path, "wb" if writing else "rb")
    except OSError as error:
        deed = "write" if writing else "read"
        raise CaptureError(f"{path}: cannot {deed} it: {error.strerror or error}.") from None


def _make(path: str) -> None:
    """A new file is nobody's to read but ours and our group's: it will hold the antenna's position."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE))


class _OwningGzip(gzip.GzipFile):
    """A gzip writer without name or time stamp that closes the file below it."""

    def __init__(self, path: str) -> None:
        self._below = open(path, "wb")  # noqa: SIM115  # closed by close()
        super().__init__(filename="", mode="wb", fileobj=self._below, mtime=0)

    def close(self) -> None:
        super().close()
        self._below.close()


class CaptureWriter:
    """Writes a capture. OSError of a full or vanished disk passes through to the caller."""

    def __init__(self, path: str, header: Mapping[str, object]) -> None:
        self._stream = open_stream(path, writing=True)
        self._standard = path == "-"
        self._digest = sha256()
        self._events = 0
        self._closed = False
        self._line(dump({"refclock_capture": FORMAT_VERSION, **header}))

    def _line(self, text: str) -> None:
        line = text.encode() + b"\n"
        self._digest.update(line)
        self._stream.write(line)

    def write(self, event: Event) -> None:
        """Append one event."""
        self._line(event_line(event))
        self._events += 1

    def flush(self) -> None:
        """Hand what was written to the operating system."""
        self._stream.flush()

    def close(self, decisions: int | None = None, decisions_sha256: str | None = None) -> None:
        """Write the footer, with the live run's count and digest of decisions where given."""
        if self._closed:
            return
        self._closed = True
        footer: Fields = {"k": "end", "events": self._events, "sha256": self._digest.hexdigest()}
        if decisions is not None and decisions_sha256 is not None:
            footer |= {"decisions": decisions, "decisions_sha256": decisions_sha256}
        try:
            self._stream.write(dump(footer).encode() + b"\n")
            self._stream.flush()
        finally:
            if not self._standard:
                self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _no_number(text: str) -> object:
    """NaN and the infinities, which Python reads and JSON has not (RFC 8259, section 6)."""
    raise ValueError(f"{text}: no number of JSON's")


_DECODER = json.JSONDecoder(parse_constant=_no_number)


class CaptureReader:
    """Reads a capture, line by line, in constant memory.

    After the last event ``footer`` holds the footer, or None when the capture is truncated.
    Every complaint is a CaptureError that names the file and the line.
    """

    def __init__(self, path: str, stream: BinaryIO | None = None, begun: bytes = b"") -> None:
        """``stream``, of which ``begun`` was read already, is taken in place of the file."""
        self.path = path
        self.footer: Fields | None = None
        self.line = 1
        self.unknown_kinds: dict[str, int] = {}
        # Here for its speed, and only here: see refclock.digest.
        import hashlib  # noqa: PLC0415

        self._digest = hashlib.sha256()
        self._events = 0
        self._stream = open_stream(path) if stream is None else stream
        self._begun = begun
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def _fail(self, problem: str) -> CaptureError:
        return CaptureError(f"{self.path}:{self.line}: {problem}.")

    def _read_line(self, limit: int) -> bytes:
        try:
            line = self._begun + self._stream.readline(limit + 1)
            self._begun = b""
        except EOFError:
            return b""  # a compressed file that stops in the middle: a truncated capture
        except (OSError, zlib.error, lzma.LZMAError) as error:
            raise self._fail(f"cannot read on: {error}") from None
        if len(line) > limit:
            raise self._fail(f"a line longer than {limit} bytes; no capture has one")
        return line

    def _decode(self, line: bytes) -> Fields | None:
        """The object on a line; None when the line is no JSON object."""
        try:
            # json.loads would guess the encoding and search the line twice for white space: a third of
            # the time of a replay.
            text = line.decode()
            fields, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            return None
        return fields if isinstance(fields, dict) and text[end:].strip() == "" else None

    def _read_header(self) -> Fields:
        line = self._read_line(_MAX_HEADER)
        header = self._decode(line)
        if header is None and line.startswith(MARK) and not line.endswith(b"\n"):
            raise self._fail("the header is cut off: nothing can be read without it")
        if header is None or "refclock_capture" not in header:
            raise self._fail(
                "not a refclock capture: the first line is not its header "
                '({"refclock_capture":1,...}); for a receiver\'s bare byte stream use `refclock decode`'
            )
        version = header["refclock_capture"]
        if type(version) is not int or version != FORMAT_VERSION:
            raise self._fail(
                f"capture format {version!r:.60}; this version reads {FORMAT_VERSION}: use a newer refclock"
            )
        self._digest.update(line)
        return header

    def __iter__(self) -> Iterator[Event]:
        while True:
            self.line += 1
            line = self._read_line(_MAX_LINE)
            if not line:
                return
            fields = self._decode(line)
            if fields is None:
                if not line.endswith(b"\n"):
                    return  # the writer was stopped in the middle of a line
                raise self._fail("not a JSON object; expected one event a line")
            if fields.get("k") == "end":
                self._check_footer(fields)
                return
            self._digest.update(line)
            self._events += 1
            try:
                event = parse_event(fields)
            except CaptureError as error:
                raise self._fail(str(error)) from None
            if event is not None:
                yield event
            else:
                self._count_unknown(str(fields["k"])[:_MAX_KIND])

    def _count_unknown(self, kind: str) -> None:
        if kind not in self.unknown_kinds and len(self.unknown_kinds) >= _MAX_UNKNOWN:
            kind = "and others"
        self.unknown_kinds[kind] = self.unknown_kinds.get(kind, 0) + 1

    def _check_footer(self, footer: Fields) -> None:
        found = self._digest.hexdigest()
        if footer.get("sha256") != found or footer.get("events") != self._events:
            raise self._fail(
                f"the footer seals {footer.get('events')!s:.20} events with {footer.get('sha256')!s:.16}..., "
                f"but {self._events} events with {found:.16}... precede it: changed after it was written"
            )
        if self._read_line(_MAX_LINE):
            self.line += 1
            raise self._fail("something follows the footer; a capture ends there")
        self.footer = footer

    def close(self) -> None:
        """Close the file."""
        if self._stream is not sys.stdin.buffer:
            self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
