"""What detection knows before it opens anything: the real pyudev on devices that umockdev plays."""

import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from refclock import cli
from refclock.detect.devices import Line
from refclock.detect.enrolment import default_way, enrolment, rules_file
from refclock.detect.examine import REFUSED, SPEAKS
from refclock.errors import ConfigError
from refclock.policy import parse_policy
from refclock.world import encoders
from refclock.world.encoders import civil
from tests.integration.personalities import START_S

SOURCE = Path(__file__).resolve().parents[2] / "src"
LIST = """
import dataclasses, json
from refclock.detect.devices import lines
print(json.dumps([dataclasses.asdict(line) for line in lines()]))
"""
BARE = """\
P: /devices/virtual/tty/tty7
N: tty7
E: SUBSYSTEM=tty
E: DEVNAME=/dev/tty7
A: dev=4:7\\n

"""
ABSENT = """\
P: /devices/platform/serial8250
E: SUBSYSTEM=platform

P: /devices/platform/serial8250/tty/ttyS3
N: ttyS3
E: SUBSYSTEM=tty
E: DEVNAME=/dev/ttyS3
A: dev=4:67\\n
A: type=0\\n

"""
BOARD = """\
P: /devices/pnp0/00:05
E: SUBSYSTEM=pnp
L: driver=../../../bus/pnp/drivers/serial

P: /devices/pnp0/00:05/tty/ttyS0
N: ttyS0
E: SUBSYSTEM=tty
E: DEVNAME=/dev/ttyS0
A: dev=4:64\\n
A: type=4\\n

P: /devices/virtual/pps/pps0
N: pps0
E: SUBSYSTEM=pps
E: DEVNAME=/dev/pps0
E: DEVLINKS=/dev/refclock/ttyS0.pps
A: dev=250:0\\n
A: path=/dev/ttyS0\\n

"""


