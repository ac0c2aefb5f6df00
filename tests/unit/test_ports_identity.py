"""Which receiver is behind a name, and what follows when it is another one, or nobody can tell."""

import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from refclock.cli.findings import examine
from refclock.errors import PortError
from refclock.finding import FAIL, OK
from refclock.model import Mark, PortChange
from refclock.policy import PpsSettings, ReceiverSettings, parse_policy
from refclock.ports import identity, serialport, stamp
from refclock.ports.hotplug import HotplugPort, with_hotplug
from refclock.ports.identity import Identity, admitted, identity_of
from refclock.ports.port import DevicePort
from refclock.ports.pps import open_pps
from refclock.ports.serialport import SerialPort
from refclock.runtime import StateFile
from refclock.units import NS_PER_S

FIRST = Identity("0403:6001", "FT1", "usb-0:2:1.0", "00")
NUMBERLESS = Identity("1546:01a8", "", "usb-0:2:1.0", "00")


def test_by_serial_number_wherever_it_is_and_without_one_by_kind_and_place():
    assert FIRST.same(replace(FIRST, path="usb-0:3:1.0"))
    assert not FIRST.same(replace(FIRST, serial="FT2"))
    assert not FIRST.same(replace(FIRST, interface="01"))
    assert not FIRST.same(replace(FIRST, ids="0403:6010"))
    assert NUMBERLESS.same(replace(NUMBERLESS))
    assert not NUMBERLESS.same(replace(NUMBERLESS, path="usb-0:3:1.0"))
    assert (str(FIRST), str(NUMBERLESS)) == ("0403:6001 serial FT1", "1546:01a8 at usb-0:2:1.0")


def test_what_is_no_hardware_has_no_identity():
    master, slave = os.openpty()
    try:
        assert identity_of(os.ttyname(slave)) is None
    finally:
        os.close(master)
        os.close(slave)
    assert identity_of("/nowhere") is None
    assert identity_of("/dev/null") is None


def behind(monkeypatch, found):
    monkeypatch.setattr(identity, "identity_of", lambda _device: found)


@pytest.mark.parametrize(
    ("settings", "remembered", "found"),
    [
        ({}, None, None),
        ({}, None, FIRST),
        ({}, FIRST, FIRST),
        ({"serial": "FT1"}, NUMBERLESS, FIRST),
        ({"path": "usb-0:2:1.0"}, NUMBERLESS, FIRST),
        ({"serial": "FT1", "path": "usb-0:2:1.0"}, None, FIRST),
    ],
)
def test_who_is_admitted(monkeypatch, settings, remembered, found):
    behind(monkeypatch, found)
    fields = remembered and remembered.fields()
    assert admitted(ReceiverSettings("/dev/gps", **settings), fields) == found


@pytest.mark.parametrize(
    ("settings", "remembered", "found", "said"),
    [
        (
            {},
            FIRST,
            NUMBERLESS,
            "found 1546:01a8 at usb-0:2:1.0, expected 0403:6001 serial FT1; .*set path =",
        ),
        ({}, NUMBERLESS, FIRST, 'found 0403:6001 serial FT1, expected 1546:01a8 at .*set serial = "FT1"'),
        ({"serial": "FT2"}, FIRST, FIRST, "found 0403:6001 serial FT1, expected serial FT2"),
        ({"serial": "FT1", "path": "x"}, FIRST, FIRST, "expected serial FT1 at x"),
        ({}, FIRST, None, "udev does not say which device this is, expected 0403:6001 serial FT1"),
        ({"serial": "FT2"}, None, None, "udev does not say which device this is, expected serial FT2"),
    ],
)
def test_who_is_refused_and_why(monkeypatch, settings, remembered, found, said):
    behind(monkeypatch, found)
    with pytest.raises(PortError, match=said) as refused:
        admitted(ReceiverSettings("/dev/gps", **settings), remembered and remembered.fields())
    assert "/dev/gps: " in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture
def pty():
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


def test_the_first_one_is_learnt_and_survives_a_restart(monkeypatch, pty, tmp_path):
    behind(monkeypatch, FIRST)
    state = StateFile(str(tmp_path / "state"), print)
    assert state.load() is None
    port = SerialPort(ReceiverSettings(pty), "gps0", state)
    (up,) = port.open()
    assert isinstance(up, PortChange)
    assert up.reason.endswith("(0403:6001 serial FT1)")
    port.close()
    # Soon: not only with the next change of mode.
    assert state.tend(stamp.raw(), dict, False, False)
    again = StateFile(str(tmp_path / "state"), print)
    again.load()
    assert again.recall("gps0") == FIRST.fields()
    assert again.recall("num0") is None
    behind(monkeypatch, NUMBERLESS)
    port = SerialPort(ReceiverSettings(pty), "gps0", again)
    with pytest.raises(PortError, match="another receiver"):
        port.open()
    assert port.wake_at() is not None, "it goes on looking"
    port.close()
    assert again.recall("gps0") == FIRST.fields()


