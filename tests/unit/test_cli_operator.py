"""The operator's verbs, against a real daemon without devices and against simulated captures."""

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from refclock import cli
from refclock.cli.explain import told as explained
from refclock.cli.ledger import told as ledgered
from refclock.cli.measure import Rate, combine
from refclock.cli.status import ask
from refclock.errors import PortError

CONFIG = """\
[status]
socket = "{there}/status"
[state]
file = "{there}/state"
"""
LOOSE = '[limits]\nlatch_after_s = 1200\n[loosened]\nlatch_after_s = "slow sky"\n'
VERBS = ("enroll", "rearm", "confirm", "explain", "ledger")


@pytest.fixture
def there(tmp_path, monkeypatch) -> Path:
    (tmp_path / "c.toml").write_text(CONFIG.format(there=tmp_path))
    monkeypatch.chdir(tmp_path)
    return Path(tmp_path)


@pytest.fixture(scope="module")
def captures(tmp_path_factory) -> Path:
    """good.jsonl: 25 min of an honest host that is not enrolled; step.jsonl: a receiver that steps."""
    place = tmp_path_factory.mktemp("captures")
    made = ["simulate", "--seed", "5", "--duration"]
    assert cli.main([*made, "25m", "--fresh", "--out", str(place / "good.jsonl")]) == 0
    assert cli.main([*made, "10m", "--attack", "step:100ms@5m", "--out", str(place / "step.jsonl")]) == 0
    return Path(place)


@contextmanager
def _daemon(there: Path, *arguments: str) -> Iterator[None]:
    command = [sys.executable, "-m", "refclock", "run", "--config", "c.toml", "--seconds", "30", *arguments]
    with (there / "log").open("w") as log:
        daemon = subprocess.Popen(command, stderr=log)
        try:
            for _ in range(200):
                with suppress(PortError):
                    ask(str(there / "status"))
                    break
                threading.Event().wait(0.05)
            yield
        finally:
            daemon.terminate()
            assert daemon.wait(10) == 0


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example(verb, capfd):
    with pytest.raises(SystemExit) as ended:
        cli.main([verb, "--help"])
    assert ended.value.code == 0
    assert f"example:\n  refclock {verb}" in capfd.readouterr().out


def test_a_tampered_state_locks_is_explained_and_rearmed_and_all_of_it_replays(there, capfd):
    assert cli.main(["run", "--config", "c.toml", "--seconds", "0"]) == 0
    (there / "state").write_text((there / "state").read_text().replace("kdc", "kcd"))
    with _daemon(there, "--capture", "c.jsonl"):
        assert cli.main(["explain", "--config", "c.toml"]) == 0
        said = capfd.readouterr().out
        assert "tampered with: the state was edited" in " ".join(said.split())
        assert "refclock rearm" in said
        assert max(map(len, said.splitlines())) <= 80
        rearm = ["rearm", "--config", "c.toml", "--reason", "backup restored"]
        assert cli.main(rearm) == 1
        assert "say --yes" in capfd.readouterr().err
        assert cli.main([*rearm, "--yes"]) == 0
        assert "rearmed (backup restored): mode locked -> acquiring" in capfd.readouterr().out
        assert cli.main([*rearm, "--yes"]) == 1
        assert "nothing to rearm" in capfd.readouterr().err
        assert cli.main(["ledger", "--config", "c.toml"]) == 0
        assert "never was more than half" in capfd.readouterr().out
    assert "commands rearm: rearmed (backup restored)" in (there / "log").read_text()
    assert cli.main(["replay", "c.jsonl", "--verify"]) == 0
    with _daemon(there):
        assert ask(str(there / "status"))["mode"] == "cold"


def test_a_loosened_limit_waits_for_its_confirmation(there, capfd):
    assert cli.main(["run", "--config", "c.toml", "--seconds", "0"]) == 0
    with (there / "c.toml").open("a") as config:
        config.write(LOOSE)
    with _daemon(there, "--capture", "c.jsonl"):
        capfd.readouterr()
        assert cli.main(["confirm", "--config", "c.toml"]) == 1
        assert "900 -> 1200 (looser)" in capfd.readouterr().out
        assert cli.main(["confirm", "--config", "c.toml", "--yes"]) == 0
        assert "from the next start on" in capfd.readouterr().out
    log = (there / "log").read_text()
    assert "held back: latch_after_s: 900 -> 1200 is looser; 900 stays in force" in log
    assert "limit latch_after_s is loosened" not in log
    header = json.loads((there / "c.jsonl").read_text().splitlines()[0])
    assert header["in_force"] == {"limits": {"latch_after_s": 900}}
    assert cli.main(["replay", "c.jsonl", "--verify"]) == 0
    with _daemon(there):
        pass
    log = (there / "log").read_text()
    assert "held back" not in log
    assert "limit latch_after_s is loosened from 900 to 1200: slow sky" in log


