"""Who steers the guest's clock by the one receiver: gpsd through shared memory, chrony's own PPS driver, or
refclock; one after the other, for a guest has one clock.

A peer has Debian's chrony.conf with the lines that its own documentation has for this; only the polls are
made faster, for a run lasts minutes, as refclock's are (site.py).
"""

import time
from contextlib import suppress
from dataclasses import dataclass

from refclock.units import NS_PER_S
from tests.vm import site
from tests.vm.bench import NEAR_NS, Bench
from tests.vm.machine import GuestError
from tests.vm.record import errors

_DEVICE, _BESIDE = "/dev/ttyS1", "/dev/ttyS2"
_DEBIAN = "/usr/share/chrony/chrony.conf"
_UNITS = f"{site.UNIT} refclock-pps@{site.NAME} refclock-shm"
_POLLED = "poll 2"
# As often as refclock asks them.
_SERVER = "server {} port {} iburst minpoll 2 maxpoll 2"
# adjtimex(2), ADJ_FREQUENCY and ADJ_TICK: no correction of the rate.
_FREE = (
    "import ctypes, struct; "
    "ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer("
    "struct.pack('@I4l i8l i5l i44x', 0x4002, *[0] * 10, 10000, *[0] * 9)))"
)
_PATIENCE_S, _SOON_S = 120, 40
_SAMPLES = 8


@dataclass(frozen=True, slots=True)
class Arrangement:
    """``source``: the receiver's refid in chrony. ``lines``: chrony's for the receiver, with {late}, what its
    messages are late by (none: refclock's own configuration). ``servers``: chronyd follows them, too."""

    name: str
    source: str
    lines: tuple[str, ...] = ()
    servers: bool = True


# gpsd-time-service-howto, "Feeding chrony from GPSD".
_GPSD = (
    f"refclock SHM 0 refid NMEA precision 1e-1 offset {{late:.3f}} delay 0.2 {_POLLED}",
    f"refclock SHM 1 refid PPS precision 1e-7 {_POLLED}",
)
# chrony's FAQ, 2.12, third option.
_OWN = (
    f"refclock PPS /dev/pps0 lock NMEA refid PPS {_POLLED}",
    f"refclock SHM 0 offset {{late:.3f}} delay 0.1 refid NMEA noselect {_POLLED}",
)
# All at once, none of them followed but refclock's; gpsd has a port of its own.
_BESIDE_IT = (
    f"refclock PPS /dev/refclock/{site.NAME}.pps lock NMEA refid OWN noselect {_POLLED}",
    f"refclock SHM 0 refid NMEA precision 1e-1 offset {{late:.3f}} delay 0.2 noselect {_POLLED}",
    f"refclock SHM 1 refid GPSD precision 1e-7 noselect {_POLLED}",
)
REFCLOCK = Arrangement("refclock", "RCLK")
ARRANGEMENTS = (
    REFCLOCK,
    Arrangement("gpsd", "PPS", _GPSD),
    Arrangement("chrony's PPS", "PPS", _OWN),
    Arrangement("gpsd, no servers", "PPS", _GPSD, servers=False),
    Arrangement("chrony's PPS, no servers", "PPS", _OWN, servers=False),
)


def install(bench: Bench) -> float:
    """The guest as refclock's administrator leaves it, for a receiver that speaks NMEA, and gpsd for its
    own; by how much the messages are late, in seconds."""
    site.network(bench.machine)
    for number in range(1, len(bench.stage.servers)):
        bench.machine.put(
            f"/etc/systemd/network/eth{number}.network",
            f"[Match]\nName=eth{number}\n[Network]\nAddress=10.0.{number + 2}.15/24\nIPv6AcceptRA=no\n",
        )
    bench.run("networkctl reload")
    right(bench)
    site.install(bench.machine, bench.wheel)
    bench.run(f"systemctl stop chrony {_UNITS}; rm -rf {site.STATE}/*", check=False)
    site.configure(bench.machine, "nmea", bench.servers, site.BY_SHM)
    return _lateness(bench)


