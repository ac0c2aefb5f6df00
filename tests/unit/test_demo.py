"""The demo's arguments, what its screen and its lines look like, and how its verdict is reached."""

import argparse
import builtins
import signal
from types import SimpleNamespace
from typing import Any

import pytest

from refclock.chrony import program
from refclock.cli import demo, main, screen
from refclock.cli.screen import Plain, Scene, Screen, frame, second_line, suitable
from refclock.errors import ConfigError, RefclockError
from refclock.policy import LIMIT_ROWS, PROFILES, parse_policy
from refclock.stage import chronyd as live_chrony
from refclock.stage.chronyd import Heard, read_reports
from refclock.stage.end import ignore_signals, orderly_end
from refclock.stage.ledger import Ledger, Tail
from refclock.stage.site import policy_text, shortened
from refclock.stage.verdict import verdict
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.world.attacks import DEEDS, parse_attack
from refclock.world.voices.table import DATED

NOT_LIVE = {"foreign-step", "foreign-slew", "clocksource", "raw", "vm-pause", "reboot", "leap-59"}


def _asked(*words: str) -> demo.Plan:
    parser = argparse.ArgumentParser()
    demo.arguments(parser)
    return demo.plan(parser.parse_args(words))


# ---- arguments -----------------------------------------------------------------------------------------


