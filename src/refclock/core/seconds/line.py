"""One serial line: its chunks, and the reports found in them with the chunk in which each began."""

from collections import deque
from collections.abc import Iterator

from refclock.model import SerialBytes
from refclock.wire.report import Report, on_time
from refclock.wire.scanner import Scanner

_KEPT_CHUNKS = 64


class Line:
    """Bytes of one port in, reports out."""

    def __init__(self, protocol: str) -> None:
        self._scanner = Scanner(protocol)
        self._chunks: deque[tuple[int, SerialBytes]] = deque(maxlen=_KEPT_CHUNKS)
        self._received = 0

    def feed(self, event: SerialBytes) -> Iterator[tuple[Report, SerialBytes]]:
        """Each report that the chunk completes, and the chunk with its first byte, or the one on time."""
        self._received += len(event.data)
        self._chunks.append((self._received, event))
        for report in self._scanner.feed(event.data):
            yield report, self._arrival(on_time(report))

    def _arrival(self, start: int) -> SerialBytes:
        """The chunk with that byte (the oldest kept where it came before that)."""
        chunks = self._chunks
        while chunks[0][0] <= start and len(chunks) > 1:
            chunks.popleft()
        return chunks[0][1]
