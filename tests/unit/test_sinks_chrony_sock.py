"""chrony's socket: the sample to the bit, refusals, and a chronyd that comes and goes (here our own)."""

import os
import socket
import stat
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.errors import PortError
from refclock.model import Mode, ModeChange, Publish
from refclock.sinks import chrony_sock
from refclock.sinks.chrony_sock import ChronySock, judge, pack
from refclock.units import NS_PER_S

PUBLISH = Publish(
    raw_ns=5, utc_ns=1_700_000_000_123_456_789, sys_ns=1_700_000_000_000_001_999, leap=1, bound_ns=900
)


class Chronyd:
    """The socket's other end."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        self._path = path
        path.chmod(0o660)

    def read(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self._socket.recv(100))
            except BlockingIOError:
                return found

    def stop(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)


@pytest.fixture
def path(tmp_path_factory) -> Path:
    made: Path = tmp_path_factory.mktemp("s") / "chrony.refclock.sock"
    return made


@pytest.fixture
def chronyd(path) -> Iterator[Chronyd]:
    made = Chronyd(path)
    yield made
    made.stop()


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def sink(path, log) -> Iterator[ChronySock]:
    made = ChronySock(str(path), lambda priority, text: log.append(text))
    yield made
    made.close()


def test_a_sample_as_a_c_compiler_lays_it_out():
    data = pack(PUBLISH)
    assert len(data) == chrony_sock.SIZE == 40
    seconds, micro, offset, pulse, leap, _, magic = struct.unpack("@qqdiiii", data)
    assert (seconds, micro, pulse, leap, magic) == (1_700_000_000, 1, 0, 1, 0x534F434B)
    assert offset == 0.12345479
    assert data[-4:] == b"KCOS"


@given(st.integers(0, 1 << 62), st.integers(-(10**15), 10**15))
def test_the_offset_is_good_to_the_nanosecond(sys_ns, offset_ns):
    """Within 11 days of offset, which is more than anybody should ever feed."""
    sample = Publish(0, sys_ns + offset_ns, sys_ns, 0, 0)
    seconds, micro, offset, *_ = struct.unpack("@qqdiiii", pack(sample))
    assert round(Fraction(offset) * NS_PER_S) == offset_ns
    assert 0 <= micro < 1_000_000
    assert 0 <= sys_ns - seconds * NS_PER_S - micro * 1000 < 1000


def test_each_second_is_one_datagram(sink, chronyd, log):
    sink.open()
    sink.take(PUBLISH)
    sink.take(ModeChange(0, Mode.VETTED, Mode.LOCKED, "x"))
    sink.take(PUBLISH)
    assert chronyd.read() == [pack(PUBLISH)] * 2
    assert sink.state() == "connected, 2 sent"
    assert log == [f"{sink.name}: connected"]


def test_a_chronyd_that_restarts_misses_no_second(sink, chronyd, path):
    sink.open()
    chronyd.stop()
    again = Chronyd(path)
    sink.take(PUBLISH)
    assert again.read() == [pack(PUBLISH)]
    again.stop()


def test_a_chronyd_that_is_stopped_is_told_of_once(sink, chronyd, path, log):
    sink.open()
    chronyd.stop()
    for _ in range(3):
        sink.take(PUBLISH)
    (_, trouble) = log
    assert "No such file or directory; start chronyd with `refclock SOCK" in trouble
    assert sink.state() in trouble
    again = Chronyd(path)
    sink.take(PUBLISH)
    assert again.read() == [pack(PUBLISH)]
    assert sink.state() == "connected, 1 sent"
    again.stop()


def test_it_is_there_before_the_first_second(sink, path, log):
    sink.tend(0)
    assert "No such file" in log[0]
    late = Chronyd(path)
    sink.tend(1)
    assert len(log) == 1
    sink.tend(16 * NS_PER_S)
    assert log[1] == f"{sink.name}: connected"
    sink.tend(40 * NS_PER_S)
    assert len(log) == 2
    late.stop()


def test_a_file_left_by_a_dead_chronyd(sink, chronyd, path, log):
    chronyd._socket.close()
    with pytest.raises(PortError, match="Connection refused"):
        sink.open()
    sink.take(PUBLISH)
    assert "Connection refused" in log[0]


def test_a_chronyd_that_does_not_read_costs_seconds_and_no_time(sink, chronyd, log):
    sink.open()
    for _ in range(2000):  # more than net.unix.max_dgram_qlen
        sink.take(PUBLISH)
    assert log[1:] == [f"{sink.name}: chronyd does not read; seconds are dropped. Trying again."]
    assert "does not read" in sink.state()
    kept = len(chronyd.read())
    assert 0 < kept < 2000
    sink.take(PUBLISH)
    assert chronyd.read() == [pack(PUBLISH)]
    assert sink.state() == f"connected, {kept + 1} sent, {2000 - kept} dropped"


def test_what_anybody_may_write_to_is_refused(sink, chronyd, path, log):
    path.chmod(0o666)
    with pytest.raises(PortError, match=r"anybody may write to it .mode 0666. and so feed chrony"):
        sink.open()
    path.chmod(0o755)
    assert judge(str(path)) is None


def test_what_is_no_socket_is_refused(sink, path):
    path.write_text("")
    assert "it is no socket" in str(judge(str(path)))
    assert "longer than 107 bytes" in str(judge(f"/{'x' * 107}"))
    with pytest.raises(PortError, match=r"mend sock\.path"):
        judge(f"{path}/x")


def test_another_user_s_socket_is_refused(chronyd, path, monkeypatch):
    facts = os.stat(path)
    strange = os.stat_result((facts.st_mode, 1, 1, 1, 4711, *facts[5:]))
    assert stat.S_ISSOCK(strange.st_mode)
    monkeypatch.setattr(os, "stat", lambda _path: strange)
    assert judge(str(path)) == "it is uid 4711's, expected root's: chronyd makes it before it drops root"


def test_a_host_of_another_word_length(chronyd, path, monkeypatch):
    monkeypatch.setattr(struct, "calcsize", lambda _layout: 4)
    assert judge(str(path)) == "the sample's layout is known for 64-bit systems only"


class Failing:
    """A socket whose connection or sending fails."""

    def __init__(self, number: int, at: str) -> None:
        self._number, self._at = number, at

    def connect(self, path: str) -> None:
        if self._at == "connect":
            raise OSError(self._number, "x")

    def send(self, data: bytes) -> int:
        raise OSError(self._number, "x")

    def close(self) -> None:
        pass


def test_permission_denied_names_the_drop_in(sink, chronyd, monkeypatch):
    monkeypatch.setattr(socket, "socket", lambda *_args: Failing(13, "connect"))
    with pytest.raises(PortError, match="with a drop-in for chrony's unit"):
        sink.open()


def test_any_other_failure_is_told_and_tried_again(sink, chronyd, monkeypatch, log):
    monkeypatch.setattr(socket, "socket", lambda *_args: Failing(90, "send"))
    sink.take(PUBLISH)
    assert any("Message too long" in text for text in log)
    assert "Message too long" in sink.state() or sink.state() == ""


def test_a_sink_that_was_closed_says_so(sink, chronyd):
    sink.open()
    sink.close()
    sink.close()
    assert sink.state() == "closed"