def test_confirm_without_a_daemon_writes_the_state(there, capfd):
    assert cli.main(["confirm", "--config", "c.toml"]) == 0
    assert "no daemon has run" in capfd.readouterr().out
    assert not (there / "state.key").exists()
    assert cli.main(["run", "--config", "c.toml", "--seconds", "0"]) == 0
    assert cli.main(["confirm", "--config", "c.toml"]) == 0
    with (there / "c.toml").open("a") as config:
        config.write(LOOSE)
    capfd.readouterr()
    assert cli.main(["confirm", "--config", "c.toml", "--yes"]) == 0
    assert "Confirmed" in capfd.readouterr().out
    assert cli.main(["run", "--config", "c.toml", "--seconds", "0"]) == 0
    assert cli.main(["check", "--config", "c.toml"]) == 0


def test_confirming_does_not_make_up_for_tampering(there, capfd):
    assert cli.main(["run", "--config", "c.toml", "--seconds", "0"]) == 0
    (there / "state").unlink()
    with (there / "c.toml").open("a") as config:
        config.write(LOOSE)
    assert cli.main(["check", "--config", "c.toml"]) == 1
    assert "the state was deleted" in " ".join(capfd.readouterr().out.split())
    assert cli.main(["confirm", "--config", "c.toml", "--yes"]) == 0
    assert cli.main(["run", "--config", "c.toml", "--seconds", "0"]) == 0
    assert "mode cold -> locked: the memory was tampered with" in capfd.readouterr().err


def test_enroll_measures_shows_and_stores(there, captures, capfd):
    enroll = ["enroll", "--config", "c.toml", "--from", str(captures / "good.jsonl")]
    assert cli.main(enroll) == 1
    said = capfd.readouterr().out
    for row in ("messages", "receiver", "NTP quorum", "RTC", "to enroll"):
        assert f"\n{row}" in f"\n{said}"
    assert "within" in said
    assert max(map(len, said.splitlines())) <= 80
    assert not (there / "state").exists()
    assert cli.main([*enroll, "--yes"]) == 0
    memory = json.loads((there / "state").read_text())["memory"]
    header = json.loads((captures / "good.jsonl").read_text().splitlines()[0])
    (raw0, utc0), *_, (raw1, utc1) = header["truth"]["utc_at_raw"]
    true_ppt = (utc1 - utc0 - raw1 + raw0) * 10**12 // (raw1 - raw0)
    assert abs(memory["raw_rate_ppt"] - true_ppt) < 100_000
    # The messages of this capture begin between 60 and 150 ms after their pulse, some 5 ms either way.
    assert 30_000_000 < memory["phase_low_ns"] < memory["phase_high_ns"] < 200_000_000
    assert memory["raw_rate_unc_ppt"] > abs(memory["raw_rate_ppt"] - true_ppt)
    with _daemon(there):
        assert ask(str(there / "status"))["enrolled"] is True


def test_enroll_tells_the_running_daemon(there, captures, capfd):
    with _daemon(there, "--capture", "c.jsonl"):
        assert cli.main(["enroll", "--config", "c.toml"]) == 2
        assert "a daemon runs and holds the ports" in capfd.readouterr().err
        arguments = ["enroll", "--config", "c.toml", "--yes", "--from", str(captures / "good.jsonl")]
        assert cli.main(arguments) == 0
        assert "enrolled at" in capfd.readouterr().out
        assert ask(str(there / "status"))["enrolled"] is True
    assert cli.main(["replay", "c.jsonl", "--verify"]) == 0
    assert "raw_rate_ppt" in json.loads((there / "state").read_text())["memory"]


def test_enroll_refuses_a_capture_of_another_counter(there, capfd, monkeypatch):
    monkeypatch.setattr("refclock.cli.enroll.one_line", lambda path: "tsc")  # a container may hide it
    assert cli.main(["record", "--config", "c.toml", "--out", "c.jsonl", "--seconds", "0"]) == 0
    first, *rest = (there / "c.jsonl").read_text().splitlines()
    header = json.loads(first)
    header["host"]["clocksource"] = "hourglass"
    (there / "c.jsonl").write_text("\n".join([json.dumps(header), *rest[:-1]]) + "\n")
    assert cli.main(["enroll", "--config", "c.toml", "--from", "c.jsonl"]) == 2
    assert "'hourglass'" in capfd.readouterr().err


