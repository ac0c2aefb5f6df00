"""A serial line: when a message arrived is when its first byte did, as far as that is remembered."""

import pytest

from refclock.core.seconds.line import Line
from refclock.model import SerialBytes
from refclock.wire.report import Label
from tests.unit.test_core_host import BEGIN_S, burst

SENTENCE = burst(BEGIN_S, utc=None)


def arrivals(*chunks: bytes) -> list[int]:
    """Chunks come one a nanosecond, from 100 on; when each label arrived."""
    line = Line("nmea")
    found = []
    for number, chunk in enumerate(chunks):
        heard = line.feed(SerialBytes(100 + number, 0, 0, "gps0", chunk))
        found += [arrival.raw_ns for report, arrival in heard if isinstance(report, Label)]
    return found


def test_a_report_arrived_with_the_chunk_that_its_first_byte_came_in():
    assert arrivals(SENTENCE) == [100]
    assert arrivals(b"noise", b"\r\n" + SENTENCE[:3], SENTENCE[3:]) == [101]
    assert arrivals(b"noise\r\n", SENTENCE[:3], SENTENCE[3:] + SENTENCE[:1], SENTENCE[1:]) == [101, 102]
    assert arrivals(SENTENCE[:5], SENTENCE[5:] + SENTENCE, SENTENCE) == [100, 101, 102]


@pytest.mark.parametrize(("chunks", "first"), [(64, 100), (65, 101)])
def test_of_more_than_64_chunks_the_oldest_kept_stands_for_the_first_byte(chunks, first):
    assert arrivals(SENTENCE[:1], *[b""] * (chunks - 2), SENTENCE[1:]) == [first]