def test_without_arguments_a_step_comes_at_three_fifths():
    asked = _asked()
    assert asked.attacks == ("step:+100ms@45s",)
    assert (asked.seconds, asked.dwell_s, asked.offset_ns) == (75, 10, 3 * NS_PER_MS)


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.name)
def test_each_attack_of_the_table_is_either_shown_or_refused_with_one_clear_line(deed):
    words = ("--receiver", "ubx", "--attack", deed.name)
    if deed.name in NOT_LIVE:
        with pytest.raises(ConfigError, match="refclock simulate") as caught:
            _asked(*words)
        assert "\n" not in str(caught.value)
        return
    (text,) = _asked(*words).attacks
    attack = parse_attack(text, 0, NS_PER_S, 1)
    assert attack.deed is deed
    assert attack.start_ns == 45 * NS_PER_S


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--seconds", "5"), "expected 20 to 3600, found 5"),
        (("--offset", "3ppm"), "up to an hour"),
        (("--offset", "2h"), "up to an hour"),
        (("--offset", "soon"), "is not an amount"),
        (("--attack", "nonsense"), "nobody is called 'nonsense'"),
        (("--attack", "step:fast"), "not an amount"),
        (("--attack", "step@80s"), "begins after the end"),
        (("--attack", "spoof-flag"), "add --receiver ubx"),
        (("--attack", "reboot"), "happens to the host itself"),
        (("--keep", "/"), "no empty directory"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line_with_status_2(words, told, capsys):
    assert main(["demo", *words]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.err.count("\n") == 1
    assert not said.out


def test_peace_and_several_attacks_can_be_asked_for():
    assert _asked("--attack", "none").attacks == ()
    assert _asked("--attack", "gap@20s", "--attack", "rtc@0").attacks == ("gap:12s@20s", "rtc@0")


def test_without_chrony_the_demo_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(program, "_PLACES", ())
    assert main(["demo"]) == 2
    assert "apt install chrony" in capsys.readouterr().err


def test_a_place_too_long_for_sockets_is_refused_before_anything_is_made(monkeypatch, capsys, tmp_path):
    long = tmp_path / ("d" * 60)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    monkeypatch.setattr(demo, "programs", lambda: ("", ""))
    assert main(["demo"]) == 2
    assert "set TMPDIR=/tmp" in capsys.readouterr().err
    assert not any(long.iterdir())


# ---- the host's side -----------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("personality", DATED)
def test_the_configuration_is_one_that_the_daemon_takes(profile, personality, tmp_path):
    stage: Any = SimpleNamespace(
        device=tmp_path / "r", pps_path=tmp_path / "p", rtc_path=tmp_path / "c",
        servers=[SimpleNamespace(port=port) for port in (40001, 40002, 40003)],
    )  # fmt: skip
    text = policy_text(stage, tmp_path, profile=profile, personality=personality, unit=123, dwell_s=6)
    policy = parse_policy(text)
    assert policy.shm_unit == 123
    assert len(policy.ntp.servers) == 3
    assert {one.key for one in policy.loosened} == set(shortened(profile, 6))
    assert policy.limits.dwell_warm_ns == policy.limits.proof_ns == 6 * NS_PER_S
    assert policy.limits.witnesses <= 2
    assert {row.key for row in LIMIT_ROWS} > set(shortened(profile, 6))


# ---- what chronyc says ---------------------------------------------------------------------------------

REPORTS = (
    "#,?,VETD,0,0,377,1,-0.003000100,-0.003000200,0.000000123\n"
    "VETD,10,5,20,0.001,0.2,-0.003000000,0.000000065\n"
)


def test_chronycs_reports_are_read_with_the_sign_of_utc_against_this_clock():
    assert read_reports(REPORTS) == Heard(0o377, 3_000_200, 3_000_000, 65)


@pytest.mark.parametrize(
    "text", ["", "506 Cannot talk to daemon\n", REPORTS.splitlines()[0], REPORTS.replace("377", "x")]
)
def test_anything_else_of_chronycs_is_no_word(text):
    assert read_reports(text) is None


FAKE = """#!/bin/sh
case "$0" in
*installed*) {complaint}; exit 1 ;;
esac
touch "$(sed -n 's/^bindcmdaddress //p' {directory}/chrony.conf)"
exec sleep 60
"""


@pytest.mark.parametrize(
    ("complaint", "starts"),
    [(":", True), ("echo Could not open it : Permission denied", True), ("echo Fatal error : Timer", False)],
)
def test_a_chronyd_that_its_profile_confines_is_run_from_a_copy(complaint, starts, tmp_path, monkeypatch):
    installed = tmp_path / "installed"
    installed.mkdir()
    for name in ("chronyd", "chronyc"):
        (installed / name).write_text(FAKE.format(complaint=complaint, directory=tmp_path))
        (installed / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{installed}:/usr/bin:/bin")
    if starts:
        with live_chrony.ChronydX(tmp_path, 255, 60) as chronyd:
            assert chronyd.ask() is None
    else:
        with (
            pytest.raises(RefclockError, match="does not start: Fatal error : Timer"),
            live_chrony.ChronydX(tmp_path, 255, 60),
        ):
            pass


# ---- the screen ----------------------------------------------------------------------------------------


def _scene(**changes: Any) -> Scene:
    status: dict[str, object] = {
        "mode": "degraded", "mode_reason": "1 of 2 witnesses needed agree: rtc disagrees " * 3,
        "mode_since_ns": 12 * NS_PER_S, "bound_ns": 1_770_000, "as_of": {"raw_ns": 20 * NS_PER_S},
        "last_publish": {"utc": 3_000_100, "sys": 0, "raw": 11 * NS_PER_S},
        "witnesses": [
            {"name": "ntp", "state": "agrees", "lo_ns": -1_770_000, "hi_ns": 1_680_000,
             "age_ns": 2 * NS_PER_S, "detail": "3 of 3 agree"},
            *({"name": f"ntp:127.0.0.1:{40000 + n}", "state": "falseticker", "lo_ns": 198_000_000,
               "hi_ns": 202_000_000, "age_ns": NS_PER_S, "detail": "falseticker"} for n in range(3)),
            {"name": "rtc", "state": "no opinion", "lo_ns": None, "hi_ns": None, "age_ns": None,
             "detail": "was set or jumped and is no witness, as far as anybody can tell"},
        ],
    }  # fmt: skip
    scene = Scene(
        title="refclock demo: mixed receiver -> refclock (kdc-cesium) -> chronyd -x",
        notes=["n" * 100], elapsed_s=3600, total_s=3600, injected_ns=3_000_000,
        attack="ntp-majority:+200ms, more than half of the servers lie alike, for 12 s; and more of them",
        under_attack=True, status=status,
        latest={"d": "withhold", "reason": "leap-unconfirmed", "value": 10**12, "limit": 10**12},
        accused="receiver moved -619315199 s in 0 s against raw, ntp and rtc " * 2,
        heard=Heard(0o377, 3_000_000, 3_000_000, 65), best_reach=0o377,
        story=[(second, f"event {second} " * 12) for second in range(9)],
    )  # fmt: skip
    for name, value in changes.items():
        setattr(scene, name, value)
    return scene


SCENES = {
    "full": _scene(),
    "daemon silent": _scene(status={}, latest={}, heard=None, accused="", story=()),
    "chrony silent": _scene(heard=Heard(0, 0, 0, 4 * NS_PER_S)),
    "publishing": _scene(latest={"d": "publish", "bound": 1_770_000}),
    "dwelling": _scene(
        status={"mode": "acquiring", "dwell": {"elapsed_ns": NS_PER_S, "needed_ns": 8 * NS_PER_S}},
        latest={"d": "withhold", "reason": "dwell", "value": 7_999_999_846, "limit": 8 * NS_PER_S},
    ),
    "hostile text": _scene(accused="\x1b[2J\x07" * 9),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_the_picture_fits_a_terminal_of_80_by_24_and_cannot_drive_it(scene):
    lines = ["".join(text for text, _ in line) for line in frame(scene)]
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)


def test_the_picture_says_what_matters():
    text = "\n".join("".join(piece for piece, _ in line) for line in frame(SCENES["full"]))
    for part in (
        "mode     degraded for 12 s: 1 of 2 witnesses",
        "offset   UTC is +3.000 ms from this clock, 9 s ago (injected +3.000 ms)",
        "bound    UTC is known to 1.77 ms",
        "ntp quorum      -1.77 ms .. +1.68 ms            2 s  agrees, 3 of 3 agree",
        "  server 3       +198 ms .. +202 ms             1 s  falseticker",
        "decision refused, leap-unconfirmed",
        "reach 377, UTC +3.000 ms from this clock, std dev 65 ns",
    ):
        assert part in text


def test_a_pipe_gets_each_second_and_each_event_once(capsys):
    with Plain() as display:
        display.show(_scene(elapsed_s=1, story=[(1, "vetted: dwell complete")]))
        display.show(_scene(elapsed_s=1, story=[(1, "vetted: dwell complete")]))
        display.show(_scene(elapsed_s=2, story=[(1, "vetted: dwell complete"), (2, "long " * 30)]))
    lines = capsys.readouterr().out.splitlines()
    assert sum("vetted: dwell complete" in line for line in lines) == 1
    assert [line[:6] for line in lines if "degraded" in line] == ["   1 s", "   2 s"]
    assert max(map(len, lines)) <= 80
    assert all(line.isprintable() for line in lines)


def test_a_dwell_is_no_refusal_and_a_lock_is_one():
    assert "waits: dwell" in second_line(SCENES["dwelling"])
    assert "decision not yet, dwell (found +7.99 s, limit 8.00 s)" in [
        "".join(text for text, _ in line) for line in frame(SCENES["dwelling"])
    ]
    assert "refused locked" in second_line(_scene(latest={"d": "withhold", "reason": "locked"}))


def test_a_seconds_line_fits_for_every_scene():
    for scene in SCENES.values():
        assert len(second_line(scene)) <= 80


def test_lines_are_chosen_where_no_screen_can_be(monkeypatch, capsys):
    assert isinstance(suitable(), Plain)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    importing = builtins.__import__

    def no_rich(name: str, *args: Any) -> Any:
        if name.startswith("rich"):
            raise ImportError(name)
        return importing(name, *args)

    monkeypatch.setattr(builtins, "__import__", no_rich)
    assert isinstance(suitable(), Plain)
    assert "refclock[ui]" in capsys.readouterr().err


def test_a_terminal_gets_the_picture(monkeypatch, capsys):
    pytest.importorskip("rich")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    with Screen() as display:
        display.say("[bold]as it is[/bold]")
        display.show(SCENES["full"])
    out = capsys.readouterr().out
    assert "[bold]as it is[/bold]" in out
    assert "degraded for 12 s" in out


def test_a_dumb_terminal_gets_lines(monkeypatch):
    pytest.importorskip("rich")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setattr(Screen, "dumb", property(lambda self: True))
    assert isinstance(screen.suitable(), Plain)


# ---- the verdict ---------------------------------------------------------------------------------------


class Truth:
    """Ahead of this host's clock by 3 ms, and equal to the raw counter."""

    def at(self, raw_ns: int) -> int:
        return raw_ns

    def lead_ns(self) -> int:
        return 3 * NS_PER_MS


def _ledger(*decisions: dict[str, object], attack: str = "", heard: Heard | None = None) -> Ledger:
    truth: Any = Truth()
    ledger = Ledger(truth, [parse_attack(attack, 0, NS_PER_S, 1)] if attack else [])
    for decision in decisions:
        ledger.take(decision)
    ledger.hear(heard)
    return ledger


def _publish(second: int, lead_ns: int, bound_ns: int = 1_000_000) -> dict[str, object]:
    return {
        "d": "publish",
        "raw": second * NS_PER_S,
        "utc": 10**18 + lead_ns,
        "sys": 10**18,
        "bound": bound_ns,
    }


REFUSED: dict[str, object] = {"d": "withhold", "raw": 30 * NS_PER_S, "reason": "edge-window"}
ACCUSED: dict[str, object] = {
    "d": "accuse", "raw": 30 * NS_PER_S, "source": "receiver",
    "evidence": {"moved_ns": 10**8, "witnesses": ["raw", "ntp"]},
}  # fmt: skip
WELL = Heard(0o377, 3_000_100, 3_000_000, 60)


def _judged(ledger: Ledger, failed: str = "", unverified: str = "") -> tuple[bool, str]:
    good, lines = verdict(ledger, 0, 5, failed, unverified)
    assert max(map(len, lines)) <= 80
    return good, " ".join(" ".join(lines).split())


def test_a_refused_attack_is_a_good_verdict():
    decisions = (_publish(10, 3_000_200), REFUSED, ACCUSED)
    good, text = _judged(_ledger(*decisions, attack="step:+100ms@20s", heard=WELL))
    assert good
    assert "chrony measured +3.000 ms, injected were +3.000 ms; its worst measurement was 100 ns off" in text
    assert "1 seconds published, the worst 200 ns from the truth (bounds up to 1.00 ms)" in text
    assert "since the attack (20 s): 1 seconds refused (edge-window 1), none published" in text
    assert "accused: receiver moved +100 ms against raw and ntp" in text
    assert "the capture replays to the same 3 decisions" in text


def test_a_second_beyond_its_bound_is_a_bad_verdict():
    good, text = _judged(_ledger(_publish(10, 103_000_000), heard=WELL))
    assert not good
    assert "1 LIE BEYOND THEIR BOUND" in text


def test_a_measurement_of_chronys_beyond_all_bounds_is_a_bad_verdict():
    wrong = Heard(0o377, 103_000_000, 103_000_000, 60)
    assert not _judged(_ledger(_publish(10, 3_000_000), heard=wrong))[0]


def test_silence_is_good_only_before_an_early_attack():
    silent = _ledger(REFUSED, attack="week@0")
    good, text = _judged(silent)
    assert good
    assert "as it should" in text
    assert not _judged(_ledger(REFUSED, attack="week@30s"))[0]
    assert not _judged(_ledger(REFUSED))[0]
    assert not _judged(_ledger(_publish(10, 3_000_000)))[0]


def test_a_failure_or_another_replay_is_a_bad_verdict():
    ledger = _ledger(_publish(10, 3_000_000), heard=WELL)
    assert _judged(ledger)[0]
    assert _judged(ledger, failed="the daemon ended: why") == (
        False,
        _judged(ledger, "the daemon ended: why")[1],
    )
    good, text = _judged(ledger, unverified="NOT the same")
    assert not good
    assert "does NOT replay: NOT the same" in text


def test_the_ledger_tells_each_note_once_and_keeps_the_order():
    lost: dict[str, object] = {"d": "withhold", "raw": 9 * NS_PER_S, "reason": "ntp-lost"}
    mode: dict[str, object] = {"d": "mode", "raw": NS_PER_S, "to": "locked", "reason": "because"}
    ledger = _ledger(lost, lost, mode, attack="step@5s")
    assert [text for _, text in ledger.story] == ["ntp-lost: the server did not answer", "locked: because"]
    assert [at for at, _ in ledger.story] == [9 * NS_PER_S] * 2
    assert ledger.refused_seconds == 0
    assert ledger.latest == {}


def test_the_story_leaves_out_what_was_just_said_and_what_repeats():
    accused = ACCUSED
    told = "receiver moved +100 ms against raw and ntp"
    locked: dict[str, object] = {"d": "mode", "raw": 31 * NS_PER_S, "to": "locked", "reason": told}
    back: dict[str, object] = {"d": "mode", "raw": 40 * NS_PER_S, "to": "vetted", "reason": "rearmed"}
    ledger = _ledger(REFUSED, accused, locked, REFUSED, back, REFUSED)
    refused = "refused, edge-window: no pulse lay within its window around the predicted edge"
    story = [text for _, text in ledger.story]
    assert story == [refused, f"accused: {told}", "locked", "vetted: rearmed", refused]


def test_the_tail_reads_whole_lines_only(tmp_path):
    path = tmp_path / "decisions"
    tail = Tail(path)
    assert tail.read() == []
    path.write_text('{"d":1}\n{"d"')
    assert tail.read() == [{"d": 1}]
    path.write_text('{"d":1}\n{"d":2}\n')
    assert tail.read() == [{"d": 2}]


# ---- the end -------------------------------------------------------------------------------------------


def test_a_signal_ends_the_run_but_not_the_clearing_away():
    before = signal.getsignal(signal.SIGTERM)
    with orderly_end():
        with pytest.raises(KeyboardInterrupt, match="SIGTERM"):
            signal.raise_signal(signal.SIGTERM)
        ignore_signals()
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_missing_pair_of_programs_is_named(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(program, "_PLACES", ())
    with pytest.raises(RefclockError, match="chronyd and chronyc not found"):
        live_chrony.programs()
