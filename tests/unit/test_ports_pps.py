"""The pulse's ports: the kernel's ioctls against a stand-in for fcntl.ioctl, and the emulated pulse."""

import errno
import os
import socket
import stat
import struct
from typing import Any

import pytest

from refclock.errors import PortError
from refclock.model import PortChange, PpsEdge
from refclock.policy import PpsSettings
from refclock.ports import pps, stamp
from refclock.ports.pps import KernelPps, open_pps
from refclock.ports.ppssocket import EmulatedPps
from refclock.units import NS_PER_MS, NS_PER_S

EPOCH_NS = 1_800_000_000 * NS_PER_S


class FakeKernel:
    """Time and /dev/ppsN: raw is a number, REALTIME is EPOCH_NS + raw, edges are what the test puts in."""

    def __init__(self) -> None:
        self.raw = 5 * NS_PER_S
        self.cap, self.mode = 0x1133, 0x1133
        self.offset = (0, 0)
        self.edges = {"assert": (0, 0), "clear": (0, 0)}
        self.fetch_error = 0
        self.set_error = 0
        self.requests: list[int] = []

    def now(self):
        self.raw += 1000
        return self.raw, EPOCH_NS + self.raw, 300

    def ioctl(self, handle, request, buffer):
        self.requests.append(request)
        if request == pps.PPS_GETCAP:
            buffer[:] = struct.pack("=i", self.cap)
        elif request == pps.PPS_GETPARAMS:
            buffer[:] = struct.pack("=iiqiIqiI", 1, self.mode, *self.offset, 0, 0, 0, 0)
        elif request == pps.PPS_SETPARAMS:
            if self.set_error:
                raise OSError(self.set_error, os.strerror(self.set_error))
            self.mode = struct.unpack_from("=ii", buffer)[1]
        else:
            assert request == pps.PPS_FETCH
            assert struct.unpack_from("=qiI", buffer, 48) == (0, 0, 0), "the time-out is zero, and valid"
            if self.fetch_error:
                raise OSError(self.fetch_error, os.strerror(self.fetch_error))
            (a_seq, a_ns), (c_seq, c_ns) = self.edges["assert"], self.edges["clear"]
            buffer[:48] = struct.pack(
                "=IIqiIqiIi4x", a_seq, c_seq, *divmod(a_ns, NS_PER_S), 0,
                *divmod(c_ns, NS_PER_S), 0, self.mode,
            )  # fmt: skip


@pytest.fixture
def kernel(monkeypatch):
    fake = FakeKernel()
    monkeypatch.setattr("refclock.ports.pps.fcntl.ioctl", fake.ioctl)
    monkeypatch.setattr(stamp, "now", fake.now)
    monkeypatch.setattr(stamp, "raw", lambda: fake.now()[0])
    return fake


@pytest.fixture
def device(tmp_path):
    path = tmp_path / "pps0"
    path.touch()
    return path


@pytest.fixture
def port(kernel, device):
    made = KernelPps(PpsSettings(str(device)), "pps0")
    yield made
    made.close()


def run_until(port, kernel, until_ns, step=None):
    """Lives through the port's timers up to ``until_ns``; ``step`` may put in edges beforehand."""
    events, wakes = [], 0
    while (due := port.wake_at()) is not None and due <= until_ns:
        kernel.raw = max(kernel.raw, due)
        if step:
            step(kernel.raw)
        events += port.on_timer(kernel.raw)
        wakes += 1
    return events, wakes


def pulse(kernel, offset_ns=0, lost=(), edge="assert"):
    """An edge at every whole second of raw (+ offset)."""

    def step(raw):
        seq = (raw - offset_ns) // NS_PER_S
        if seq not in lost and seq >= 0:
            kernel.edges[edge] = (seq, EPOCH_NS + seq * NS_PER_S + offset_ns)

    return step


def test_request_numbers_and_layouts_are_those_of_a_64_bit_kernel():
    if struct.calcsize("P") != 8:
        pytest.skip("the numbers below are those of 64-bit pointers")
    assert [pps.PPS_GETPARAMS, pps.PPS_SETPARAMS, pps.PPS_GETCAP, pps.PPS_FETCH] == [
        0x800870A1, 0x400870A2, 0x800870A3, 0xC00870A4,
    ]  # fmt: skip


def test_edges_come_once_each_with_the_kernels_stamp_untouched(kernel, port):
    beat = pulse(kernel, offset_ns=123_456_789)
    beat(kernel.raw)
    (up,) = port.open()
    assert isinstance(up, PortChange)
    assert up.up
    assert port.fd is None
    events, _ = run_until(port, kernel, 16 * NS_PER_S, beat)
    assert [event.seq for event in events] == list(range(5, 16))
    for event in events:
        assert isinstance(event, PpsEdge)
        assert (event.port, event.edge) == ("pps0", "assert")
        assert event.at_ns == EPOCH_NS + event.seq * NS_PER_S + 123_456_789
        assert event.real_ns - event.raw_ns == EPOCH_NS


