"""Commands on the status socket: who may, what is understood, what becomes of them."""

import json
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from refclock.errors import PortError
from refclock.model import Command, Event
from refclock.policy import limit_table, parse_policy
from refclock.runtime import StateFile
from refclock.runtime.operator import Operator
from refclock.sinks import commands
from refclock.sinks.commands import Request
from refclock.sinks.status import StatusServer
from refclock.units import NS_PER_MS

MINE = os.geteuid()


@pytest.fixture
def server(tmp_path) -> Iterator[StatusServer]:
    made = StatusServer(str(tmp_path / "status"))
    made.open()
    yield made
    made.close()


def _client(server: StatusServer, line: bytes = b"") -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    client.connect(server.path)
    if line:
        client.sendall(line)
    return client


def _answer(client: socket.socket) -> dict[str, object]:
    with client:
        answer = json.loads(client.recv(1 << 16))
        assert client.recv(1) == b""
    assert isinstance(answer, dict)
    return answer


def _obey(request: Request, uid: int) -> tuple[bool, str]:
    return True, f"{request['verb']} by {uid}"


def _refuse(request: Request, uid: int) -> tuple[bool, str]:
    pytest.fail(f"obeyed {request} of {uid}")


def test_a_command_that_lies_there_is_obeyed_at_once(server):
    client = _client(server, b'{"verb":"rearm"}\n')
    server.serve(lambda: b"{}", _obey)
    assert _answer(client) == {"refclock_answer": 1, "done": True, "text": f"rearm by {MINE}"}


def test_a_command_that_comes_a_moment_later_is_obeyed_too(server):
    client = _client(server)
    server.serve(lambda: b"{}", _obey)
    client.sendall(b'{"verb":"rearm"}\n')
    due = server.wake_at()
    assert due == 50 * NS_PER_MS
    server.serve(lambda: b"{}", _obey, due)
    assert _answer(client)["done"] is True
    assert server.wake_at() is None


def test_who_says_nothing_gets_the_document_after_the_grace(server):
    client = _client(server)
    server.serve(lambda: b'{"a":1}', _refuse)
    client.setblocking(False)
    with pytest.raises(BlockingIOError):
        client.recv(1)
    server.serve(lambda: b'{"a":1}', _refuse, 50 * NS_PER_MS)
    client.settimeout(5)
    assert _answer(client) == {"a": 1}


def test_many_silent_clients_are_not_collected(server):
    clients = []
    for _ in range(12):
        clients.append(_client(server))
        server.serve(lambda: b"{}", _refuse)
    clients[-1].settimeout(1)
    assert _answer(clients[-1]) == {}
    server.serve(lambda: b"{}", _refuse, 50 * NS_PER_MS)
    for client in clients[:-1]:
        assert _answer(client) == {}


def test_closing_leaves_no_silent_client_behind(server):
    with _client(server) as client:
        server.serve(lambda: b"{}", _refuse)
        server.close()
        assert client.recv(1) == b""
        assert server.wake_at() is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"verb":"rearm"}',
        b'{"verb":"rearm"}\n{"verb":"rearm"}\n',
        b'{"verb":\n',
        b'{"verb":1}\n',
        b"{}\n",
        b'{"verb":' + b"[" * 5000 + b"\n",
        b"{\xff}\n",
    ],
)
def test_what_is_no_command_is_refused_clearly(server, line):
    client = _client(server, line)
    server.serve(lambda: b"{}", _refuse)
    answer = _answer(client)
    assert answer["done"] is False
    assert "expected one line of JSON" in str(answer["text"])


def test_others_may_ask_but_not_command(server):
    client = _client(server, b'{"verb":"rearm"}\n')
    accepted, _ = server._listener.accept() if server._listener else pytest.fail("closed")
    with accepted:
        answer = json.loads(commands.answer(accepted, commands.heard(accepted), _refuse, (MINE + 1,)))
    client.close()
    assert answer["done"] is False
    assert answer["text"] == f"uid {MINE} may ask, but not command; only uid {MINE + 1} may"


# ---- what becomes of them --------------------------------------------------------------------------


