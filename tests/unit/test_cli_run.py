"""The verbs run, record, check and status, on a host without any receiver."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from refclock import BUILD_UTC_S, cli
from refclock.capture import CaptureReader
from refclock.cli.check import rows
from refclock.cli.status import ask, table
from refclock.errors import PortError
from refclock.finding import FAIL, WARN, Finding
from refclock.model import NtpReply
from refclock.policy import parse_policy
from refclock.runtime.header import port_table

CONFIG = """\
profile = "kdc"
[receiver]
device = "{there}/ttyUSB0"
[pps]
device = "{there}/pps0"
[rtc]
device = "{there}/rtc0"
[ntp]
servers = ["127.0.0.1:{port}"]
poll_s = 1
timeout_ms = 50
[status]
socket = "{there}/status"
[state]
file = "{there}/state"
[dates]
leap_file = "{there}/leap-seconds.list"
"""


@pytest.fixture
def there(tmp_path, monkeypatch) -> Path:
    """A directory that holds a configuration of devices that do not exist."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "refclock.toml").write_text(CONFIG.format(there=tmp_path, port=port))
    (tmp_path / "leap-seconds.list").write_text("#@ 4102444800\n2272060800 10\n2287785600 11\n")
    monkeypatch.chdir(tmp_path)
    return Path(tmp_path)