def test_enroll_needs_somewhere_to_store(there, captures, capfd):
    (there / "c.toml").write_text("")
    assert cli.main(["enroll", "--config", "c.toml", "--from", str(captures / "good.jsonl")]) == 2
    assert "[state] file" in capfd.readouterr().err


def test_enroll_by_recording_needs_receiver_and_servers(there, capfd):
    assert cli.main(["enroll", "--config", "c.toml", "--seconds", "0", "--yes"]) == 1
    assert "both a receiver and an NTP quorum are needed" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("receiver", "quorum", "found"),
    [
        (Rate(100, 1, 9), Rate(102, 10, 5), Rate(100, 12, 5)),
        (Rate(100, 50, 9), Rate(102, 10, 5), Rate(100, 50, 5)),
        (Rate(100, 1, 9), Rate(112, 10, 5), None),
        (Rate(100, 1, 9), Rate(88, 10, 5), None),
    ],
)
def test_the_enrolled_rate_is_the_receivers_within_what_the_quorum_allows(receiver, quorum, found):
    assert combine(receiver, quorum) == found


def test_explain_tells_a_capture_in_plain_words(captures, capfd):
    step = str(captures / "step.jsonl")
    assert cli.main(["explain", "--capture", step]) == 0
    said = capfd.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    for words in (
        "edge-window: no pulse lay",
        "limit",
        "ntp agrees with the counter",
        "accused",
        "what to do",
    ):
        assert words in said
    assert "Left out: dwell" in said
    assert cli.main(["explain", "--capture", step, "--all"]) == 0
    assert "dwell: agreement has not" in capfd.readouterr().out
    assert cli.main(["explain", "--capture", step, "--json"]) == 0
    assert "edge-window" in {one["reason"] for one in json.loads(capfd.readouterr().out)}


def test_explain_of_nothing_says_so():
    assert explained({"mode": "vetted"})[-1] == "No second was refused for what it said."


def test_explain_shows_dates_and_cannot_be_driven_by_what_it_shows():
    group = {"reason": "date-floor", "kind": "violation", "words": "w\x1b[2J", "worst_value": 10**6}
    said = "\n".join(explained({"mode": "vetted", "refusals": [group | {"limit": 1 << 62, "utc_ns": 0}]}))
    assert "found       1970-01-12 13:46:40Z, limit POSIX second" in said
    assert "\x1b" not in said


def test_ledger_shows_probes_and_what_is_left():
    budget = {
        "earned_ns": 3720 * 10**9, "frozen": False, "reanchored": [[1, 2]], "reanchor_left_ns": 19 * 10**8,
        "reanchor_year_ns": 2 * 10**9,
        "masks": [{"offset_ns": 10**6, "rate_ppt": 10**8, "up_ns": 700_000, "down_ns": 300_000}],
    }  # fmt: skip
    probes = {"count": 3, "refused": 1, "worst_ns": 800_000, "variation_ns": 10**6, "last_utc_s": 0}
    said = "\n".join(ledgered({"probes": probes, "budget": budget}))
    for words in (
        "3 excursions", "800 us in use at most", "1970-01-01 00:00:00Z", "earned over 1 h 2 min",
        "1.00 ms and 100 ppm: room for +700 us and -300 us now", "1 time; 1.90 s of 2.00 s left",
    ):  # fmt: skip
        assert words in said
    assert max(map(len, said.splitlines())) <= 80
    assert "frozen" in "\n".join(ledgered({"budget": budget | {"frozen": True}}))


@pytest.mark.parametrize("verb", ["explain", "ledger", "rearm"])
def test_without_a_daemon_there_is_one_line_and_status_1(verb, there, capfd):
    extra = ["--reason", "x"] if verb == "rearm" else []
    assert cli.main([verb, "--config", "c.toml", *extra]) == 1
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_state_of_a_running_daemon_is_not_written_by_others(there, captures, capfd):
    """Also where its socket cannot tell: here the configuration names none."""
    with _daemon(there):
        shutil.copy(there / "c.toml", there / "other.toml")
        (there / "other.toml").write_text(f'[state]\nfile = "{there}/state"\n')
        arguments = ["enroll", "--config", "other.toml", "--yes", "--from", str(captures / "good.jsonl")]
        assert cli.main(arguments) == 2
        assert "a running daemon keeps its state there" in capfd.readouterr().err