def test_what_is_learnt_is_written_at_once_though_the_mode_stays(monkeypatch, tmp_path):
    state = StateFile(str(tmp_path / "state"), print)
    assert state.tend(stamp.raw(), dict, False, False)
    before = (tmp_path / "state").read_text()
    state.tend(stamp.raw(), dict, False, False)
    assert (tmp_path / "state").read_text() == before
    state.learn("gps0", FIRST.fields())
    state.tend(stamp.raw(), dict, False, False)
    after = (tmp_path / "state").read_text()
    assert "FT1" in after
    state.learn("gps0", FIRST.fields())
    state.tend(stamp.raw(), dict, False, False)
    assert (tmp_path / "state").read_text() == after


def test_check_knows_whom_the_daemon_remembers(monkeypatch, pty, tmp_path):
    state = StateFile(str(tmp_path / "state"), print)
    state.learn("gps0", FIRST.fields())
    assert state.save({})
    policy = parse_policy(f'[receiver]\ndevice = "{pty}"\n[state]\nfile = "{tmp_path}/state"')
    before = (tmp_path / "state").read_text()
    for found, verdict, said in ((FIRST, OK, "opened"), (NUMBERLESS, FAIL, "another receiver")):
        behind(monkeypatch, found)
        (finding,) = [one for one in examine(policy, "x") if one.what == "receiver"]
        assert finding.verdict == verdict, finding.found
        assert said in finding.found
    assert (tmp_path / "state").read_text() == before


def test_one_that_is_exchanged_while_it_is_being_opened(monkeypatch, pty):
    answers = [FIRST, NUMBERLESS]
    monkeypatch.setattr(serialport, "admitted", lambda *_: answers.pop(0))
    port = SerialPort(ReceiverSettings(pty), "gps0")
    with pytest.raises(PortError, match="was exchanged while"):
        port.open()
    assert port.fd is None


# ---- hotplug ------------------------------------------------------------------------------------------


class Monitor:
    """Stands where pyudev's monitor stands; what it hands out, or the error that it raises."""

    def __init__(self, *devices):
        self._devices = list(devices)

    def poll(self, timeout):
        assert timeout == 0, "the loop never waits in here"
        device = self._devices.pop(0) if self._devices else None
        if isinstance(device, OSError):
            raise device
        return device


def device(action, node, links=""):
    return SimpleNamespace(action=action, device_node=node, properties={"DEVLINKS": links} if links else {})


def waiting(path):
    port = SerialPort(ReceiverSettings(path), "gps0")
    with pytest.raises(PortError):
        port.open()
    return port


def hearing(*devices, path="/dev/refclock/none"):
    port = waiting(path)
    hotplug = HotplugPort([port])
    hotplug._monitor = Monitor(*devices)
    return port, hotplug, hotplug.on_ready()


def test_the_port_whose_device_came_looks_at_once():
    link = "/dev/refclock/none"
    port, _, events = hearing(device("add", "/dev/ttyUSB4", f"/dev/x {link}"))
    assert port.wake_at() <= stamp.raw()
    assert [event.text for event in events if isinstance(event, Mark)] == [
        f"udev: add /dev/ttyUSB4, called {link}"
    ]
    port, _, events = hearing(device("change", "/dev/none"), path="/dev/none")
    assert port.wake_at() <= stamp.raw()
    assert events[0].text == "udev: change /dev/none"


def test_others_and_those_that_go_nudge_nobody():
    for one in (device("add", "/dev/ttyUSB4"), device("remove", "/dev/ttyUSB4", "/dev/refclock/none"),
                device("add", None)):  # fmt: skip
        port, _, _ = hearing(one)
        assert port.wake_at() > stamp.raw() + NS_PER_S // 2


def test_when_udevs_events_are_lost_everybody_looks():
    port, hotplug, events = hearing(OSError(105, "No buffer space available"))
    assert port.wake_at() <= stamp.raw()
    (lost,) = events
    assert isinstance(lost, PortChange)
    assert "listening anew" in lost.reason
    assert hotplug.fd is None
    assert hotplug.on_ready() == []


def test_a_flood_of_events_is_read_in_portions():
    flood = [device("add", "/dev/ttyUSB4", "/dev/refclock/none")] * 100
    _, hotplug, events = hearing(*flood)
    assert len(events) == 64
    assert len(hotplug.on_ready()) == 36


def test_without_libudev_it_says_what_that_costs(monkeypatch):
    def missing():
        raise ImportError("No library named udev")

    monkeypatch.setattr("refclock.ports.hotplug.context", missing)
    with pytest.raises(PortError, match="found within 10 s"):
        HotplugPort([]).open()


def test_a_port_that_is_up_is_not_disturbed(pty):
    port = SerialPort(ReceiverSettings(pty), "gps0")
    port.open()
    port.nudge()
    assert port.wake_at() is None
    port.close()


def test_watched_are_devices_that_can_come_and_go():
    serial = SerialPort(ReceiverSettings("/dev/refclock/gps0"), "gps0")
    pulse = open_pps(PpsSettings("/dev/pps0"), "pps0")
    assert [port.name for port in with_hotplug([serial, pulse])] == ["udev0", "gps0", "pps0"]
    pty, played = (
        SerialPort(ReceiverSettings("/dev/pts/3"), "gps0"),
        open_pps(PpsSettings("emulated:/x"), "pps0"),
    )
    ports = [pty, played, DevicePort("sys0")]
    assert with_hotplug(ports) == ports