def test_once_found_the_pulse_costs_one_fetch_a_second_2_ms_after_the_edge(kernel, port):
    port.open()
    run_until(port, kernel, 8 * NS_PER_S, pulse(kernel, offset_ns=400_000_000))
    events, wakes = run_until(port, kernel, 108 * NS_PER_S, pulse(kernel, offset_ns=400_000_000))
    assert len(events) == wakes == 100
    for event in events:
        assert 2 * NS_PER_MS <= event.real_ns - event.at_ns < 3 * NS_PER_MS


def test_an_edge_that_was_there_before_is_of_unknown_age_and_not_reported(kernel, port):
    kernel.edges["assert"] = (77, EPOCH_NS - 3600 * NS_PER_S)
    port.open()
    events, _ = run_until(port, kernel, kernel.raw + 3 * NS_PER_S)
    assert events == []


def test_missed_edges_show_in_the_sequence_number_and_the_next_is_found_within_20_ms(kernel, port):
    port.open()
    events, _ = run_until(port, kernel, 20 * NS_PER_S, pulse(kernel, lost=(10, 11, 12)))
    seqs = [event.seq for event in events]
    assert 9 in seqs
    assert not {10, 11, 12} & set(seqs)
    found = events[seqs.index(13)]
    assert found.real_ns - found.at_ns < 21 * NS_PER_MS


def test_a_long_silence_is_searched_lazily(kernel, port):
    port.open()
    run_until(port, kernel, kernel.raw + 12 * NS_PER_S)
    _, wakes = run_until(port, kernel, kernel.raw + 10 * NS_PER_S)
    assert wakes <= 101


def test_a_step_of_the_system_clock_does_not_derail_the_search(kernel, port):
    port.open()
    kernel.edges["assert"] = (1, EPOCH_NS - 900 * NS_PER_S)  # as stamped before the clock was stepped
    events = port.on_timer(port.wake_at())
    assert len(events) == 1
    assert port.wake_at() - kernel.raw < 30 * NS_PER_MS


def test_only_the_wanted_edge_is_reported(kernel, device):
    port = KernelPps(PpsSettings(str(device), edge="clear"), "pps0")
    port.open()
    events, _ = run_until(port, kernel, 7 * NS_PER_S, pulse(kernel))
    assert events == []
    events, _ = run_until(port, kernel, 10 * NS_PER_S, pulse(kernel, edge="clear"))
    assert {event.edge for event in events} == {"clear"}
    port.close()


def test_capture_is_switched_on_only_when_it_is_off(kernel, port):
    port.open()
    assert pps.PPS_SETPARAMS not in kernel.requests
    port.close()
    kernel.mode = 0x1030
    port.open()
    assert kernel.mode == 0x1031


def test_capture_that_may_not_be_switched_on(kernel, port):
    kernel.mode, kernel.set_error = 0x1030, errno.EPERM
    with pytest.raises(PortError, match="CAP_SYS_TIME"):
        port.open()
    assert port.wake_at() is not None, "it retries all the same"


def test_an_edge_the_source_cannot_capture(kernel, device):
    kernel.cap = 0x1131
    port = KernelPps(PpsSettings(str(device), edge="clear"), "pps0")
    with pytest.raises(PortError, match="cannot capture clear"):
        port.open()
    port.close()


@pytest.mark.parametrize(
    ("shift_ns", "refused"), [(675, False), (-1_000, False), (250_000, True), (-1_500_000_000, True)]
)
def test_stamps_that_the_kernel_was_told_to_shift(kernel, port, shift_ns, refused):
    kernel.offset = divmod(shift_ns, NS_PER_S)
    if not refused:
        port.open()
        return
    with pytest.raises(PortError, match=f"{shift_ns} ns"):
        port.open()


def test_an_offset_that_is_not_in_force_does_not_matter(kernel, port):
    kernel.offset, kernel.mode = (0, 250_000), 0x1103
    port.open()


def test_a_vanished_device_is_noticed_and_found_again(kernel, port, device):
    """The kernel goes on answering from a source that was unregistered: only the path tells."""
    port.open()
    device.unlink()
    events, _ = run_until(port, kernel, kernel.raw + 6 * NS_PER_S)
    assert not any(event.up for event in events)
    assert "gone" in events[0].reason
    device.touch()
    events, _ = run_until(port, kernel, kernel.raw + 3 * NS_PER_S)
    assert [event.up for event in events] == [True]


def test_another_device_of_the_same_name_is_opened_anew(kernel, port, device):
    port.open()
    new = device.with_name("new")
    new.touch()
    new.rename(device)
    events, _ = run_until(port, kernel, kernel.raw + 7 * NS_PER_S)
    assert [event.up for event in events] == [False, True]


def test_errors_of_a_fetch(kernel, port):
    port.open()
    for number in (errno.EINTR, errno.ETIMEDOUT):
        kernel.fetch_error = number
        assert port.on_timer(port.wake_at()) == []
    kernel.fetch_error = errno.ENODEV
    (lost,) = port.on_timer(port.wake_at())
    assert isinstance(lost, PortChange)
    assert not lost.up


