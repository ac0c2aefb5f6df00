"""gpsd's lines: whatever comes, nothing is raised, and no cut of the bytes changes what is heard."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from refclock.wire.report import Health, Label
from refclock.wire.scanner import Scanner

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_TIMES = st.from_regex(
    r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,10})?Z", fullmatch=True
)
_FIELDS = st.fixed_dictionaries(
    {"class": st.sampled_from(["TPV", "TOFF", "PPS", "WATCH", "VERSION", "POLL"])},
    optional={
        "device": st.sampled_from(["/dev/a", "/dev/b"]) | _VALUES,
        "mode": st.integers(0, 4) | _VALUES,
        "time": _TIMES | _VALUES,
        "real_sec": st.integers(0, 1 << 40) | _VALUES,
        "real_nsec": st.integers(-5, 10**9 + 5) | _VALUES,
        "status": st.integers(0, 9) | _VALUES,
        "leapseconds": _VALUES,
        "ept": _VALUES,
        "ant": _VALUES,
        "lat": _VALUES,
        "lon": _VALUES,
    },
)


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    pieces: list[bytes] = []
    for fields in draw(st.lists(_FIELDS, max_size=6)):
        line = json.dumps(fields, separators=(",", ":")).encode() + b"\r\n"
        pieces += [line, draw(st.just(b"") | st.binary(max_size=20) | st.just(line[: len(line) // 2]))]
    return b"".join(pieces)


@given(streams(), st.lists(st.integers(0, 400), max_size=5))
def test_cuts_change_nothing_and_labels_are_legal(data, cuts):
    whole = Scanner("gpsd")
    reports = whole.feed(data)
    pieces, heard = Scanner("gpsd"), []
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, end in pairwise(bounds):
        heard += pieces.feed(data[start:end])
    assert heard == reports
    assert whole.finish() == pieces.finish()
    assert whole.counters == pieces.counters
    for one in reports:
        assert isinstance(one, Label | Health)
        if isinstance(one, Label):
            assert 0 <= one.utc_s < 253_402_300_800
            assert 0 <= one.frac_ns < 10**9
            assert one.utc_valid is None


@given(st.binary(max_size=300))
def test_noise_is_no_second(data):
    scanner = Scanner("gpsd")
    assert [one for one in scanner.feed(b'{"class":' + data) if isinstance(one, Label)] == []