class Core:
    """A core that is locked until it is rearmed, and enrolls what it is told unless it is ``busy``."""

    def __init__(self) -> None:
        self.events: list[Command] = []
        self.mode = "locked"
        self.rate: object = 0
        self.busy = False

    def view(self, raw_ns: int) -> dict[str, object]:
        return {"mode": self.mode, "enrolled": bool(self.rate), "raw_rate_ppt": self.rate}

    def handle(self, events: Iterable[Event]) -> None:
        for event in events:
            assert isinstance(event, Command)
            self.events.append(event)
            if event.verb == "rearm":
                self.mode = "acquiring"
            elif not self.busy:
                self.rate = event.args["raw_rate_ppt"]


@pytest.fixture
def core() -> Core:
    return Core()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def state(tmp_path) -> StateFile:
    made = StateFile(str(tmp_path / "state"), lambda priority, text: None)
    made.confirmed = limit_table(parse_policy(""))
    return made


@pytest.fixture
def operator(core, said, state) -> Operator:
    return Operator(core, core.handle, state, lambda priority, text: said.append(text))


def test_rearm_needs_a_reason_and_a_lock(operator, core, said):
    for reason in (None, 5, "  "):
        assert operator.obey({"verb": "rearm", "reason": reason}, 0)[0] is False
    assert not operator.obeyed
    assert operator.obey({"verb": "rearm", "reason": " cable\nreplaced "}, 7) == (
        True,
        "rearmed (cable replaced): mode locked -> acquiring",
    )
    assert core.events[0].args == {"reason": "cable replaced"}
    assert said[-1] == "uid 7 commands rearm: rearmed (cable replaced): mode locked -> acquiring"
    assert operator.obeyed
    assert operator.obey({"verb": "rearm", "reason": "again"}, 0)[0] is False
    assert len(core.events) == 1


def test_enroll_hands_on_the_rates_and_nothing_else(operator, core):
    rates = {"raw_rate_ppt": 5, "raw_rate_unc_ppt": 1}
    assert operator.obey({"verb": "enroll", **rates, "raw": 9, "floor_utc_ns": 1}, 0)[0] is True
    assert core.events[0].args == rates


@pytest.mark.parametrize("rates", [{}, {"raw_rate_ppt": "5"}, {"raw_rate_ppt": True}])
def test_enroll_refuses_what_is_no_rate(operator, core, rates):
    assert operator.obey({"verb": "enroll", **rates}, 0)[0] is False
    assert core.events == []


def test_enroll_says_when_the_core_did_not_take_it(operator, core):
    core.busy = True
    done, words = operator.obey({"verb": "enroll", "raw_rate_ppt": 5, "raw_rate_unc_ppt": 1}, 0)
    assert not done
    assert "being rejected" in words


def test_confirm_logs_old_and_new_and_counts_from_the_next_start_on(operator, state, said):
    limits = dict(limit_table(parse_policy(""))["limits"]) | {"latch_after_s": 1200}  # type: ignore[call-overload]
    done, words = operator.obey({"verb": "confirm", "profile": "appserver", "limits": limits}, 0)
    assert done
    assert "profile: kdc -> appserver, latch_after_s: 900 -> 1200" in words
    assert words in said[0]
    assert state.confirmed == {"profile": "appserver", "limits": limits}


@pytest.mark.parametrize(
    "request_", [{}, {"profile": "none", "limits": {"witnesses": 1}}, {"profile": "kdc", "limits": {"x": 1}}]
)
def test_confirm_refuses_what_is_no_table_of_limits(operator, state, request_):
    before = state.confirmed
    assert operator.obey({"verb": "confirm", **request_}, 0)[0] is False
    assert state.confirmed == before


def test_without_a_state_file_there_is_nothing_to_confirm(core):
    operator = Operator(core, core.handle, None, lambda priority, text: None)
    assert "keeps no state" in operator.obey({"verb": "confirm"}, 0)[1]


def test_another_verb_is_refused_with_the_ones_there_are(operator):
    assert operator.obey({"verb": "x" * 1000}, 0)[1].endswith("the commands are rearm, enroll, confirm")


def test_a_socket_in_use_is_still_refused(server):
    with pytest.raises(PortError):
        StatusServer(server.path).open()
    assert Path(server.path).exists()
