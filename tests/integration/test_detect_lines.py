"""Looking at lines: real ptys on which receivers talk, answer, or are silent."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from refclock import cli
from refclock.detect import examine as examining
from refclock.detect import probe, sniff
from refclock.detect.devices import Line
from refclock.detect.examine import ANSWERS, CONSOLE, HELD, REFUSED, SILENT, SPEAKS, UNKNOWN, configuration
from refclock.detect.probe import CSAC, QUESTIONS, SYNCHRONISE
from refclock.detect.quietline import QuietLine, Setting
from refclock.errors import PortError
from refclock.policy import parse_policy
from refclock.units import NS_PER_S
from refclock.wire.families import FAMILIES, PPS_ONLY
from refclock.world import encoders
from refclock.world.encoders import civil
from refclock.world.voices.table import VOICES
from tests.integration.personalities import ANSWERING, START_S, Csac, Personality, through, voiced

SOURCE = Path(__file__).resolve().parents[2] / "src"
# Those that neither wait to be asked nor give a pulse alone.
TALKING = [name for name, row in VOICES.items() if not row.make.polls and row.protocol not in PPS_ONLY]
FASTER = 8


@pytest.fixture
def hasty(monkeypatch):
    """All waiting cut to an eighth; who talks does so eight times as often: its beat is returned, in s."""
    for name in ("LISTEN_NS", "LONGER_NS"):
        monkeypatch.setattr(sniff, name, getattr(sniff, name) // FASTER)
    for name in ("_ANSWER_NS", "_MORE_NS", "_QUIET_NS", "_QUIET_WAIT_NS"):
        monkeypatch.setattr(probe, name, getattr(probe, name) // FASTER)
    monkeypatch.setattr(sniff, "NS_PER_S", NS_PER_S // FASTER)
    return 1 / FASTER


def look(path, ask=False, **fields):
    told: list[str] = []
    finding = examining.examine(Line(node=path, stable=path, **fields), ask, told.append)
    return finding, told


@pytest.mark.parametrize("name", TALKING)
def test_every_voice_is_recognised_at_its_setting_and_what_is_printed_is_a_configuration(name, hasty):
    row = VOICES[name]
    setting = Setting(row.baud, row.framing)
    with Personality(setting, voiced(name), beat_s=hasty, found=Setting(4800)) as receiver:
        finding, _ = look(receiver.path)
        assert receiver.after() == receiver.before, "the line is as it was"
        assert receiver.heard == b"", "nothing is sent by listening"
    assert finding.outcome == SPEAKS
    assert finding.setting == setting
    family = FAMILIES[finding.family]
    assert finding.family == (row.protocol if row.protocol in FAMILIES else "ubx")
    text = configuration(finding)
    if family.says:
        policy = parse_policy(text)
        assert policy.receiver.device == receiver.path
        assert policy.receiver.protocol == finding.family
        assert (policy.receiver.baud, policy.receiver.framing) == (row.baud, row.framing)
        label = finding.heard.label
        assert label is not None
        ahead_s = 14 * 3600 if label.timescale == "local" else 0
        # A label without a year is one of 1970 until the core gives it its own.
        assert label.yearless or START_S - 1 <= label.utc_s <= START_S + 400 + ahead_s
    else:
        assert text == ""
        assert finding.advice


def test_one_sentence_a_second_is_enough(hasty):
    with Personality(Setting(9600), lambda s: encoders.zda(civil(s)), beat_s=hasty) as receiver:
        finding, _ = look(receiver.path)
    assert (finding.outcome, finding.family) == (SPEAKS, "nmea")


def test_the_present_setting_is_tried_first_and_then_the_usual_ones(hasty):
    with Personality(Setting(57600), voiced("nmea"), beat_s=hasty, found=Setting(19200)) as receiver:
        finding, told = look(receiver.path)
    assert finding.setting == Setting(57600)
    assert [text.split(" (")[0].removeprefix("listening at ") for text in told] == [
        "19200 8N1", "9600 8N1", "38400 8N1", "115200 8N1", "57600 8N1",
    ]  # fmt: skip


def test_a_receivers_own_usb_port_has_no_speed(hasty):
    with Personality(Setting(9600), voiced("ubx"), beat_s=hasty) as receiver:
        finding, told = look(receiver.path, ids="1546:01a8")
    assert finding.family == "ubx"
    assert len(told) == 1


def test_a_silent_line_is_given_up_soon_and_one_of_noise_is_not(hasty):
    with Personality(Setting(9600)) as receiver:
        finding, told = look(receiver.path)
        assert receiver.after() == receiver.before
    assert finding.outcome == SILENT
    assert len(told) == 3
    with Personality(
        Setting(9600), lambda _: b"\x17\xe5 nothing known \xff\r\n" * 3, beat_s=hasty
    ) as receiver:
        finding, told = look(receiver.path)
    assert finding.outcome == UNKNOWN
    assert len(told) == len(sniff.CANDIDATES)
    assert finding.heard.size > 100


@pytest.mark.parametrize(
    ("known", "said"),
    [
        ({"serial": 'F"\\1', "port": "p"}, ('F"\\1', "")),
        ({"port": "pci-0000:00:14.0-usb-0:2:1.0"}, ("", "pci-0000:00:14.0-usb-0:2:1.0")),
        ({}, ("", "")),
    ],
)
def test_the_configuration_pins_the_receiver_and_names_its_pulse(known, said):
    line = Line(
        "/dev/ttyUSB0", "/dev/refclock/gps0", ids="0403:6001", pulses=("/dev/refclock/gps0.pps",), **known
    )
    heard = sniff.Heard(("nmea",), Setting(4800))
    policy = parse_policy(configuration(examining.Finding(line, SPEAKS, heard=heard)))
    assert (policy.receiver.serial, policy.receiver.path) == said
    assert policy.pps is not None
    assert policy.pps.device == "/dev/refclock/gps0.pps"


# ---- asking -------------------------------------------------------------------------------------------


def test_no_question_to_an_unknown_line_holds_an_s():
    for question in QUESTIONS:
        for asked in question.asks:
            assert SYNCHRONISE not in asked, question.title
    assert SYNCHRONISE == b"\x53"


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: f"{one.title} {one.ask!r}")
def test_at_no_speed_does_a_question_turn_into_an_s_at_a_csac(question):
    """Whatever the speed it is sent at, and wherever in its bits the CSAC looks."""
    for setting in question.settings:
        for sent in question.asks:
            for tenths in (13, 14, 15, 16, 17):
                heard = through(sent, setting, Setting(57600), tenths)
                assert SYNCHRONISE not in heard, setting


def test_what_holds_an_s_is_never_sent(hasty):
    with Personality(Setting(9600)) as receiver, QuietLine(receiver.path) as line:
        with pytest.raises(ValueError, match="would shift the pulse"):
            probe._ask(line, b"SYNC?\r\n", lambda _: None)
        assert receiver.heard == b""


@pytest.mark.parametrize("checksums", [False, True])
def test_a_csac_is_found_and_its_pulse_stays_where_it_is(hasty, checksums):
    cesium = Csac(checksums)
    with Personality(Setting(57600), answer=cesium) as receiver:
        finding, _ = look(receiver.path, ask=True)
        assert receiver.after() == receiver.before
    assert cesium.synchronised == 0
    assert (finding.outcome, finding.family) == (ANSWERS, CSAC)
    assert finding.found is not None
    assert finding.found.confirmed
    assert finding.found.answer.serial == "1209CS00909"
    assert finding.found.answer.firmware == "1.09"
    assert set(receiver.heard) <= set(b"^6!*5E3\r\n"), "it was asked for before anything else"


def test_the_csac_of_this_test_does_notice_an_s():
    cesium = Csac()
    cesium(b"*IDN?\r\nSYST\r\n")
    assert cesium.synchronised == 2


def test_a_csac_that_never_answers_hears_every_question_and_no_s(hasty):
    """Asleep, say: nothing excludes it then, and still no byte that it hears is an S."""
    with Personality(Setting(57600)) as receiver:
        finding, told = look(receiver.path, ask=True)
        heard = receiver.heard
    assert finding.outcome == SILENT
    assert len(heard) > 100
    assert SYNCHRONISE not in heard
    first = next(text for text in told if text.startswith("asking"))
    assert first.startswith("asking at 57600 8N1")
    assert "CSAC" in first


@pytest.mark.parametrize("name", ANSWERING)
def test_who_speaks_only_when_asked_is_found_and_confirmed(name, hasty):
    family, setting, answer, model = ANSWERING[name]
    with Personality(setting, answer=answer) as receiver:
        finding, _ = look(receiver.path, ask=True)
        assert receiver.after() == receiver.before
        assert SYNCHRONISE not in receiver.heard
    assert (finding.outcome, finding.family, finding.setting) == (ANSWERS, family, setting)
    assert finding.found is not None
    assert finding.found.confirmed
    assert finding.found.answer.model == model
    text = configuration(finding)
    if family in FAMILIES and FAMILIES[family].says:
        assert parse_policy(text).receiver.protocol == family
    else:
        assert text == ""
        assert finding.advice


def test_an_answer_to_the_first_question_alone_is_not_confirmed(hasty):
    with Personality(
        Setting(9600), answer=lambda data: b"PRS10_3.24_SN_1\r" if b"ID?\r" in data else b""
    ) as receiver:
        finding, _ = look(receiver.path, ask=True)
    assert finding.outcome == ANSWERS
    assert finding.found is not None
    assert not finding.found.confirmed


def test_a_talking_receiver_is_asked_for_its_model_only_where_that_is_permitted(hasty):
    answer = ANSWERING["NEO-M8T"][2]
    with Personality(Setting(9600), voiced("ubx"), answer, beat_s=hasty) as receiver:
        finding, _ = look(receiver.path)
        assert receiver.heard == b""
        assert finding.found is None
        finding, _ = look(receiver.path, ask=True)
    assert finding.outcome == SPEAKS
    assert finding.found is not None
    assert finding.found.answer.model == "NEO-M8T-0"
    assert finding.found.answer.firmware == "TIM 1.10"
    assert finding.found.confirmed


# ---- whose line it is ---------------------------------------------------------------------------------


def test_a_line_that_somebody_holds_is_never_opened(monkeypatch):
    monkeypatch.setattr(os, "open", lambda *_args: pytest.fail("it was opened"))
    finding, told = look("/dev/ttyUSB0", held=("gpsd (pid 7)",))
    assert (finding.outcome, finding.why) == (HELD, "gpsd (pid 7)")
    finding, _ = look("/dev/ttyS0", console=True)
    assert finding.outcome == CONSOLE
    assert told == []


@pytest.mark.integration
def test_gpsds_line_is_left_to_it_and_it_is_said_what_to_do(gpsd_on, capsys):
    with Personality(Setting(9600), voiced("nmea")) as receiver, gpsd_on(receiver.path) as pid:
        assert cli.main(["detect", "--probe", receiver.path]) == 1
        out = capsys.readouterr().out
        assert cli.main(["detect", "--json", receiver.path]) == 1
        (line,) = json.loads(capsys.readouterr().out)["lines"]
    assert f"not opened: in use by gpsd (pid {pid})" in out
    assert "systemctl disable --now gpsd.socket" in " ".join(out.split())
    assert (line["outcome"], line["held_by"]) == (HELD, [f"gpsd (pid {pid})"])


def test_whoever_comes_between_the_listing_and_the_look_is_respected(hasty):
    holder = (
        "import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); print(flush=True); sys.stdin.read()"
    )
    with Personality(Setting(9600)) as receiver:
        process = subprocess.Popen(
            [sys.executable, "-c", holder, receiver.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        finding, told = look(receiver.path)
        process.communicate()
    assert finding.outcome == REFUSED
    assert f"(pid {process.pid})" in finding.why
    assert told == []


def test_a_line_that_vanishes_while_it_is_listened_to(hasty):
    receiver = Personality(Setting(9600))
    receiver.start()
    with QuietLine(receiver.path) as line:
        line.set(Setting(9600))
        receiver.__exit__()  # its end of the line is gone
        with pytest.raises(PortError, match=receiver.path):
            sniff.sniff(line, sniff.CANDIDATES, lambda _: None)


def test_who_is_not_root_is_told_what_cannot_be_seen(hasty, capsys, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with Personality(Setting(9600)) as silent:
        assert cli.main(["detect", silent.path]) == 1
    assert capsys.readouterr().err.startswith("Not run as root: other users' programs")


def test_the_verb_on_lines_that_are_named(hasty, capsys, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with (
        Personality(Setting(9600), voiced("ubx"), beat_s=hasty) as receiver,
        Personality(Setting(9600)) as silent,
    ):
        assert cli.main(["detect", receiver.path, silent.path, receiver.path]) == 0
        out, err = capsys.readouterr()
        assert err == "", "no progress but on a terminal"
        assert out.count(f"\n{silent.path}\n") == 1
        assert "speaks u-blox UBX at 9600 8N1" in out
        assert "says 2026-11-18" in out
        block = out.partition("\n\n")[2].partition("\n\n")[0]
        assert parse_policy(block.replace("    ", "")).receiver.device == receiver.path
        assert "silent. It speaks only when asked" in out
        assert cli.main(["detect", "--json", receiver.path]) == 0
        found = json.loads(capsys.readouterr().out)
        assert cli.main(["detect", silent.path]) == 1
    assert found["refclock_detect"] == 1
    (line,) = found["lines"]
    assert (line["outcome"], line["family"], line["baud"], line["framing"]) == ("speaks", "ubx", 9600, "8N1")
    assert line["serial"] is None
    assert parse_policy(line["configuration"]).receiver.protocol == "ubx"


def test_progress_on_a_terminal_is_one_line(hasty, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with Personality(Setting(9600)) as silent:
        assert cli.main(["detect", silent.path]) == 1
    err = capsys.readouterr().err
    assert "\n" not in err
    assert f"{silent.path}: listening at 38400 8N1 (2 of 11)" in err
    assert err.endswith("\r\x1b[K")


@pytest.mark.parametrize("words", [["--list", "--probe"], ["/nowhere"], ["/"]])
def test_unusable(words, capsys):
    assert cli.main(["detect", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.integration
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_ended_leaves_the_line_as_it_was(end):
    with Personality(Setting(9600), found=Setting(115200, "8O1")) as receiver:
        process = subprocess.Popen(
            [sys.executable, "-m", "refclock", "detect", receiver.path],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )  # fmt: skip
        limit = time.monotonic() + 20
        while len(receiver.settings) < 1 or receiver.after() == receiver.before:
            assert time.monotonic() < limit, "it never set the line"
            time.sleep(0.05)
        process.send_signal(end)
        process.communicate(timeout=20)
        assert process.returncode in (128 + end, 130)
        assert receiver.after() == receiver.before


@pytest.mark.integration
def test_at_its_real_pace_in_a_process_of_its_own():
    with Personality(Setting(9600), voiced("nmea"), beat_s=1) as receiver:
        done = subprocess.run(
            [sys.executable, "-m", "refclock", "detect", "--json", receiver.path], check=False, timeout=60,
            capture_output=True, env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["lines"][0]["family"] == "nmea"
