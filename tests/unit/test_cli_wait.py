"""Waiting for established time, and keeping watch: against a socket that answers as a daemon would."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from refclock import cli
from refclock.cli import wait
from refclock.cli.fast import clock_alarm
from refclock.cli.wait import PATIENCE_S, Keeper, by_whom, missing
from refclock.policy import ServicesSettings, parse_policy

WELL: dict[str, Any] = {
    "refclock_status": 1,
    "established": True,
    "established_by": ["rtc", "ntp"],
    "bound_ns": None,
}
NOT_YET: dict[str, Any] = {
    "refclock_status": 1,
    "established": False,
    "established_by": [],
    "bound_ns": None,
    "mode": "cold",
    "mode_reason": "",
    "witnesses": [
        {"name": "ntp", "state": "no opinion", "detail": "1 of 3 answer"},
        {"name": "ntp:192.0.2.1:123", "state": "agrees", "detail": ""},
        {"name": "rtc", "state": "agrees", "detail": None},
    ],
}
LIMIT = ServicesSettings("alarm", 30 * 10**9)


class Daemon:
    """Answers each client with the document of the moment."""

    def __init__(self, path: Path) -> None:
        self.document: dict[str, Any] = NOT_YET
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with client, suppress(OSError):
                client.sendall(json.dumps(self.document).encode())

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


@pytest.fixture
def home(tmp_path_factory, monkeypatch) -> Path:
    made: Path = tmp_path_factory.mktemp("w")
    (made / "a.toml").write_text(f'[status]\nsocket = "{made}/s"\n')
    monkeypatch.setattr(wait, "_LOOK_S", 0)
    monkeypatch.setattr(wait, "_LOOK_LATER_S", 0)
    return made


@pytest.fixture
def daemon(home) -> Iterator[Daemon]:
    made = Daemon(home / "s")
    yield made
    made.stop()


@pytest.fixture
def manager(home, monkeypatch) -> Iterator[socket.socket]:
    """The service manager's end of $NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as end:
        end.bind(str(home / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(home / "n"))
        yield end


def said(manager: socket.socket) -> list[str]:
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(manager.recv(4096).decode())
    return found


def after(seconds: float, act: object) -> None:
    """``time.sleep`` counts the looks: the deed is done after so many of them."""
    threading.Timer(seconds, act).start()  # type: ignore[arg-type]


def test_it_waits_says_for_what_and_ends_when_established(home, daemon, manager, capfd):
    after(0.3, lambda: setattr(daemon, "document", WELL))
    assert cli.main(["wait", "--config", str(home / "a.toml")]) == 0
    told = capfd.readouterr().err
    assert told.count("waiting: no two of receiver, RTC and NTP quorum agree with the system clock yet:") == 1
    assert "receiver cold (nothing heard yet); NTP quorum: no opinion (1 of 3 answer); RTC: agrees" in told
    assert "the time is established: RTC and NTP quorum agree with the system clock" in told
    lines = said(manager)
    assert lines[0].startswith("STATUS=waiting: no two of")
    assert lines[-1] == "READY=1"


def test_it_gives_up_when_told_to(home, daemon, capfd):
    assert cli.main(["wait", "--directory", str(home), "--timeout", "0"]) == 1
    assert "not established in 0 s: no two of" in capfd.readouterr().err


def test_nobody_answers(home, capfd):
    assert cli.main(["wait", "--config", str(home / "a.toml"), "--timeout", "0"]) == 1
    assert f"{home}/s" in capfd.readouterr().err


def test_keeping_watch_it_alarms_and_goes_on(home, daemon, manager, capfd):
    daemon.document = WELL
    wide = {**NOT_YET, "mode": "holdover", "bound_ns": 31 * 10**9}
    after(0.3, lambda: setattr(daemon, "document", wide))
    after(0.7, lambda: setattr(daemon, "document", WELL))
    after(1.2, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.main(["wait", "--config", str(home / "a.toml"), "--keep"]) == 0
    told = capfd.readouterr().err
    assert (
        told.count("alarm, services go on: the system clock may be 31.0 s off, more than the 30.0 s that")
        == 1
    )
    assert told.count("the alarm is over: RTC and NTP quorum agree") == 1
    lines = said(manager)
    assert any(line.startswith("STATUS=ALARM: the system clock may be 31.0 s off") for line in lines)
    assert lines.count("READY=1") == 1


def test_keeping_watch_it_stops_services_where_the_configuration_says_so(home, daemon, capfd):
    (home / "b.toml").write_text(
        f'[status]\nsocket = "{home}/s"\n[services]\nwhen_lost = "stop"\nbound_ms = 2000\n'
    )
    daemon.document = WELL
    after(0.3, lambda: setattr(daemon, "document", {**WELL, "bound_ns": 2 * 10**9 + 1}))
    # Of two configurations the stricter counts.
    assert cli.main(["wait", "--directory", str(home), "--keep"]) == 0
    assert (
        "services must stop: the system clock may be 2.00 s off, more than the 2.00 s"
        in capfd.readouterr().err
    )


def test_a_signal_before_it_is_established_is_no_success(home, daemon):
    after(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    assert cli.main(["wait", "--config", str(home / "a.toml")]) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_sleep_is_cut_short_by_a_signal():
    with wait._Ends() as ends:
        after(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        began = time.monotonic()
        wait._sleep(20, ends)
    assert time.monotonic() - began < 5


def test_the_best_of_several_daemons_counts():
    keeper = Keeper(LIMIT)
    verdict = keeper.look(0, ["nobody answers", NOT_YET, {**WELL, "bound_ns": 5}])
    assert (verdict.established, verdict.lost) == (True, "")
    wide = {**NOT_YET, "bound_ns": 40 * 10**9}
    assert "40.0 s off" in keeper.look(1, [wide, "nobody answers"]).lost
    assert keeper.look(1, [wide, {**WELL, "bound_ns": 30 * 10**9}]).lost == ""


def test_a_clock_that_was_set_wrong_counts_however_well_utc_is_known():
    """Not established any more, for the clock disagrees; and UTC is known to a microsecond."""
    document = {**NOT_YET, "mode": "vetted", "bound_ns": 1000, "system_off_ns": -31 * 10**9}
    assert "may be 31.0 s off" in Keeper(LIMIT).look(0, [document]).lost
    assert Keeper(LIMIT).look(0, [{**document, "system_off_ns": 29 * 10**9}]).lost == ""
    fast = Keeper(LIMIT).look(
        0, [{**document, "system_off_ns": 30 * 10**9}, {**document, "bound_ns": 1 << 50}]
    )
    assert "It is FAST by 30.0 s. Do NOT set it back by hand" in fast.lost
    assert Keeper(LIMIT).look(0, [{**document, "system_off_ns": None}]).lost == ""


def test_an_unknown_bound_is_borne_for_a_while():
    keeper = Keeper(LIMIT)
    assert keeper.look(1000, ["nobody answers"]).lost == ""
    assert keeper.look(1000 + PATIENCE_S - 1, [NOT_YET]).lost == ""
    assert keeper.look(1000 + PATIENCE_S, ["nobody answers"]).lost == f"nobody answers (for {PATIENCE_S} s)"
    # Established by others, or a bound that the daemon knows: the patience begins anew.
    assert keeper.look(2000, [WELL]).lost == ""
    assert keeper.look(2001, ["nobody answers"]).lost == ""
    assert keeper.look(2002, [{**NOT_YET, "bound_ns": 7}]).established is False


def test_documents_of_other_versions_are_borne():
    assert by_whom({"established_by": 7}) == " agree with the system clock"
    assert by_whom({"established_by": ["receiver", "ntp"]}).startswith("receiver and NTP quorum agree")
    assert missing({"witnesses": [3, {"name": "ntp"}], "mode": "\x1b"}).endswith(
        "receiver ? (nothing heard yet); NTP quorum: None"
    )
    assert missing({})


def test_what_is_configured():
    assert parse_policy("").services == ServicesSettings("alarm", 30 * 10**9)
    assert parse_policy('[services]\nwhen_lost = "stop"\nbound_ms = 150000').services.bound_ns == 150 * 10**9


def test_a_directory_without_configurations(tmp_path, capsys):
    assert cli.main(["wait", "--directory", str(tmp_path)]) == 2
    assert "no configuration in it" in capsys.readouterr().err
    assert cli.main(["wait", "--directory", str(tmp_path / "x")]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_clause_37_the_alarm_for_a_clock_that_is_fast_says_what_not_to_do():
    def alarm(off_ns, bound_ns=10**6):
        return clock_alarm({"system_off_ns": off_ns, "bound_ns": bound_ns})

    assert alarm(30 * 10**9).startswith("FAST by 30.0 s. Do NOT set it back by hand: ")
    assert "refclock setback" in alarm(10**9 + 10**6)
    assert alarm(10**9) == alarm(10**9 + 10**6, 10**8) == alarm(None) == alarm(3 * 10**9, None) == ""
    assert alarm(-30 * 10**9) == ""
    fast = {**WELL, "bound_ns": 2 * 10**9, "system_off_ns": 30 * 10**9}
    told = Keeper(LIMIT).look(0, [fast, {**fast, "bound_ns": 1 << 50}]).lost
    assert "It is FAST by 30.0 s. Do NOT set it back by hand" in told
    assert "FAST" not in Keeper(LIMIT).look(0, [{**fast, "system_off_ns": -30 * 10**9}]).lost
