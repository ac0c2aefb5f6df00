"""The status socket against clients of every kind, and the service manager's datagrams."""

import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from refclock.errors import PortError
from refclock.sinks.notify import Notifier
from refclock.sinks.status import StatusServer
from refclock.units import NS_PER_S


@pytest.fixture
def path(tmp_path) -> str:
    return str(tmp_path / "status.sock")


@pytest.fixture
def server(path) -> Iterator[StatusServer]:
    made = StatusServer(path)
    made.open()
    yield made
    made.close()


def _connect(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    client.connect(path)
    return client


def _read_all(client: socket.socket) -> bytes:
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


def test_a_client_gets_one_document_even_after_the_line_is_closed(server, path):
    document = b'{"refclock_status":1}' * 2000
    with _connect(path) as client:
        server.serve(lambda: document)
        assert _read_all(client) == document


def test_a_client_that_never_reads_does_not_hold_the_loop(server, path):
    with _connect(path) as silent:
        server.serve(lambda: b"x" * (8 << 20))
        assert server.cut_off == 1
        with _connect(path) as client:
            server.serve(lambda: b"{}")
            assert _read_all(client) == b"{}"
        silent.close()


def test_a_client_that_talks_is_not_listened_to(server, path):
    with _connect(path) as client:
        client.sendall(b"GET / HTTP/1.1\r\n" * 100)
        server.serve(lambda: b"{}")
        assert client.recv(2) == b"{}"


def test_a_client_that_left_is_no_error(server, path):
    _connect(path).close()
    server.serve(lambda: b"{}")


def test_one_turn_serves_a_few_and_builds_the_document_once(server, path):
    built = []

    def document() -> bytes:
        built.append(1)
        return b"{}"

    clients = [_connect(path) for _ in range(6)]
    server.serve(document)
    assert len(built) == 1
    server.serve(document)
    assert [_read_all(client) for client in clients] == [b"{}"] * 6
    for client in clients:
        client.close()


def test_nobody_waiting_costs_nothing(server):
    server.serve(lambda: pytest.fail("asked for a document"))


def test_the_socket_is_for_owner_and_group(server, path):
    assert stat.S_IMODE(os.lstat(path).st_mode) == 0o660


def test_the_mask_of_the_process_is_as_before(path):
    before = os.umask(0o022)
    os.umask(before)
    server = StatusServer(path)
    server.open()
    server.close()
    assert os.umask(before) == before


def test_close_removes_the_socket(path):
    server = StatusServer(path)
    server.open()
    server.close()
    assert not os.path.lexists(path)
    server.close()
    server.serve(lambda: b"")


def test_a_successors_socket_is_not_removed(server, path):
    os.unlink(path)
    successor = StatusServer(path)
    successor.open()
    server.close()
    assert os.path.lexists(path)
    successor.close()


def test_a_stale_socket_is_replaced(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stale:
        stale.bind(path)
    server = StatusServer(path)
    server.open()
    server.close()


def test_a_socket_that_somebody_answers_on_is_not(server, path):
    with pytest.raises(PortError, match="another daemon answers"):
        StatusServer(path).open()
    assert os.path.lexists(path)


def test_a_file_in_the_way_is_not_removed(path):
    Path(path).write_text("precious")
    with pytest.raises(PortError, match="is no socket"):
        StatusServer(path).open()
    assert Path(path).read_text() == "precious"


def test_a_directory_that_is_missing_is_one_clear_line(tmp_path):
    with pytest.raises(PortError, match="RuntimeDirectory"):
        StatusServer(str(tmp_path / "missing" / "s")).open()


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_all_four_words(tmp_path, abstract):
    name = f"@refclock-test-{os.getpid()}-{threading.get_ident()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        manager.settimeout(5)
        notifier = Notifier({"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "8000000"})
        notifier.ready()
        notifier.status("vetted:\nall well")
        notifier.status("vetted: all well")
        for second in range(5):
            notifier.pet(second * NS_PER_S)
        notifier.stopping()
        heard = [manager.recv(1000) for _ in range(6)]
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(1000)
        notifier.close()
    assert heard == [b"READY=1", b"STATUS=vetted: all well", *[b"WATCHDOG=1"] * 3, b"STOPPING=1"]


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/no/where", "WATCHDOG_USEC": "1"}])
def test_without_a_manager_nothing_happens(environment):
    notifier = Notifier(environment)
    notifier.ready()
    notifier.pet(0)
    notifier.stopping()
    notifier.close()


def test_a_watchdog_meant_for_another_process_is_left_alone():
    notifier = Notifier({"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"})
    assert notifier._period_ns is None
    notifier.close()
