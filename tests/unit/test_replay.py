"""``refclock replay`` at its door: status 0, 1 or 2, one clear line on standard error, never a traceback."""

import json
from pathlib import Path
from random import Random

import pytest

from refclock.capture import CaptureWriter
from refclock.cli import main
from refclock.cli.truth import Truth
from refclock.jsonform import decision_line
from refclock.model import Command, Event, NtpReply, Publish
from tests.unit.test_core_host import BEGIN_S, BUILD_S, KDC, RAW_0, Host

NS = 10**9
HEADER: dict[str, object] = {
    "host": {"build_utc_s": BUILD_S},
    "policy": KDC,
    "ports": {"pps0": {"kind": "pps"}},
    "truth": {"utc_at_raw": [[RAW_0 - NS, (BEGIN_S - 1) * NS], [RAW_0 + 10**13, BEGIN_S * NS + 10**13]]},
}


@pytest.fixture(scope="module")
def host() -> Host:
    """Three minutes, of which one is fed."""
    return Host(now_s=0).feed()


def capture(path: Path, events: list[Event], live: Host | None = None, **header: object) -> str:
    """A capture on disk."""
    writer = CaptureWriter(str(path), {**HEADER, **header})
    for event in events:
        writer.write(event)
    if live is None:
        writer.close()
    else:
        import hashlib

        text = "".join(decision_line(one) + "\n" for one in live.decisions)
        writer.close(len(live.decisions), hashlib.sha256(text.encode()).hexdigest())
    return str(path)


def run(capsys, *words: str) -> tuple[int, str, str]:
    """Status, standard output, standard error."""
    status = main(["replay", *words])
    out, err = capsys.readouterr()
    return status, out, err


def test_decisions_and_nothing_else(tmp_path, capsys, host):
    path = capture(tmp_path / "a", host.events)
    status, out, err = run(capsys, path, "--decisions")
    assert (status, err) == (0, "")
    assert out.splitlines() == [decision_line(one) for one in host.decisions]
    assert run(capsys, path)[1] == out


def test_a_summary_tells_the_story_and_the_truth(tmp_path, capsys, host):
    status, out, _ = run(capsys, capture(tmp_path / "a.xz", host.events), "--summary")
    assert status == 0
    assert "worst error 0 ns, 0 outside their bound" in out
    assert "acquiring -> vetted: dwell complete" in out
    assert max(map(len, out.splitlines())) <= 80


def test_verify(tmp_path, capsys, host):
    status, out, _ = run(capsys, capture(tmp_path / "a", host.events, host), "--verify")
    assert status == 0
    assert "verified" in out
    status, out, _ = run(capsys, capture(tmp_path / "b", host.events[:-1], host), "--verify")
    assert status == 1
    assert "NOT the same" in out
    status, _, err = run(capsys, capture(tmp_path / "c", host.events), "--verify")
    assert status == 2
    assert "holds no digest" in err


@pytest.mark.parametrize(
    ("expect", "unmet"),
    [
        (
            {
                "mode": "vetted",
                "published": True,
                "withheld": ["dwell"],
                "within_bound": True,
                "max_error_ns": 0,
            },
            "",
        ),
        ({"mode": "locked"}, "mode vetted, expected locked"),
        ({"published": False}, "expected none"),
        ({"accused": "receiver"}, "accused nobody, expected receiver"),
        ({"withheld": ["quorum"]}, "nothing withheld for quorum"),
        ({"max_error_ns": -1}, "expected at most -1 ns"),
    ],
)
def test_expectations_of_the_header(tmp_path, capsys, host, expect, unmet):
    status, _, err = run(capsys, capture(tmp_path / "a", host.events, expect=expect))
    assert status == int(bool(unmet))
    assert unmet in err


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ({"expect": 5}, "expect: expected an object, found 5"),
        ({"expect": {"withheld": "dwell"}}, "expect: withheld: expected a list of reasons, found 'dwell'"),
        ({"expect": {"max_error_ns": True}}, "expect: max_error_ns: expected an integer, found True"),
        ({"expect": {"within_bound": 1}}, "expect: within_bound: expected true or false, found 1"),
        ({"in_force": [1]}, "in_force: expected an object, found [1]"),
    ],
)
def test_what_would_pass_unnoticed_is_refused(tmp_path, capsys, host, header, problem):
    status, out, err = run(capsys, capture(tmp_path / "a", host.events[:9], **header))
    assert (status, out) == (2, "")
    assert f":1: {problem}." in err


