"""Captures: written, sealed, read back; and every way to damage one."""

import gzip
import json
import lzma
import os
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refclock.capture import CaptureReader, CaptureWriter
from refclock.errors import CaptureError
from refclock.model import Event, Mark, Tick

EVENTS: list[Event] = [Tick(1, 2, 3), Mark(4, 5, 6, "é\n"), Tick(7, 8, 9)]
HEAD = b'{"refclock_capture":1}\n'
ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)


def written(path: Path, footer: bool = True) -> bytes:
    """A small capture; returns its bytes."""
    with CaptureWriter(str(path), {"host": {}}) as writer:
        for event in EVENTS:
            writer.write(event)
        writer.flush()
        if footer:
            writer.close(7, "ab")
    return path.read_bytes()


def attempt(path: Path) -> tuple[list[Event], bool, str]:
    """What could be read, whether it was sealed, and the complaint."""
    events: list[Event] = []
    try:
        with CaptureReader(str(path)) as reader:
            events.extend(reader)
            return events, reader.footer is not None, ""
    except CaptureError as error:
        return events, False, str(error)


def read(path: Path) -> tuple[list[Event], CaptureReader]:
    """All its events."""
    with CaptureReader(str(path)) as reader:
        return list(reader), reader


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_there_and_back(tmp_path, suffix):
    path = tmp_path / f"a.jsonl{suffix}"
    data = written(path)
    events, reader = read(path)
    assert events == EVENTS
    assert reader.header == {"refclock_capture": 1, "host": {}}
    assert reader.footer is not None
    assert reader.footer["events"] == 3
    assert (reader.footer["decisions"], reader.footer["decisions_sha256"]) == (7, "ab")
    assert written(tmp_path / f"b.jsonl{suffix}") == data


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_a_new_one_is_not_everybody_s_to_read(tmp_path, suffix):
    """It holds the antenna's position."""
    path = tmp_path / f"c.jsonl{suffix}"
    before = os.umask(0)
    try:
        written(path)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640
    path.chmod(0o604)
    written(path)
    assert path.stat().st_mode & 0o777 == 0o604, "one that was there is somebody's decision"


def test_a_footer_without_decisions(tmp_path):
    path = tmp_path / "a"
    written(path, footer=False)
    reader = read(path)[1]
    assert reader.footer is not None
    assert "decisions" not in reader.footer


def test_standard_input_and_output(tmp_path, monkeypatch):
    stream = TextIOWrapper(BytesIO())
    monkeypatch.setattr(sys, "stdout", stream)
    with CaptureWriter("-", {}) as writer:
        writer.write(EVENTS[0])
    stream.seek(0)
    data = stream.buffer.read()
    assert not stream.closed
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(data)))
    with CaptureReader("-") as reader:
        assert list(reader) == EVENTS[:1]
    assert not sys.stdin.closed


@pytest.mark.parametrize("name", ["missing", "missing.gz", "missing.xz", "."])
def test_what_cannot_be_opened(tmp_path, name):
    with pytest.raises(CaptureError, match=r"cannot read it: .+\."):
        CaptureReader(str(tmp_path / name))


