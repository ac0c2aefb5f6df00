"""A receiver with a pulse behind an FTDI bridge on USB: plugged in, pulled out, come back as another ttyUSB,
exchanged for a different one, and missing at boot. It is the emulated receiver's second port."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from refclock.units import NS_PER_S
from tests.vm import site
from tests.vm.bench import Bench, Status, check, since
from tests.vm.machine import GuestError

NAME = "usb0"
UNIT, PULSE = f"refclock@{NAME}.service", f"refclock-pps@{NAME}.service"
OURS, OTHER = "FT4711", "FT0815"
_CONFIG, _CHRONY = f"/etc/refclock/{NAME}.toml", site.CHRONY_CONF
_RULE = f"/etc/udev/rules.d/69-refclock-{NAME}.rules"
_EXPECTED = f"no such device, expected 0403:6001 serial {OURS}"
_HEARD = '$3 == "RCLK" && $6 > 0 {heard = 1} END {exit !heard}'
# Opened without becoming its controlling terminal, which would end it when the line hangs up.
_HOLD = 'import os, time; os.open("/dev/ttyUSB0", os.O_NOCTTY | os.O_NONBLOCK); time.sleep(3600)'


def usb(bench: Bench) -> str:
    """Named and started by udev; in holdover while it is out; back by itself under another number; another
    one is neither named nor heard."""
    with _in_place_of_the_uart(bench):
        _enrolled(bench)
        _plug(bench, OURS)
        bench.wait("udev starts the daemon", f"systemctl is-active {UNIT}", 60)
        assert _node(bench) == "/dev/ttyUSB0", _node(bench)
        bench.enrolled()
        bench.fed(120)
        pulse = bench.run(f"cat /sys/class/pps/$(basename $(readlink -f /dev/refclock/{NAME}.pps))/path")
        assert pulse == "/dev/ttyUSB0", pulse
        mark = bench.recorder.mark()
        _pulled_out(bench)
        _plug(bench, OURS)
        bench.fed()
        assert _node(bench) == "/dev/ttyUSB1", _node(bench)
        bench.run("systemctl stop holder")
        _exchanged(bench)
        _plug(bench, OURS)
        bench.fed()
        bench.wait("chronyd hears it", f"chronyc -c -n sources | awk -F, '{_HEARD}'", 60)
        figures = check(since(bench, mark))
        bench.kdc_runs()
    return (
        "name, pulse and daemon by udev; pulled out: holdover; back as ttyUSB1: fed without a dwell; another "
        f"one: neither named nor heard, and the status says who is expected; {figures}"
    )


def missing_at_boot(bench: Bench) -> str:
    """The KDC comes up without its receiver, which is fed once it is plugged in."""
    with _in_place_of_the_uart(bench):
        _enrolled(bench)
        bench.run(f"systemctl disable {site.UNIT}")
        try:
            bench.machine.reboot()
            status = bench.until("established", lambda told: told["established"] is True)
            assert sorted(status["established_by"]) == ["ntp", "rtc"], status["established_by"]
            bench.wait("krb5-kdc runs", "systemctl is-active krb5-kdc", 120)
            assert _EXPECTED in _reason(bench.status()), _reason(bench.status())
            site.enroll(bench.machine, NAME)
            _plug(bench, OURS)
            bench.fed(120)
            bench.kdc_runs()
        finally:
            bench.run(f"systemctl enable {site.UNIT}")
    return "the KDC is up by servers and battery clock; plugged in, it is fed"


def _plug(bench: Bench, serial: str) -> None:
    bench.machine.plug(serial, bench.stage.usb.path)
    bench.stage.usb.plugged = True


def _unplug(bench: Bench, serial: str) -> None:
    bench.stage.usb.plugged = False
    bench.machine.unplug(serial)


def _node(bench: Bench) -> str:
    """The kernel's name of what bears ours; "" for nothing."""
    return bench.run(f"test -e /dev/refclock/{NAME} && readlink -f /dev/refclock/{NAME}", check=False)


def _reason(told: Status) -> str:
    """What the status says of the receiver's port."""
    return str(told["daemon"]["ports"]["gps0"]["reason"])


