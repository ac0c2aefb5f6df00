"""The rules of udev/ as the real udevadm reads them, on devices that umockdev plays."""

import re
import subprocess
from pathlib import Path

import pytest

from refclock.detect.devices import Line
from refclock.detect.enrolment import enrolment, rules_file
from refclock.detect.known import GENERIC, SPECIFIC

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "udev"

_EACH = r"""
printf %s "$UMOCKDEV_DIR" >/run/refclock/root
for path; do echo "@@@ $path"; udevadm test --action=add "/sys$path" 2>&1; done
"""


class Said:
    """What udevadm made of one device: its properties, and what it told on the way."""

    def __init__(self, text):
        self.text = text
        self.properties = dict(re.findall(r"^([A-Z_0-9]+)=(.*)$", text, re.M))
        self.links = {link for link in self.properties.get("DEVLINKS", "").split() if "/refclock/" in link}

    def __getitem__(self, key):
        return self.properties.get(key, "")

    @property
    def wants(self):
        return self["SYSTEMD_WANTS"].split()

    def did(self, what):
        """Whether one of our rules did this, as udevadm told on the way."""
        return re.search(rf"refclock[^ ]*\.rules:\d+ {re.escape(what)}", self.text) is not None


@pytest.fixture
def udev(bed, secluded, tmp_path):
    """A function: what udevadm says of each device, given as its description and its path, in that order."""

    def run(*devices, enrolments=()):
        description, paths = "".join(text for text, _ in devices), [path for _, path in devices]
        rules = tmp_path / "rules"
        rules.mkdir()
        for source in (*RULES.glob("*.rules"), *enrolments):
            (rules / source.name).write_text(source.read_text())
        (tmp_path / "played").write_text(description)
        done = subprocess.run(
            secluded(rules, *bed(tmp_path / "played", "sh", "-c", _EACH, "each", *paths)),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        parts = re.split(r"^@@@ (.*)$", done.stdout, flags=re.M)[1:]
        said = {path: Said(text) for path, text in zip(parts[::2], parts[1::2], strict=True)}
        assert done.returncode == 0, done.stderr + done.stdout
        assert set(said) == set(paths)
        for one in said.values():
            # How udevadm tells of a rule that it cannot use; before systemd 254 it has no verify.
            assert not re.findall(r"^/run/udev/rules.d/\S*refclock.*", one.text, re.M)
        return [said[path] for path in paths]

    return run


def test_only_receivers_and_no_bridge_are_named_by_their_ids():
    text = (RULES / "70-refclock.rules").read_text()
    named = set()
    for vendor, models in re.findall(r'ID_VENDOR_ID}=="(\w+)", ENV{ID_MODEL_ID}=="([\w|]+)"', text):
        named |= {f"{vendor}:{model}" for model in models.split("|")}
    assert named == set(SPECIFIC)
    assert not named & GENERIC


@pytest.mark.integration
def test_udevadm_verifies_them(secluded, require_program):
    """With the names of groups resolved, which is why it runs where there is a group refclock."""
    udevadm = require_program("udevadm")
    version = int(subprocess.run([udevadm, "--version"], capture_output=True, text=True, check=True).stdout)
    if version < 254:
        pytest.skip("udevadm verify came with systemd 254; the other tests read what udevadm test says")
    done = subprocess.run(
        secluded(RULES, udevadm, "verify", *sorted(RULES.glob("*.rules"))),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.integration
def test_a_ublox_is_named_by_its_port_and_its_instance_is_wanted(udev, usb_line):
    (said,) = udev(usb_line("1546:01a8"))
    assert said.links == {"/dev/refclock/ublox_usb1_2"}
    assert "refclock@ublox_usb1_2.service" in said.wants
    assert ":systemd:" in said["TAGS"]
    assert said["ID_MM_DEVICE_IGNORE"] == said["ID_MM_PORT_IGNORE"] == "1"
    assert said.did("MODE 0660")
    assert said.did("GROUP ")


@pytest.mark.integration
def test_two_alike_have_two_names_and_a_serial_number_goes_before_the_port(udev, usb_line):
    lines = [
        usb_line("1546:01a9", devpath="2"),
        usb_line("1546:01a9", devpath="1.4", node="ttyACM1", minor=1),
        usb_line("1546:050c", devpath="3", serial="A1:b_2.3", node="ttyACM2", minor=2),
        usb_line("1546:050c", devpath="4", serial="odd+number", node="ttyACM3", minor=3),
        usb_line("0e8d:3329", devpath="5", interface=2, node="ttyACM4", minor=4),
    ]
    said = udev(*lines)
    assert [one.links for one in said] == [
        {"/dev/refclock/ublox_usb1_2"},
        {"/dev/refclock/ublox_usb1_1.4"},
        {"/dev/refclock/ublox_A1:b_2.3"},
        {"/dev/refclock/ublox_usb1_4"},
        {"/dev/refclock/mtk_usb1_5_if02"},
    ]
    for one in said:
        (link,) = one.links
        assert f"refclock@{link.rpartition('/')[2]}.service" in one.wants


@pytest.mark.integration
def test_names_are_their_own_escaped_form(require_program):
    """So that SYSTEMD_WANTS, %i and %I agree without udev having to escape anything."""
    escape = require_program("systemd-escape")
    names = ["ublox_usb1_1.4", "ublox_A1:b_2.3", "mtk_usb1_5_if02", "gps0"]
    done = subprocess.run([escape, *names], capture_output=True, text=True, check=True)
    assert done.stdout.split() == names


@pytest.mark.integration
def test_a_receiver_that_is_not_read_is_named_but_nothing_is_started(udev, usb_line):
    (said,) = udev(usb_line("091e:0003", chip="garmin_gps", node="ttyUSB0", major=188))
    assert said.links == {"/dev/refclock/garmin_usb1_2"}
    assert not [one for one in said.wants if one.startswith("refclock@")]


@pytest.mark.integration
def test_a_generic_bridge_is_left_alone(udev, usb_line):
    lines = [
        usb_line(ids, serial="FT1", chip="ftdi_sio", devpath=str(n), node=f"ttyUSB{n}", major=188, minor=n)
        for n, ids in enumerate(sorted(GENERIC), 1)
    ]
    for said in udev(*lines):
        assert not said.links
        assert "refclock" not in said["SYSTEMD_WANTS"]
        assert not said["ID_MM_DEVICE_IGNORE"]
        assert not said.did("")


@pytest.mark.integration
def test_the_latency_of_a_claimed_line_is_made_short(udev, usb_line):
    (said,) = udev(usb_line("0e8d:3329", chip="ftdi_sio", node="ttyUSB0", major=188))
    assert re.search(r"refclock.rules:\d+ ATTR '[^']*/latency_timer' writing '1'", said.text)


PULSE = """\
P: /devices/virtual/pps/pps{n}
N: pps{n}
E: SUBSYSTEM=pps
E: DEVNAME=/dev/pps{n}
E: MAJOR=250
E: MINOR={n}
A: dev=250:{n}\\n
A: name=serial{n}\\n
A: path={path}\\n

"""
BOARD = """\
P: /devices/pnp0/00:05/tty/ttyS0
N: ttyS0
E: SUBSYSTEM=tty
E: DEVNAME=/dev/ttyS0
E: MAJOR=4
E: MINOR=64
A: dev=4:64\\n
A: rx_trig_bytes=8\\n

"""
PIN = """\
P: /devices/platform/pps@12
E: SUBSYSTEM=platform
L: driver=../../../bus/platform/drivers/pps-gpio

P: /devices/platform/pps@12/pps/pps2
N: pps2
E: SUBSYSTEM=pps
E: DEVNAME=/dev/pps2
E: MAJOR=250
E: MINOR=2
A: dev=250:2\\n
A: name=pps@12.-1\\n
A: path=\\n

"""


@pytest.mark.integration
def test_a_pulse_is_named_for_the_receiver_on_whose_line_it_is(udev, usb_line):
    pulse = (PULSE.format(n=0, path="/dev/ttyACM0"), "/devices/virtual/pps/pps0")
    first, second = udev(usb_line("1546:01a8"), pulse)
    assert first.links == {"/dev/refclock/ublox_usb1_2"}
    assert second.links == {"/dev/refclock/ublox_usb1_2.pps"}
    assert second.did("MODE 0640")
    assert second.did("GROUP ")


@pytest.mark.integration
def test_a_pulse_of_the_board_has_its_lines_name_and_one_of_an_unknown_line_has_none(udev):
    board, unknown, pin = udev(
        (PULSE.format(n=0, path="/dev/ttyS0"), "/devices/virtual/pps/pps0"),
        (PULSE.format(n=1, path="/dev/ttyUSB7"), "/devices/virtual/pps/pps1"),
        (PIN, "/devices/platform/pps@12/pps/pps2"),
    )
    assert board.links == {"/dev/refclock/ttyS0.pps"}
    assert not unknown.links
    assert pin.links == {"/dev/refclock/pps@12.pps"}
    for said in (board, unknown, pin):
        assert said.did("MODE 0640")


@pytest.mark.integration
@pytest.mark.parametrize("way", ["serial", "path"])
def test_an_enrolled_bridge_is_claimed_and_its_twin_is_not(udev, usb_line, tmp_path, way):
    chip = {"chip": "ftdi_sio", "major": 188}
    line, twin = (
        Line(f"/dev/ttyUSB{n}", "", serial=f"FT{n}", ids="0403:6001", interface="00",
             port=f"pci-0000:00:14.0-usb-0:{n}:1.0")
        for n in (1, 2)
    )  # fmt: skip
    rule = tmp_path / rules_file("gps0")
    rule.write_text(enrolment(line, "gps0", way, [line, twin]))
    mine, other = udev(
        usb_line("0403:6001", serial="FT1", devpath="1", node="ttyUSB1", minor=1, **chip),
        usb_line("0403:6001", serial="FT2", devpath="2", node="ttyUSB2", minor=2, **chip),
        enrolments=[rule],
    )
    assert mine.links == {"/dev/refclock/gps0"}
    # Not only added to what gpsd's rule may have wanted for it.
    assert mine.wants == ["refclock@gps0.service"]
    assert mine.did("ATTR '")
    assert not other.links
    assert not other.did("")


@pytest.mark.integration
def test_an_enrolled_line_of_the_board_and_its_pulse(udev, tmp_path):
    rule = tmp_path / rules_file("gps0")
    rule.write_text(enrolment(Line("/dev/ttyS0", "/dev/ttyS0"), "gps0", "path", []))
    line, pulse = udev(
        (BOARD, "/devices/pnp0/00:05/tty/ttyS0"),
        (PULSE.format(n=0, path="/dev/ttyS0"), "/devices/virtual/pps/pps0"),
        enrolments=[rule],
    )
    assert line.links == {"/dev/refclock/gps0"}
    assert line.wants == ["refclock@gps0.service"]
    assert re.search(r"refclock.rules:\d+ ATTR '[^']*/rx_trig_bytes' writing '1'", line.text)
    assert pulse.links == {"/dev/refclock/gps0.pps"}
