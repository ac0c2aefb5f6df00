"""The serial port against real ptys: reading, vanishing, returning, and others who hold the line."""

import fcntl
import os
import select
import subprocess
import sys
import termios
import tty
from typing import Any

import pytest

from refclock.errors import PortError
from refclock.model import PortChange, SerialBytes, SerialSent
from refclock.policy import ReceiverSettings
from refclock.ports import serialport, stamp
from refclock.ports.holders import Holder, holders
from refclock.ports.serialport import SerialPort
from refclock.units import NS_PER_S


class Pty:
    """A receiver's end of a line; ``path`` leads to ours and stays the same when the receiver returns."""

    def __init__(self, path):
        self.path = path
        self.master = -1
        self.plug_in()

    def plug_in(self):
        self.master, slave = os.openpty()
        tty.setraw(slave)
        name = os.ttyname(slave)
        os.close(slave)
        new = self.path.with_name("new")
        new.symlink_to(name)
        new.rename(self.path)

    def pull_out(self):
        os.close(self.master)
        self.master = -1


@pytest.fixture
def line(tmp_path):
    made = Pty(tmp_path / "gps0")
    yield made
    if made.master >= 0:
        made.pull_out()


@pytest.fixture
def port(line):
    made = SerialPort(ReceiverSettings(device=str(line.path)), "gps0")
    yield made
    made.close()


def ready(port, timeout_s=2.0):
    assert select.select([port.fd], [], [], timeout_s)[0], "nothing to read"
    return port.on_ready()


def test_a_chunk_comes_stamped_and_whole(line, port):
    (up,) = port.open()
    assert up.up
    assert up.reason == f"opened {line.path} at 9600 8N1"
    assert port.wake_at() is None
    before = stamp.raw()
    os.write(line.master, b"$GPZDA\r\n\x00\xff\x03\x1a")
    (event,) = ready(port)
    assert isinstance(event, SerialBytes)
    assert (event.port, event.data) == ("gps0", b"$GPZDA\r\n\x00\xff\x03\x1a")
    assert before < event.raw_ns < stamp.raw()


def test_nothing_to_read_is_neither_data_nor_a_hang_up(port):
    port.open()
    assert port.on_ready() == []
    assert port.fd is not None


def test_opening_never_blocks_and_leaves_the_line_as_a_daemon_wants_it(line, tmp_path):
    port: Any = SerialPort(ReceiverSettings(device=str(line.path), baud=19200, framing="7O1"), "gps0")
    port.open()
    assert not os.get_blocking(port.fd)
    _, _, cflag, lflag, ispeed, ospeed, cc = termios.tcgetattr(port.fd)
    assert not cflag & termios.HUPCL
    assert cflag & termios.CLOCAL
    assert (ispeed, ospeed) == (termios.B19200, termios.B19200)
    # A pty keeps 8 bits whatever it is told, but the parity is remembered.
    assert cflag & termios.PARODD
    assert not lflag & (termios.ECHO | termios.ICANON | termios.ISIG)
    assert cc[termios.VMIN] in (1, b"\x01")
    port.close()
    port.close()
    assert port.fd is None
    assert port.wake_at() is None


def test_bytes_for_the_receiver(line, port):
    assert port.perform(b"too early") == []
    port.open()
    (sent,) = port.perform(b"\xb5\x62\x0a\x04\x00\x00\x0e\x34")
    assert isinstance(sent, SerialSent)
    assert sent.data == os.read(line.master, 100) == b"\xb5\x62\x0a\x04\x00\x00\x0e\x34"


def test_a_line_that_takes_no_more_does_not_block_and_the_event_is_honest(line, port):
    port.open()
    sent = 0
    for _ in range(100):
        events = port.perform(b"x" * 4096)
        if not events:
            break
        sent += len(events[0].data)
    else:
        pytest.fail("the line took 400 KiB that nobody read")
    os.set_blocking(line.master, False)
    got = 0
    while got < sent:
        got += len(os.read(line.master, 1 << 16))
    assert got == sent