@contextmanager
def _in_place_of_the_uart(bench: Bench) -> Iterator[None]:
    """The daemon of the UART's receiver is stopped, and chrony is told of this one; and back again."""
    bench.settled()
    bench.run(f"systemctl stop {site.UNIT}; cp -p {_CHRONY} {_CHRONY}.uart")
    bench.name = NAME
    try:
        yield
    finally:
        bench.name = site.NAME
        for serial in (OURS, OTHER):
            with suppress(GuestError):
                _unplug(bench, serial)
        bench.run(f"systemctl disable --now {UNIT} {PULSE}; systemctl stop holder", check=False)
        bench.run(f"rm -f {_RULE} {site.STATE}/{NAME}.*; udevadm control --reload")
        bench.run(f"systemctl stop chrony; mv {_CHRONY}.uart {_CHRONY}")
        # A boot may have brought the battery clock's error, which chronyd leaves alone beyond a second.
        bench.run(f"date -s @{bench.stage.truth.now_ns() / NS_PER_S:.3f} >/dev/null; systemctl start chrony")
        bench.run(f"systemctl restart {site.UNIT}")
        bench.enrolled(30)
        bench.fed()


def _enrolled(bench: Bench) -> None:
    """docs/guide.md, for a bridge that could be anything; it is pulled out again at the end."""
    machine = bench.machine
    _plug(bench, OURS)
    bench.wait("the bridge is there", "test -c /dev/ttyUSB0 && udevadm settle", 30)
    assert _node(bench) == ""
    told = bench.run("refclock detect /dev/ttyUSB0")
    assert "speaks u-blox UBX" in told, told
    bench.run(f"refclock install --profile kdc --name {NAME}")
    bench.run(f"refclock detect --enroll {NAME} /dev/ttyUSB0 --rules-dir /etc/udev/rules.d")
    text = site.configuration("ubx", bench.servers, site.BY_SOCK)
    machine.put(_CONFIG, text.replace(site.NAME, NAME))
    shipped = bench.run(f"cat /etc/refclock/{NAME}.chrony.conf")
    machine.put(_CHRONY, site.chrony(shipped, "[sock]").replace(site.NAME, NAME))
    bench.run("udevadm control --reload && udevadm trigger --settle --action=add /dev/ttyUSB0")
    assert _node(bench) == "/dev/ttyUSB0"
    bench.run(f"systemctl daemon-reload && systemctl enable {UNIT} {PULSE} && systemctl restart chrony")
    bench.until("the daemon has met it", lambda told: bool(told["daemon"]["ports"]["gps0"]["up"]))
    _unplug(bench, OURS)
    bench.run(f"systemctl stop {UNIT}")  # the next start is udev's
    bench.wait("the name is gone", f"! test -e /dev/refclock/{NAME}", 30)


def _pulled_out(bench: Bench) -> None:
    """While somebody else has the old line open, so that its number is not free when it comes back."""
    bench.run(f"systemd-run -q --collect --unit=holder /usr/bin/python3 -c '{_HOLD}'")
    bench.wait("it is held", "ls -l /proc/$(systemctl show -P MainPID holder)/fd | grep ttyUSB0", 30)
    _unplug(bench, OURS)
    bench.until("holdover", lambda told: told["mode"] == "holdover", 60)
    status = bench.until("it is said", lambda told: _EXPECTED in _reason(told), 30)
    fed = status["counters"]["published"]
    bench.rest(5)
    status = bench.status()
    assert status["counters"]["published"] == fed, "seconds are fed without a receiver"
    assert status["daemon"]["ports"]["gps0"]["up"] is False
    assert bench.run(f"systemctl is-active {UNIT}") == "active"
    assert bench.run(f"systemctl is-active {PULSE}", check=False) == "inactive"
    bench.run("refclock now --file /run/refclock/time")  # exits with 1 where nobody vouches for the time


def _exchanged(bench: Bench) -> None:
    """A bridge with another serial number in the same socket."""
    _unplug(bench, OURS)
    bench.until("holdover", lambda told: told["mode"] == "holdover", 60)
    fed = bench.status()["counters"]["published"]
    _plug(bench, OTHER)
    bench.wait("the other one is there", "ls /dev/ttyUSB* && udevadm settle", 30)
    bench.rest(8)
    assert _node(bench) == ""
    status = bench.status()
    assert status["mode"] == "holdover", status["mode"]
    assert status["counters"]["published"] == fed, "seconds of another receiver are fed"
    assert _EXPECTED in _reason(status), _reason(status)
    told = " ".join(bench.run(f"refclock check --config {_CONFIG}", check=False).split())
    assert f"FAIL receiver /dev/refclock/{NAME}: {_EXPECTED}" in told, told
    told = bench.run("refclock detect --list", check=False)
    assert f"serial {OTHER}" in told, told
    _unplug(bench, OTHER)