@pytest.mark.parametrize("verb", ["run", "record", "check", "status"])
def test_help_has_an_example(verb, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    assert f"example:\n  refclock {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["run", "record", "check"])
@pytest.mark.parametrize(
    ("text", "problem"),
    [(None, "cannot read the configuration"), (b"profil = 1", "did you mean 'profile'"), (b"\xff", "UTF-8")],
)
def test_an_unusable_configuration_is_one_line_and_status_2(verb, text, problem, tmp_path, capsys):
    path = tmp_path / "c.toml"
    if text is not None:
        path.write_bytes(text)
    extra = ["--out", str(tmp_path / "out")] if verb == "record" else []
    assert cli.main([verb, "--config", str(path), *extra]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert problem in said[0]
    assert str(path) in said[0]


def test_run_lives_on_without_its_devices_and_its_capture_replays_alike(there, capfd):
    arguments = ["--config", "refclock.toml", "--capture", "c.jsonl", "--decisions", "d", "--seconds", "1"]
    assert cli.main(["run", *arguments]) == 0
    out, said = capfd.readouterr()
    assert out == ""
    for name in ("gps0", "pps0", "rtc0"):
        assert f"refclock: {name} down: " in said
    assert said.splitlines()[-1] == "refclock: stopping: its time is up"
    decisions = (there / "d").read_text()
    assert cli.main(["replay", "c.jsonl", "--verify"]) == 0
    capfd.readouterr()
    assert cli.main(["replay", "c.jsonl", "--decisions"]) == 0
    assert capfd.readouterr().out == decisions
    assert "ntp-lost" in decisions
    assert json.loads((there / "state").read_text())["refclock_state"] == 2
    assert not (there / "status").exists()


def test_a_capture_says_which_host_and_policy_it_was(there, capfd):
    assert cli.main(["record", "--config", "refclock.toml", "--out", "c.jsonl.gz", "--seconds", "0"]) == 0
    with CaptureReader("c.jsonl.gz") as capture:
        kinds = [type(event).__name__ for event in capture]
        footer = capture.footer
    header = capture.header
    assert header["policy"] == (there / "refclock.toml").read_text()
    host = header["host"]
    assert isinstance(host, dict)
    assert host["build_utc_s"] == BUILD_UTC_S
    assert set(host) == {"build_utc_s", "python", "machine", "kernel", "clocksource", "boot_id"}
    assert header["licence"] == "Apache-2.0"
    assert kinds == ["PortChange", "SystemClock", *["PortChange"] * 4]
    assert footer is not None
    assert "decisions" not in footer


def test_the_header_describes_every_port():
    policy = parse_policy(
        '[receiver]\ndevice = "/dev/ttyS0"\nprotocol = "ubx"\n[pps]\n[rtc]\n'
        '[ntp]\nservers = ["a.example", "[2001:db8::1]:1123"]\n'
    )
    assert port_table(policy) == {
        "sys0": {"kind": "sys"},
        "gps0": {"kind": "serial", "protocol": "ubx", "baud": 9600, "framing": "8N1"},
        "pps0": {"kind": "pps", "device": "/dev/pps0", "edge": "assert"},
        "rtc0": {"kind": "rtc"},
        "ntp0": {"kind": "ntp", "servers": ["a.example:123"]},
        "ntp1": {"kind": "ntp", "servers": ["[2001:db8::1]:1123"]},
    }


def test_standard_output_takes_one_of_capture_and_decisions(there, capsys):
    assert cli.main(["run", "--config", "refclock.toml", "--capture", "-", "--decisions", "-"]) == 2
    assert "standard output takes one" in capsys.readouterr().err


def test_a_state_that_others_may_write_stops_the_start(there, capfd):
    (there / "state").write_text("{")
    (there / "state").chmod(0o666)
    assert cli.main(["run", "--config", "refclock.toml", "--seconds", "0"]) == 2
    assert "no one else to write it" in capfd.readouterr().err
    assert not (there / "status").exists()


def test_a_damaged_state_locks_and_says_so(there, capfd):
    arguments = ["run", "--config", "refclock.toml", "--seconds", "0"]
    assert cli.main(arguments) == 0
    (there / "state").write_text("{")
    assert cli.main([*arguments, "--decisions", "d"]) == 0
    assert "the state was edited or cut off" in capfd.readouterr().err
    assert '"to":"locked"' in (there / "d").read_text()


def test_a_capture_that_cannot_be_opened_stops_the_start_and_leaves_no_socket(there, capfd):
    assert cli.main(["run", "--config", "refclock.toml", "--capture", "no/where", "--seconds", "0"]) == 2
    assert "no/where" in capfd.readouterr().err
    assert not (there / "status").exists()


def test_a_full_disk_is_told_and_lived_with(there, capfd):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    # The writer buffers: the disk shows itself full at the end here, in the midst with more events.
    assert cli.main(["run", "--config", "refclock.toml", "--capture", "/dev/full", "--seconds", "0"]) == 0
    assert "No space left on device" in capfd.readouterr().err


def test_status_asks_the_running_daemon(there, capfd):
    daemon = subprocess.Popen(
        [sys.executable, "-m", "refclock", "run", "--config", "refclock.toml", "--seconds", "20"],
        stderr=subprocess.DEVNULL,
    )
    try:
        document = _asked(str(there / "status"))
        assert document["refclock_status"] == 1
        assert document["mode"] == "cold"
        assert cli.main(["status", "--socket", "status", "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["profile"] == "kdc"
        assert cli.main(["status", "--config", "refclock.toml"]) == 0
        shown = capfd.readouterr().out
        assert "profile kdc" in shown
        assert max(map(len, shown.splitlines())) <= 80
        # A second daemon with the same socket would write the same segment.
        assert cli.main(["run", "--config", "refclock.toml", "--seconds", "0"]) == 1
        assert "another daemon answers" in capfd.readouterr().err
        assert cli.main(["check", "--config", "refclock.toml"]) == 1
        assert "a daemon" in capfd.readouterr().out
    finally:
        daemon.terminate()
        assert daemon.wait(10) == 0


def _asked(path: str) -> dict[str, object]:
    """The document, as soon as the daemon is up."""
    for _ in range(200):
        with suppress(PortError):
            return ask(path)
        threading.Event().wait(0.05)
    return ask(path)


def test_status_without_a_daemon_is_one_line_and_status_1(there, capsys):
    assert cli.main(["status", "--socket", "nobody"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_status_refuses_what_is_no_daemon(tmp_path, capsys):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(path)
        listener.listen()

        def answer() -> None:
            with listener.accept()[0] as line:
                line.sendall(b'{"refclock_status":99}')

        thread = threading.Thread(target=answer)
        thread.start()
        assert cli.main(["status", "--socket", path]) == 1
        thread.join()
    assert "no refclock daemon of status version 1" in capsys.readouterr().err


def test_status_without_a_configured_socket_says_what_to_add(tmp_path, capsys):
    path = tmp_path / "c.toml"
    path.write_text('profile = "kdc"\n')
    assert cli.main(["status", "--config", str(path)]) == 2
    assert "add [status] socket" in capsys.readouterr().err


def test_of_several_daemons_one_must_be_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("refclock.bounded.DIRECTORY", str(tmp_path))
    assert cli.main(["status"]) == 1
    assert "no status socket is there; start refclock" in capsys.readouterr().err
    (tmp_path / "a.sock").touch()
    assert cli.main(["status"]) == 1
    assert f"{tmp_path}/a.sock: no daemon answers" in capsys.readouterr().err, (
        "the only one need not be named"
    )
    (tmp_path / "b.sock").touch()
    assert cli.main(["explain"]) == 1
    assert "several daemons have a status socket there (a.sock, b.sock); name one" in capsys.readouterr().err


DOCUMENT: dict[str, object] = {
    "refclock_status": 1,
    "as_of": {"raw_ns": 100_000_000_000, "real_ns": 0, "unc_ns": 0},
    "mode": "vetted",
    "mode_reason": "dwell complete\x1b[2J",
    "mode_since_ns": 3_723_000_000_000,
    "profile": "kdc",
    "established": True,
    "bound_ns": 1_020_000,
    "dwell": {"elapsed_ns": 312_000_000_000, "needed_ns": 1_800_000_000_000},
    "last_publish": {"raw": 99_600_000_000, "utc": 5_003_200_000, "sys": 5_000_000_000},
    "last_withhold": {
        "raw": 40_000_000_000, "reason": "drift-mask", "value": 3_200_000, "limit": 1_000_000,
        "unit": "ns", "words": "the second lies farther away", "mend": "find out what moved",
    },
    "last_accusation": "receiver moved +3.2 ms in 41 s against raw, rtc and 3 of 3 ntp",
    "witnesses_needed": 2,
    "witnesses": [
        {"name": "ntp", "state": "agrees", "lo_ns": -1_200_000, "hi_ns": 1_300_000, "age_ns": 12 * 10**9,
         "detail": "3 of 3 agree"},
        {"name": "ntp:a-very-long-name.example.org:123", "state": "no opinion", "lo_ns": None, "hi_ns": None,
         "age_ns": None, "detail": "ntp-reference-age and much more that does not fit any line at all"},
    ],
    "counters": {"published": 12, "withheld": 0},
    "daemon": {
        "version": "0.1.0", "pid": 7, "up_ns": 90_061_000_000_000, "turns": 9, "slow_turns": 1,
        "slowest_turn_ns": 83_000_000, "capture": "none",
        "ports": {"gps0": {"up": False, "reason": "gone"}}, "sinks": {"chrony SHM 20": "attached, 1 reading"},
    },
}  # fmt: skip


def test_the_table_shows_what_matters_in_80_columns():
    lines = table(DOCUMENT)
    shown = "\n".join(lines)
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in shown
    for words in (
        "up 1 d 1 h",
        "vetted for 1 h 2 min",
        "established yes",
        "UTC minus the system clock was +3.20 ms, 0 s ago",
        "UTC is known to 1.02 ms",
        "5 min 12 s of 30 min 0 s",
        "-1.20 ms .. +1.30 ms",
        "drift-mask, 1 min 0 s ago: the second lies farther away",
        "receiver moved +3.2 ms",
        "published 12",
        "DOWN: gone",
        "SHM 20: attached, 1 reading",
    ):
        assert words in shown


def test_a_document_from_a_daemon_with_fewer_fields_is_shown_all_the_same():
    assert table({"refclock_status": 1, "witnesses": None, "daemon": 3})


def test_check_names_what_is_missing_and_how_to_mend_it(there, capsys, monkeypatch):
    assert cli.main(["check", "--config", "refclock.toml"]) == 1
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    found = {line[6:27].strip(): line[:5].strip() for line in shown.splitlines() if line[:1].strip()}
    assert found["configuration"] == "ok"
    assert [found[what] for what in ("receiver", "pulse", "RTC")] == [FAIL] * 3
    assert [found[what] for what in ("NTP", "chrony")] == [WARN] * 2
    assert [found[what] for what in ("status socket", "state file", "leap file")] == ["ok"] * 3
    assert "-> name at least 3" in shown
    assert not (there / "status").exists()
    assert not (there / "state").exists()


def test_check_passes_with_warnings_only(tmp_path, capsys):
    path = tmp_path / "c.toml"
    path.write_text(
        f'profile = "kdc"\n[status]\nsocket = "{tmp_path}/s"\n[limits]\nwitnesses = 1\n'
        '[loosened]\nwitnesses = "a site without network"\n'
    )
    assert cli.main(["check", "--config", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "limit witnesses      2 -> 1: a site without network" in shown
    assert "none: a restart forgets" in shown
    assert shown.splitlines()[-1].startswith("no failures, ")


def test_check_looks_at_the_directory_of_the_time_file(tmp_path, capsys):
    path = tmp_path / "refclock.toml"
    path.write_text(f'[time]\nfile = "{tmp_path}/time"\n')
    cli.main(["check", "--config", str(path)])
    shown = [line.split() for line in capsys.readouterr().out.splitlines() if "time file" in line]
    assert [line[:3] for line in shown] == [["ok", "time", "file"]]


def test_check_names_what_two_receivers_daemons_would_share(tmp_path, capsys):
    shared = '[receiver]\ndevice = "/dev/none"\n[state]\nfile = "{0}/state"\n[time]\nfile = "{0}/{1}.time"\n'
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(shared.format(tmp_path, name))
    (tmp_path / "broken.toml").write_text("?")
    assert cli.main(["check", "--config", str(tmp_path / "a.toml")]) == 1
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.count("another receiver") == 2
    assert "b.toml has the same receiver.device: /dev/none" in shown
    assert "/b.toml has the same state.file:" in shown
    (tmp_path / "b.toml").unlink()
    cli.main(["check", "--config", str(tmp_path / "a.toml")])
    assert "another receiver" not in capsys.readouterr().out


def test_check_asks_each_server_once(there, capsys, monkeypatch):
    from refclock.cli import findings

    for stratum, reference, shown in (
        (2, bytes([192, 0, 2, 9]), "stratum 2 (192.0.2.9)"),
        (1, b"GPS\0", "stratum 1 (Global Position System)"),
        (1, b"\x1b[2J", "stratum 1 (Unidentified reference source '?[2J')"),
        (200, bytes(4), "stratum 200: not synchronised"),
    ):
        data = bytes([0x24, stratum]) + bytes(10) + reference + bytes(32)
        reply = NtpReply(0, 0, 0, "ntp0", "x", "", 0, 3_000_000, data)
        monkeypatch.setattr(findings, "ask_once", lambda ports, longest_ns, reply=reply: {"ntp0": [reply]})
        cli.main(["check", "--config", "refclock.toml"])
        assert f"answers in 3.00 ms, {shown}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(("limit_us", "warned"), [(3_001, False), (2_999, True)])
def test_check_warns_of_servers_too_coarse_for_e_q(there, capsys, monkeypatch, limit_us, warned):
    """A limit that is tightened beyond what the servers can tell would silence them."""
    from refclock.cli import findings

    with (there / "refclock.toml").open("a") as config:
        config.write(f"[limits]\nquorum_error_us = {limit_us}\n")
    reply = NtpReply(0, 0, 0, "ntp0", "x", "", 0, 3_000_000, bytes([0x24, 2]) + bytes(46))
    monkeypatch.setattr(findings, "ask_once", lambda ports, longest_ns: {"ntp0": [reply]})
    cli.main(["check", "--config", "refclock.toml"])
    assert ("it will veto nothing" in " ".join(capsys.readouterr().out.split())) is warned


def test_a_row_of_check_is_aligned_and_safe():
    lines = rows([Finding("a name that is longer than the column", "x \x1b[2J " * 30, FAIL, "mend it")])
    assert max(map(len, lines)) <= 80
    assert lines[0] == "FAIL  a name that is longer than the column"
    assert lines[-1].strip() == "-> mend it"
    assert "\x1b" not in "".join(lines)


def test_the_daemon_loads_nothing_that_it_does_not_need():
    unwanted = ["asyncio", "gpsd", "hashlib", "logging", "lzma", "pyudev", "rich", "subprocess"]
    code = f"import sys, refclock.cli.run; print([m for m in {unwanted} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(autouse=True)
def _quiet_environment(monkeypatch) -> None:
    for name in ("JOURNAL_STREAM", "NOTIFY_SOCKET", "WATCHDOG_USEC"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("version", "tables", "advised"),
    [
        ("4.8", "[shm]\nunit = 213\n", True),
        ("4.4", "[shm]\nunit = 213\n", True),
        ("4.3", "[shm]\nunit = 213\n", False),
        ("4.8", '[sock]\npath = "/nowhere/s"\n', False),
        ("4.8", "", False),
    ],
)
def test_check_recommends_the_socket_where_chrony_does(tmp_path, capsys, version, tables, advised):
    class Asked:
        stdout, stderr, returncode = f"chronyd (chrony) version {version} (+CMDMON)".encode(), b"", 0

    path = tmp_path / "c.toml"
    path.write_text(tables)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "which", lambda _name, path: "/usr/sbin/chronyd")
        patch.setattr(subprocess, "run", lambda *_args, **_more: Asked)
        cli.main(["check", "--config", str(path)])
    shown = " ".join(capsys.readouterr().out.split())
    assert f"chronyd /usr/sbin/chronyd, version {version}" in shown
    why = "any local user who makes the segment first could feed chrony, while the socket is chronyd's own"
    assert (why in shown and "-> use SOCK: [sock] path =" in shown) is advised


def test_check_when_chronyd_cannot_be_asked(tmp_path, capsys, monkeypatch):
    path = tmp_path / "c.toml"
    path.write_text("")
    monkeypatch.setattr(shutil, "which", lambda _name, path: None)
    cli.main(["check", "--config", str(path)])
    assert "install chrony; refclock steers no clock" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(shutil, "which", lambda _name, path: "/dev/null")
    cli.main(["check", "--config", str(path)])
    assert "warn chronyd /dev/null: cannot be run: Permission denied" in " ".join(
        capsys.readouterr().out.split()
    )


def test_the_daemon_feeds_a_socket(tmp_path, capfd):
    path = tmp_path / "c.toml"
    path.write_text(f'[sock]\npath = "{tmp_path}/s"\n')
    assert cli.main(["run", "--config", str(path), "--seconds", "0"]) == 0
    told = capfd.readouterr().err
    assert f"{tmp_path}/s: No such file or directory; start chronyd" in told
    assert "told nothing" not in told