def test_retries_back_off_to_ten_seconds_and_tell_each_reason_once(kernel, tmp_path):
    port: Any = KernelPps(PpsSettings(str(tmp_path / "pps9")), "pps0")
    (down,) = port.try_open()
    assert not down.up
    assert "no such device" in down.reason
    gaps = []
    for _ in range(6):
        before = kernel.raw
        kernel.raw = port.wake_at()
        gaps.append(round((kernel.raw - before) / NS_PER_S))
        assert port.on_timer(kernel.raw) == []
    assert gaps == [1, 2, 4, 8, 10, 10]
    (tmp_path / "pps9").touch()
    (up,) = port.on_timer(port.wake_at())
    assert up.up
    port.close()
    assert port.wake_at() is None


def test_a_file_that_is_no_pps_device(tmp_path):
    path = tmp_path / "plain"
    path.touch()
    port = KernelPps(PpsSettings(str(path)), "pps0")
    with pytest.raises(PortError, match="not a PPS device"):
        port.open()
    with pytest.raises(PortError, match="listens"):
        port.perform(b"x")
    port.close()


@pytest.mark.parametrize(
    ("number", "said"), [(errno.EACCES, "permission denied.*udev rule"), (errno.EMFILE, "cannot be used")]
)
def test_a_device_that_cannot_be_opened(device, monkeypatch, number, said):
    def refuse(*_args):
        raise OSError(number, os.strerror(number))

    port = KernelPps(PpsSettings(str(device)), "pps0")
    monkeypatch.setattr("refclock.ports.pps.os.open", refuse)
    with pytest.raises(PortError, match=said):
        port.open()
    port.close()


# The emulated pulse.


@pytest.fixture
def emulated(tmp_path):
    made = open_pps(PpsSettings(f"emulated:{tmp_path}/pulse"), "pps0")
    assert isinstance(made, EmulatedPps)
    yield made
    made.close()


def send(path, *datagrams):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, str(path))


def test_the_factory_picks_by_the_device_string():
    assert isinstance(open_pps(PpsSettings("/dev/pps3"), "pps0"), KernelPps)


def test_emulated_edges_arrive_with_a_stamp(emulated, tmp_path):
    emulated.open()
    assert stat.S_IMODE((tmp_path / "pulse").stat().st_mode) == 0o600
    assert emulated.wake_at() is None
    assert emulated.on_ready() == []
    send(
        tmp_path / "pulse",
        b"assert 7 1800000000000000123",
        b"clear 7 1800000000200000000",
        b"assert 4294967295 0\n",
    )
    events = emulated.on_ready()
    assert [(event.seq, event.at_ns, event.edge) for event in events] == [
        (7, 1800000000000000123, "assert"), (4294967295, 0, "assert"),
    ]  # fmt: skip
    assert all(abs(event.raw_ns - stamp.raw()) < NS_PER_S for event in events)
    assert emulated.ignored == 0


@pytest.mark.parametrize(
    "datagram",
    [b"", b"assert", b"assert 1", b"assert 1 2 3", b"rise 1 2", b"assert -1 2", b"assert 4294967296 2",
     b"assert 1 9223372036854775808", b"assert \xd9\xa1 2", b'{"assert":1}', b"assert 1 " + b"0" * 100],
)  # fmt: skip
def test_malformed_datagrams_are_ignored_and_counted(emulated, tmp_path, datagram):
    emulated.open()
    send(tmp_path / "pulse", datagram, b"assert 1 2")
    assert [event.seq for event in emulated.on_ready()] == [1]
    assert emulated.ignored == 1


def test_a_stale_socket_of_ours_is_replaced_and_ours_is_removed_on_closing(emulated, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left_behind:
        left_behind.bind(str(tmp_path / "pulse"))
    emulated.open()
    send(tmp_path / "pulse", b"assert 1 2")
    assert len(emulated.on_ready()) == 1
    emulated.close()
    emulated.close()
    assert not (tmp_path / "pulse").exists()
    assert emulated.on_ready() == []


def test_a_living_socket_is_not_taken_over(emulated, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as alive:
        alive.bind(str(tmp_path / "pulse"))
        with pytest.raises(PortError, match="another process"):
            emulated.open()
    assert (tmp_path / "pulse").exists()


def test_what_is_no_socket_is_never_removed(emulated, tmp_path):
    (tmp_path / "pulse").write_text("precious")
    with pytest.raises(PortError, match="not a socket"):
        emulated.open()
    emulated.close()
    assert (tmp_path / "pulse").read_text() == "precious"


def test_a_socket_file_of_another_user_is_never_removed(emulated, tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left_behind:
        left_behind.bind(str(tmp_path / "pulse"))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PortError, match="not a socket of this user"):
        emulated.open()


def test_a_successors_socket_is_left_alone_on_closing(emulated, tmp_path):
    emulated.open()
    (tmp_path / "pulse").unlink()
    (tmp_path / "pulse").touch()
    emulated.close()
    assert (tmp_path / "pulse").exists()


@pytest.mark.parametrize("path", ["", "/nowhere/at/all/pulse", "/" + "x" * 120])
def test_paths_that_cannot_be(path):
    port = open_pps(PpsSettings("emulated:" + path), "pps0")
    with pytest.raises(PortError, match=r"pps\.device"):
        port.open()
    port.close()