def test_an_expectation_of_tomorrow_is_left_out_and_that_is_said(tmp_path, capsys, host):
    status, _, err = run(capsys, capture(tmp_path / "a", host.events, expect={"weather": "fine"}))
    assert status == 0
    assert "an expectation that this version does not know, 'weather', left out" in err


def test_an_expectation_cannot_command_the_terminal(tmp_path, capsys, host):
    status, _, err = run(capsys, capture(tmp_path / "a", host.events, expect={"mode": "\x1b[2J\nx"}))
    assert status == 1
    assert "expected ?[2J?x" in err


def test_the_longest_story_is_cut(tmp_path, capsys, host, monkeypatch):
    monkeypatch.setattr("refclock.cli.summary._LONGEST_STORY", 1)
    _, out, _ = run(capsys, capture(tmp_path / "a", host.events), "--summary")
    assert out.splitlines()[-1] == "  and 1 more"


def test_another_policy(tmp_path, capsys, host):
    policy = tmp_path / "p.toml"
    policy.write_text(KDC + "[limits]\ndwell_warm_s = 3600\n")
    path = capture(tmp_path / "a", host.events)
    status, out, err = run(capsys, path, "--policy", str(policy))
    assert status == 0
    assert '"publish"' not in out
    assert "nothing was published (mode acquiring)" in err
    policy.write_text("x = 1")
    assert run(capsys, path, "--policy", str(policy))[0] == 2


def test_a_truncated_capture_says_so(tmp_path, capsys, host):
    path = Path(capture(tmp_path / "a", host.events))
    path.write_bytes(path.read_bytes()[:-300])
    status, out, err = run(capsys, str(path))
    assert status == 0
    assert "truncated: no footer" in err
    assert out


def test_a_damaged_capture_is_decided_up_to_the_damage(tmp_path, capsys, host):
    path = Path(capture(tmp_path / "a", host.events))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:200]) + b"garbage\n" + b"".join(lines[200:]))
    status, out, err = run(capsys, str(path))
    assert status == 2
    assert err == f"refclock replay: {path}:201: not a JSON object; expected one event a line.\n"
    assert out, "what was decided before the damage"


HOSTILE: list[dict[str, object]] = [
    {"truth": 5},
    {"truth": {"utc_at_raw": 5}},
    {"truth": {"utc_at_raw": [[1, 2], [1, 3]]}},
    {"truth": {"utc_at_raw": [[0, 0], [1, 1]], "leap": 7}},
    {"truth": {"utc_at_raw": [[0, 0], [1, 1]], "leap": None}},
    {"truth": {"utc_at_raw": [[0, 0], [1, 1]], "leap": [[1]]}},
    {"truth": {"utc_at_raw": [[0, 0], [1, 1]], "leap": [["x", 1]]}},
    {"expect": 5},
    {"expect": {"withheld": 5}},
    {"expect": {"withheld": [["dwell"]]}},
    {"expect": {"withheld": [{}]}},
    {"expect": {"accused": [1], "mode": {}, "published": "x", "max_error_ns": "1", "within_bound": 1}},
    {"host": 5},
    {"host": {"build_utc_s": True}},
    {"host": {"build_utc_s": 10**300}},
    {"ports": [1]},
    {"ports": {"a": 5}},
    {"policy": 5},
    {"policy": "x = 1"},
    {"policy": "[shm]\nunit = " + "9" * 5000},
    {"policy": "x = " + "[" * 3000 + "]" * 3000},
    {"policy": "[ntp]\nservers = ['\ud800']"},
]