def _lateness(bench: Bench) -> float:
    """Measured against servers, as chrony's FAQ (3.9) has it: what chronyd then finds the offset to be."""
    shipped = bench.run(f"cat {site.CHRONY_CONF}")
    probe = Arrangement("", "NMEA", (f"refclock SHM 0 refid NMEA noselect {_POLLED}",))
    _start_peer(bench, probe, 0.0)
    told = bench.wait(
        "the messages' lateness is measured",
        f"chronyc -c -n sourcestats | awk -F, '$1==\"NMEA\" && $2>={_SAMPLES}' | grep .",
        _PATIENCE_S,
    )
    bench.run("systemctl stop chrony gpsd.socket gpsd")
    bench.machine.put(site.CHRONY_CONF, shipped + "\n")
    return float(told.split(",")[6])


def begin(bench: Bench, one: Arrangement, late_s: float, *, well: bool = False) -> None:
    """Everything anew, with the guest's clock right, unless all is well or soon becomes so; returns once
    chronyd follows the receiver. refclock's turn is the first: what it needs is disabled for the others."""
    if one is REFCLOCK:
        if bench.run(f"systemctl is-active {site.UNIT}", check=False) != "active":
            bench.run(f"systemctl enable -q --now {_UNITS} chrony")
            bench.enrolled()
        bench.settled()
    else:
        if well:
            with suppress(GuestError):
                _follows(bench, one, _SOON_S)
                return
        _start_peer(bench, one, late_s)
    _follows(bench, one, _PATIENCE_S)


def _start_peer(bench: Bench, one: Arrangement, late_s: float) -> None:
    bench.run(f"systemctl disable -q --now {_UNITS}; systemctl stop chrony gpsd.socket gpsd", check=False)
    bench.run("rm -f /var/lib/chrony/chrony.drift")
    right(bench)
    bench.machine.put(site.CHRONY_CONF, _configuration(bench, one, late_s))
    _start_gpsd(bench, _DEVICE)
    bench.wait("gpsd has the pulse", "test -e /dev/pps0")
    bench.run("systemctl start chrony")


def _start_gpsd(bench: Bench, device: str) -> None:
    bench.machine.put("/etc/default/gpsd", f'DEVICES="{device}"\nGPSD_OPTIONS="-n"\nUSBAUTO="false"\n')
    bench.run("systemctl start gpsd")


def _configuration(bench: Bench, one: Arrangement, late_s: float) -> str:
    """A peer's chrony.conf: Debian's, with our servers for its pool."""
    debian = bench.run(f"cat {_DEBIAN}").splitlines()
    servers = []
    if one.servers:
        servers = [_SERVER.format(f"10.0.{number + 2}.2", port) for number, port in enumerate(bench.servers)]
    kept = [line for line in debian if line and not line.startswith(("#", "pool "))]
    return "\n".join([*(line.format(late=late_s) for line in one.lines), *servers, *kept]) + "\n"


def _follows(bench: Bench, one: Arrangement, patience_s: float) -> None:
    """Until chronyd has selected the receiver, and the clock is right as seen from outside."""
    bench.wait(f"chronyd selects {one.source}", f"chronyc -n sources | grep '^#\\* {one.source}'", patience_s)
    end = time.monotonic() + patience_s
    while True:
        mark = bench.recorder.mark()
        bench.rest(3)
        seen = errors(*bench.recorder.since(mark))
        if seen and all(abs(error.error_ns) < NEAR_NS + error.known_ns for error in seen):
            return
        if time.monotonic() > end:
            raise GuestError(f"{one.name}: the clock is off by {seen[-1].error_ns if seen else '?'} ns")


def beside(bench: Bench, late_s: float) -> None:
    """gpsd's and chrony's own way are measured, too, by the chronyd that follows refclock: on the same edges,
    gpsd on its own port."""
    conf = bench.run(f"cat {site.CHRONY_CONF}")
    bench.machine.put(
        site.CHRONY_CONF, "\n".join([conf, *(line.format(late=late_s) for line in _BESIDE_IT)]) + "\n"
    )
    _start_gpsd(bench, _BESIDE)
    bench.run("systemctl restart chrony")
    begin(bench, REFCLOCK, late_s)


def alone(bench: Bench) -> None:
    """Again refclock and nobody else."""
    bench.run("systemctl stop gpsd.socket gpsd")
    site.configure(bench.machine, "nmea", bench.servers, site.BY_SHM)
    bench.run("systemctl restart chrony")


def right(bench: Bench) -> None:
    """The guest's clock is set to true time and runs by itself; the battery clock follows."""
    bench.run(f'python3 -c "{_FREE}"')
    bench.run(f"date -s @{bench.stage.truth.now_ns() / NS_PER_S:.3f} && hwclock --systohc --utc")
