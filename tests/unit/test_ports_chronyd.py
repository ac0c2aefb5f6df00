"""Whether a chronyd takes what it is given: by a real segment, a real socket, and somebody at their end."""

import os
import socket
from typing import Any

import pytest
import sysv_ipc

from refclock.errors import PortError
from refclock.ports import stamp
from refclock.ports.chronyd import ChronydPort
from refclock.sinks.chrony_shm import ChronyShm
from refclock.sinks.chrony_sock import ChronySock
from refclock.stage.site import claim_unit, remove_segment
from refclock.units import NS_PER_S
from refclock.wire import shm


def _look(port: ChronydPort) -> list[Any]:
    due = port.wake_at()
    assert due is not None
    return port.on_timer(due)


@pytest.fixture
def sink():
    unit = claim_unit()
    made = ChronyShm(unit, lambda *_: None)
    yield made, unit
    made.close()
    remove_segment(unit)


def test_whoever_attaches_to_the_segment_is_there_and_whoever_leaves_is_gone(sink):
    way, unit = sink
    assert "nobody else" in way.unheard(), "not opened yet"
    way.open()
    port = ChronydPort([way.unheard])
    with pytest.raises(PortError, match="nobody else is attached"):
        port.open()
    reader = sysv_ipc.SharedMemory(shm.key_of(unit))
    (up,) = _look(port)
    assert (up.port, up.up) == ("chronyd0", True)
    assert _look(port) == []
    reader.detach()
    (down,) = _look(port)
    assert not down.up
    assert f"SHM {unit}" in down.reason
    port.close()


def test_a_reader_of_a_segment_that_was_removed_is_still_there(sink):
    way, unit = sink
    way.open()
    reader = sysv_ipc.SharedMemory(shm.key_of(unit))
    remove_segment(unit)
    assert way.unheard() == ""
    reader.detach()
    assert way.unheard()


def test_whoever_is_bound_to_the_socket_is_there(tmp_path):
    path = str(tmp_path / "chrony.sock")
    way = ChronySock(path, lambda *_: None)
    assert "No such file" in way.unheard()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as chronyd:
        chronyd.bind(path)
        os.chmod(path, 0o660)
        way.open()
        assert way.unheard() == ""
    # Killed, chronyd leaves its socket behind, and our line to it looks as if it were connected.
    assert "refused" in way.unheard()
    way.close()


def test_a_chronyd_that_comes_late_is_noticed_within_a_second(sink):
    way, unit = sink
    way.open()
    port = ChronydPort([way.unheard])
    port.try_open()
    for _ in range(6):
        assert _look(port) == []
    due = port.wake_at()
    assert due is not None
    assert due - stamp.raw() <= NS_PER_S
    reader = sysv_ipc.SharedMemory(shm.key_of(unit))
    (up,) = _look(port)
    assert up.up
    reader.detach()
    port.close()


def test_one_way_that_is_listened_to_suffices():
    trouble = ["a is shut", "b is shut"]
    port = ChronydPort([lambda: trouble[0], lambda: trouble[1]])
    with pytest.raises(PortError, match="a is shut; b is shut"):
        port.open()
    trouble[1] = ""
    (up,) = _look(port)
    assert up.up
    port.close()