@pytest.mark.parametrize("header", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("how", ["--summary", "--decisions"])
def test_a_hostile_header_is_no_traceback(tmp_path, capsys, host, header, how):
    status, _, err = run(capsys, capture(tmp_path / "a", host.events, **header), how)
    assert status in (0, 1, 2)
    if status == 2:
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    "args",
    [
        {"reason": "\ud800"},
        {"reason": "\x1b[2J\nforged: line"},
        {"reason": 5},
    ],
)
def test_a_hostile_reason_is_no_traceback_and_cannot_command_the_terminal(tmp_path, capsys, args):
    host = Host()
    host.restore({"locked": True})
    host.step(Command(*host.stamp(0), "rearm", args))
    assert len(host.decisions) == 2
    for how in ("--summary", "--decisions"):
        status, out, _ = run(capsys, capture(tmp_path / "a", host.events), how)
        assert status == 0
        assert out.encode()
        assert "\x1b" not in out
        assert "\nforged" not in out


def test_a_hostile_name_of_a_server_is_no_traceback(tmp_path, capsys, host):
    events = [
        NtpReply(one.raw_ns, one.real_ns, one.unc_ns, one.port, "\ud800\x1b", one.cookie, one.t1_raw_ns,
                 one.t4_raw_ns, one.data) if isinstance(one, NtpReply) and one.peer == "a:123" else one
        for one in host.events
    ]  # fmt: skip
    assert run(capsys, capture(tmp_path / "a", events), "--summary")[0] == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_mutated_capture_is_0_1_or_2_and_never_a_traceback(tmp_path, capsys, host, seed):
    chance, path = Random(seed), Path(capture(tmp_path / "a", host.events[:150]))
    whole = path.read_bytes()
    for _ in range(50):
        changed = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            # Half of the damage in header and first events.
            at = chance.randrange(len(changed) if chance.randrange(2) else min(len(changed), 600))
            kind = chance.randrange(3)
            if kind == 0:
                changed[at] = chance.choice(b'0129{}[]",:\n\\ \x00\xff-e.')
            elif kind == 1:
                del changed[at : at + chance.randint(1, 200)]
            else:
                changed[at:at] = chance.randbytes(chance.randrange(9))
            changed = changed or bytearray(b"\n")
        path.write_bytes(changed)
        status, _, err = run(capsys, str(path), chance.choice(["--summary", "--decisions"]))
        assert status in (0, 1, 2)
        told = err.splitlines()
        assert all(line.startswith("refclock replay: ") for line in told)
        assert status != 2 or len(told) == 1


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz"])
def test_unusable_input(tmp_path, capsys, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"\x1f\x8b\xfd7zXZ nonsense")
    status, out, err = run(capsys, str(path))
    assert (status, out) == (2, "")
    assert err.startswith(f"refclock replay: {path}:1: ")
    assert err.count("\n") == 1


def test_the_truth_of_a_header():
    knots = [[0, 0], [10, 20], [20, 30]]
    truth = Truth.of({"truth": {"utc_at_raw": knots, "leap": []}})
    assert truth is not None
    assert [truth.utc_ns(at) for at in (-5, 0, 5, 10, 15, 30)] == [-10, 0, 10, 20, 25, 40]
    assert truth.error_ns(Publish(5, 13, 0, 0, 0)) == 3
    assert Truth.of({}) is None
    assert Truth.of({"truth": {"utc_at_raw": [[0, 0]]}}) is None
    leaping = Truth.of({"truth": {"utc_at_raw": [[0, 0], [10 * NS, 10 * NS]], "leap": [[5, 1]]}})
    assert leaping is not None
    assert leaping.utc_ns(5 * NS - 1) == 5 * NS - 1
    assert leaping.utc_ns(6 * NS) == 5 * NS


def test_json_all_the_way(tmp_path, host):
    path = Path(capture(tmp_path / "a", host.events))
    assert all(isinstance(json.loads(line), dict) for line in path.read_text().splitlines())