def test_a_receiver_that_vanishes_and_returns(line, port):
    port.open()
    line.pull_out()
    (down,) = ready(port)
    assert isinstance(down, PortChange)
    assert not down.up
    assert str(line.path) in down.reason
    assert port.fd is None
    assert port.on_ready() == []
    assert port.perform(b"x") == []
    assert down.raw_ns < port.wake_at() <= stamp.raw() + NS_PER_S
    (still,) = port.on_timer(port.wake_at())
    assert "no such device" in still.reason
    assert port.on_timer(port.wake_at()) == [], "told once"
    line.plug_in()
    (up,) = port.on_timer(port.wake_at())
    assert up.up
    os.write(line.master, b"back")
    assert ready(port)[0].data == b"back"


def test_a_write_notices_the_loss_as_well(line, port):
    port.open()
    line.pull_out()
    (down,) = port.perform(b"x")
    assert not down.up


HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
if sys.argv[2] == "lock":
    fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold(line):
    """Lets another process hold the line; its pid."""
    running = []

    def start(how):
        process: Any = subprocess.Popen(
            [sys.executable, "-c", HOLD, str(line.path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        running.append(process)
        assert process.stdout.readline() == b"held\n"
        return process.pid

    yield start
    for process in running:
        process.communicate()


@pytest.mark.parametrize("how", ["lock", "open"])
def test_a_line_that_another_process_holds_is_refused_by_name(line, port, hold, how):
    pid = hold(how)
    with pytest.raises(PortError) as refused:
        port.open()
    message = str(refused.value)
    assert f"(pid {pid})" in message
    assert "python" in message
    assert str(line.path) in message
    assert "stop that program" in message
    assert "\n" not in message


def test_a_lock_whose_holder_we_cannot_see_is_refused_all_the_same(line, port, hold, monkeypatch):
    """As for an unprivileged user when root holds the line."""
    hold("lock")
    monkeypatch.setattr(serialport, "holders", lambda _device: [])
    with pytest.raises(PortError, match="in use by another user's program"):
        port.open()


def test_ldattach_may_hold_the_line_for_it_carries_the_pulse(line, port, hold, monkeypatch):
    pid = hold("open")
    assert [holder.pid for holder in holders(str(line.path))] == [pid]
    name = holders(str(line.path))[0].name
    monkeypatch.setattr("refclock.ports.holders._HARMLESS", frozenset({name}))
    (up,) = port.open()
    assert up.up


def test_we_ourselves_are_no_other(line, port):
    slave = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    assert holders(str(line.path)) == []
    port.open()
    os.close(slave)


def test_holders_of_nothing():
    assert holders("/nowhere/tty") == []
    assert str(Holder(7, "gpsd")) == "gpsd (pid 7)"


def test_what_is_no_serial_line(tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    for device, said in (
        ("", "no device is configured"),
        (str(tmp_path / "none"), "no such device"),
        (str(tmp_path), "a directory"),
        (str(tmp_path / "file"), "not a device"),
        (str(tmp_path / "fifo"), "not a device"),
        ("/dev/full", "not a serial line"),
    ):
        port = SerialPort(ReceiverSettings(device=device), "gps0")
        with pytest.raises(PortError, match=said) as refused:
            port.open()
        assert "receiver" in str(refused.value)
        assert port.wake_at() is not None
        port.close()


def test_permission_denied_names_the_group(line, port, monkeypatch):
    """Root may open everything, so the refusal is played."""

    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(serialport._QuietSerial, "open", refuse)
    with pytest.raises(PortError, match=r"belongs to group \w+: .*usermod -a -G \w+ USER"):
        port.open()


def test_a_uart_that_is_not_there(line, port, monkeypatch):
    """/dev/ttyS3 exists on machines that have one UART; tcgetattr then says EIO."""

    def refuse(*_args):
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr(termios, "tcgetattr", refuse)
    with pytest.raises(PortError, match="no hardware behind"):
        port.open()


@pytest.mark.integration
def test_gpsd_is_found_by_looking_for_it_takes_no_lock(line, port, gpsd_on):
    with gpsd_on(str(line.path)) as pid:
        slave = os.open(line.path, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.flock(slave, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(slave)
        with pytest.raises(PortError, match=rf"in use by gpsd \(pid {pid}\)"):
            port.open()