@pytest.fixture
def listed(bed, tmp_path):
    """A function: the lines that detection finds among the described devices."""

    def run(*descriptions):
        (tmp_path / "played").write_text("".join(descriptions))
        done = subprocess.run(
            bed(tmp_path / "played", sys.executable, "-c", LIST), stdin=subprocess.DEVNULL, timeout=60,
            capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        facts: list[dict[str, Any]] = json.loads(done.stdout)
        return [Line(**fact | {key: tuple(fact[key]) for key in ("held", "pulses")}) for fact in facts]

    return run


@pytest.mark.integration
def test_a_receiver_with_all_that_udev_knows_of_it(listed, usb_line):
    (line,) = listed(usb_line("1546:01a8", link="ublox_usb1_2")[0])
    assert line == Line(
        node="/dev/ttyACM0", stable="/dev/refclock/ublox_usb1_2", vendor="Maker", model="Thing",
        driver="cdc_acm", ids="1546:01a8", port="pci-0000:00:14.0-usb-0:2:1.0", interface="00",
    )  # fmt: skip
    assert line.named == "ubx"
    assert not line.bridge


@pytest.mark.integration
def test_without_udev_running_the_device_speaks_for_itself(listed, usb_line):
    (line,) = listed(usb_line("0403:6001", serial="FT7", chip="ftdi_sio", node="ttyUSB0", major=188)[0])
    assert (line.vendor, line.model, line.serial, line.ids) == ("Maker", "Thing", "FT7", "0403:6001")
    assert (line.stable, line.port, line.driver) == ("/dev/ttyUSB0", "", "ftdi_sio")
    assert line.bridge
    assert not line.named


@pytest.mark.integration
def test_lines_of_the_board_their_pulse_and_nothing_that_is_no_line(listed, usb_line):
    far = usb_line("1a86:7523", chip="ch341-uart", node="ttyUSB10", major=188, minor=10, devpath="3")[0]
    near = usb_line("1a86:7523", chip="ch341-uart", node="ttyUSB2", major=188, minor=2)[0]
    found = listed(BARE, ABSENT, far, BOARD, near)
    assert [line.node for line in found] == ["/dev/ttyS0", "/dev/ttyUSB2", "/dev/ttyUSB10"]
    assert found[0].pulses == ("/dev/refclock/ttyS0.pps",)
    assert found[0].driver == "serial"
    assert not found[0].ids


BRIDGE = Line(
    node="/dev/ttyUSB0", stable="/dev/ttyUSB0", vendor="FTDI", model="UART", serial="FT7", driver="ftdi_sio",
    ids="0403:6001", port="pci-0000:00:14.0-usb-0:2:1.0", interface="00",
)  # fmt: skip


def changed(line, **fields):
    return Line(**{**{key: getattr(line, key) for key in line.__slots__}, **fields})


def test_an_enrolment_says_what_to_know_it_by():
    by_serial = enrolment(BRIDGE, "gps0", "serial", [BRIDGE])
    assert by_serial == (
        "# FTDI UART serial FT7, enrolled as gps0 by its serial.\n"
        'ACTION!="remove", SUBSYSTEM=="tty", ENV{ID_VENDOR_ID}=="0403", ENV{ID_MODEL_ID}=="6001", '
        'ENV{ID_SERIAL_SHORT}=="FT7", ENV{ID_USB_INTERFACE_NUM}=="00", '
        'ENV{REFCLOCK_NAME}="gps0", ENV{REFCLOCK_ENROLLED}="1"\n'
    )
    by_path = enrolment(BRIDGE, "gps0", "path", [BRIDGE])
    assert 'ENV{ID_PATH}=="pci-0000:00:14.0-usb-0:2:1.0"' in by_path
    assert "ID_SERIAL_SHORT" not in by_path
    board = enrolment(Line("/dev/ttyS0", "/dev/ttyS0"), "gps0", "path", [])
    assert 'KERNEL=="ttyS0"' in board
    assert (default_way(BRIDGE), default_way(changed(BRIDGE, serial=""))) == ("serial", "path")


@pytest.mark.parametrize(
    ("line", "name", "way", "said"),
    [
        (BRIDGE, "gps-0", "serial", "no name for a receiver"),
        (BRIDGE, "", "serial", "no name for a receiver"),
        (BRIDGE, "a/../b", "serial", "no name for a receiver"),
        (BRIDGE, 'a"', "serial", "no name for a receiver"),
        (changed(BRIDGE, serial=""), "gps0", "serial", "has no serial number; use --by path"),
        (changed(BRIDGE, port=""), "gps0", "path", "has no path known to udev; use --by serial"),
        (changed(BRIDGE, serial='x", RUN+="y'), "gps0", "serial", "cannot stand in a rule"),
        (changed(BRIDGE, serial="FT*"), "gps0", "serial", "cannot stand in a rule"),
        (Line("/dev/pts/3", "/dev/pts/3"), "gps0", "path", "cannot be told again"),
    ],
)
def test_an_enrolment_that_would_be_wrong_is_refused(line, name, way, said):
    with pytest.raises(ConfigError, match=said):
        enrolment(line, name, way, [line])


def test_a_serial_number_that_two_share_tells_nothing():
    twin = changed(BRIDGE, node="/dev/ttyUSB1", port="pci-0000:00:14.0-usb-0:3:1.0")
    with pytest.raises(ConfigError, match="also that of /dev/ttyUSB1; use --by path"):
        enrolment(BRIDGE, "gps0", "serial", [BRIDGE, twin])
    assert enrolment(BRIDGE, "gps0", "path", [BRIDGE, twin])


def test_a_comment_cannot_break_out():
    text = enrolment(changed(BRIDGE, vendor='x\nACTION=="add", RUN+="y"'), "gps0", "serial", [])
    assert text.count("\n") == 2


def test_the_verb_writes_the_rule_where_it_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("refclock.cli.detect.lines", lambda: [BRIDGE])
    monkeypatch.setattr("refclock.cli.detect.line_of", lambda _path, known: known[0])
    assert cli.main(["detect", "--enroll", "gps0", "/dev/ttyUSB0"]) == 0
    printed = capsys.readouterr().out
    assert printed == enrolment(BRIDGE, "gps0", "serial", [])
    assert cli.main(["detect", "--enroll", "gps0", "/dev/ttyUSB0", "--rules-dir", str(tmp_path)]) == 0
    out, told = capsys.readouterr()
    assert out == ""
    assert "udevadm control --reload" in told
    assert (tmp_path / rules_file("gps0")).read_text() == printed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "path"], "belong to --enroll"),
        (["--probe", "--list"], "give one of them"),
        (["--enroll", "gps0"], "exactly one DEVICE"),
        (["--enroll", "gps0", "/nowhere/tty"], "name a serial line"),
        (["--enroll", "gps0", "/"], "not a device"),
        (["--enroll", "gps0", "/dev/null", "--rules-dir", "/nowhere"], "cannot be told again"),
    ],
)
def test_unusable_arguments_are_status_2(words, said, capsys):
    assert cli.main(["detect", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_a_directory_that_cannot_be_written(capsys, monkeypatch):
    monkeypatch.setattr("refclock.cli.detect.lines", lambda: [BRIDGE])
    monkeypatch.setattr("refclock.cli.detect.line_of", lambda _path, known: known[0])
    assert cli.main(["detect", "--enroll", "gps0", "x", "--rules-dir", "/nowhere"]) == 2
    assert "such as /etc/udev/rules.d" in capsys.readouterr().err


@pytest.fixture
def detected(bed, tmp_path):
    """A function: what the verb, in a process of its own, says of /dev/ttyACM0, on which umockdev lets a
    receiver talk."""

    def run():
        process = subprocess.Popen(
            bed(tmp_path / "played", sys.executable, "-m", "refclock", "detect", "--json", "/dev/ttyACM0"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        with process.stdout, suppress(BrokenPipeError), process.stdin:
            for second in range(START_S, START_S + 100):
                if process.poll() is not None:
                    break
                said = encoders.nav_timeutc(civil(second), second, 18, valid=7, t_acc_ns=20, nano=0)
                order = {"say": ["/dev/ttyACM0", said.decode("latin-1")]}
                print(json.dumps(order), file=process.stdin, flush=True)
                time.sleep(0.2)
            (line,) = json.loads(process.stdout.read())["lines"]
        process.wait()
        return line

    return run


@pytest.mark.integration
def test_a_receiver_on_usb_from_its_ids_to_its_configuration(detected, usb_line, tmp_path):
    (tmp_path / "played").write_text(usb_line("1546:01a8", link="ublox_usb1_2")[0] + BOARD)
    # Another test's daemon, that waits for its pty to come back, may take ours for it: so up to three times.
    line = detected()
    for _ in range(2):
        if line["outcome"] == REFUSED:
            line = detected()
    assert (line["outcome"], line["family"], line["usb"]) == (SPEAKS, "ubx", "1546:01a8"), line
    policy = parse_policy(line["configuration"])
    assert policy.receiver.device == "/dev/refclock/ublox_usb1_2"
    assert policy.receiver.path == "pci-0000:00:14.0-usb-0:2:1.0"
    assert policy.receiver.protocol == "ubx"