@pytest.mark.parametrize("name", ["no/such", "no/such.gz", "no/such.xz"])
def test_what_cannot_be_written(tmp_path, name):
    with pytest.raises(CaptureError, match="cannot write it"):
        CaptureWriter(str(tmp_path / name), {})


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", ":1: not a refclock capture"),
        (b"\n", ":1: not a refclock capture"),
        (b"$GPRMC,1*00\r\n", ":1: not a refclock capture"),
        (b"[]\n", ":1: not a refclock capture"),
        (b"{}\n", ":1: not a refclock capture"),
        (b"\xff\xfe{}\n", ":1: not a refclock capture"),
        (b"[" * 100_000 + b"\n", ":1: not a refclock capture"),
        (b'{"refclock_capture":2}\n', ":1: capture format 2; this version reads 1"),
        (b'{"refclock_capture":true}\n', ":1: capture format True"),
        (b'{"refclock_capture":"1"}\n', ":1: capture format '1'"),
        (b'{"refclock_capture":1.0}\n', ":1: capture format 1.0"),
        (b'{"refclock_capture":1,"x":NaN}\n', ":1: not a refclock capture"),
        (b'{"refclock_capture":1', ":1: the header is cut off"),
        (HEAD + b"x\n", ":2: not a JSON object"),
        (HEAD + b"[]\n", ":2: not a JSON object"),
        (HEAD + b"\n", ":2: not a JSON object"),
        (HEAD + b'{"k":"tick"}x\n', ":2: not a JSON object"),
        (HEAD + b'{"k":"tick"}\n', ":2: no field 'raw'"),
        (HEAD + b'{"k":"tick","raw":1,"real":2,"unc":3}\n{"k":"tick","raw":1e99}\n', ":3: "),
        (HEAD + b'{"k":"\xff"}\n', ":2: not a JSON object"),
        (HEAD + b'{"k":' + b"[" * 100_000 + b"\n", ":2: not a JSON object"),
        (HEAD + b'{"k":"tick","raw":' + b"9" * 5000 + b"}\n", ":2: not a JSON object"),
        (HEAD + b'{"k":"mark","text":"' + b"x" * (1 << 20) + b'"}\n', ":2: a line longer than 1048576 bytes"),
        (HEAD + b'{"k":"cmd","raw":1,"real":2,"unc":3,"verb":"x","y":-Infinity}\n', ":2: not a JSON object"),
        (HEAD + b'{"k":"end"}\n', ":2: the footer seals None events"),
        (HEAD + b'{"k":"end","events":0,"sha256":"00"}\n', ":2: the footer seals 0 events with 00..."),
    ],
)
def test_each_complaint_names_file_and_line(tmp_path, data, complaint):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(data)
    with pytest.raises(CaptureError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}{complaint}")
    assert "\n" not in str(caught.value)


def test_something_behind_the_footer(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(written(path) + b"{}\n")
    with pytest.raises(CaptureError, match=":6: something follows the footer"):
        read(path)


def test_kinds_of_tomorrow_are_counted(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(HEAD + b'{"k":"new"}\n{"k":"new"}\n{"k":"tick","raw":1,"real":2,"unc":3}\n')
    events, reader = read(path)
    assert events == [Tick(1, 2, 3)]
    assert reader.unknown_kinds == {"new": 2}
    assert reader.footer is None


def test_ever_new_kinds_do_not_fill_the_memory(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(HEAD + b"".join(b'{"k":"%d%s"}\n' % (number, b"x" * 99) for number in range(70)))
    _, reader = read(path)
    assert sum(reader.unknown_kinds.values()) == 70
    assert len(reader.unknown_kinds) == 65
    assert max(map(len, reader.unknown_kinds)) == 40


def test_cut_anywhere_it_replays_as_far_as_it_goes(tmp_path):
    path = tmp_path / "a"
    whole = written(path)
    lines = whole.splitlines(keepends=True)
    for cut in range(len(lines[0]) - 1, len(whole)):
        path.write_bytes(whole[:cut])
        events, reader = read(path)
        complete = whole[:cut].count(b"\n")
        assert events in (EVENTS[: max(0, complete - 1)], EVENTS[:complete])
        assert reader.footer is None or cut == len(whole) - 1


@pytest.mark.parametrize("suffix", [".gz", ".xz"])
def test_a_compressed_one_cut_anywhere(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    whole = written(path)
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        events, sealed, complaint = attempt(path)
        assert events == EVENTS[: len(events)]
        assert complaint.startswith(f"{path}:1: ") or not complaint
        assert not sealed or len(events) == 3


@ANY
@given(st.data())
def test_any_flipped_bytes_are_found_or_harmless(tmp_path, data):
    suffix = data.draw(st.sampled_from(["", ".gz", ".xz"]))
    path = tmp_path / f"a{suffix}"
    damaged = bytearray(written(path))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(damaged)
    events, sealed, complaint = attempt(path)
    assert complaint.startswith(f"{path}:") or not complaint
    assert "\n" not in complaint
    assert not sealed or events == EVENTS  # what was changed is the seal's own extra fields, or padding


@ANY
@given(st.binary(max_size=300), st.sampled_from(["", ".gz", ".xz"]), st.booleans())
def test_any_bytes_at_all(tmp_path, data, suffix, headed):
    path = tmp_path / f"a{suffix}"
    data = HEAD + data if headed else data
    packed = gzip.compress(data) if suffix == ".gz" else lzma.compress(data) if suffix else data
    for stored in (data, packed):
        path.write_bytes(stored)
        complaint = attempt(path)[2]
        assert complaint.startswith(f"{path}:") or not complaint


def test_a_second_close_changes_nothing(tmp_path):
    path = tmp_path / "a"
    writer = CaptureWriter(str(path), {})
    writer.close()
    writer.close(1, "x")
    assert json.loads(path.read_bytes().splitlines()[-1])["events"] == 0
