"""All scenarios in the order in which they are played on one machine."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.vm import endurance, host, kerberos, leap, lies, nmea, usb, way
from tests.vm.bench import Bench


@dataclass(frozen=True, slots=True)
class Scenario:
    """``short`` ones CI has the time for; ``long`` ones are played when asked for (REFCLOCK_VM_LONG=1)."""

    name: str
    play: Callable[[Bench], str]
    short: bool = False
    long: bool = False


SCENARIOS = (
    Scenario("installed from the wheel", way.installs, short=True),
    Scenario("KDC waits for established time", way.kdc_waits, short=True),
    Scenario("chronyd steers by SHM", way.steers_by_shm, short=True),
    Scenario("foreign segments", way.refuses_foreign_segments, short=True),
    *(Scenario(name, lies.lie(one), one.short) for name, one in lies.LIES.items()),
    *(Scenario(name, lies.outage(*one)) for name, one in lies.OUTAGES.items()),
    Scenario("receiver ramps by 20 ppm, for 60 s", lies.followed("ramp:20ppm", 60, mend=True)),
    Scenario("false leap second announced", lies.false_leap),
    Scenario("further pulses", lies.followed("pps-extra:30%", 30)),
    Scenario("pulses missing", lies.followed("pps-miss:30%", 30)),
    Scenario("one server lies by +200 ms", lies.followed("ntp-liar:+200ms", 40, "ntp:")),
    Scenario("endurance", endurance.endures, short=True),
    Scenario("chronyd steers by SOCK", way.steers_by_sock, short=True),
    Scenario("NMEA in place of UBX", nmea.nmea),
    Scenario("receiver on USB", usb.usb),
    Scenario("RTC rewritten", host.rtc_rewritten),
    Scenario("root sets the clock by +300 ms", host.root_sets_the_clock),
    Scenario("chronyc makestep", host.makestep),
    Scenario("chronyd killed in mid-slew", host.chronyd_killed),
    Scenario("refclock killed five times", host.killed_repeatedly, short=True),
    Scenario("disk full", host.disk_full),
    Scenario("gpsd beside it", host.gpsd_beside),
    Scenario("booted without its receiver on USB", usb.missing_at_boot),
    Scenario("reboot in an attack", host.reboots(hard=False)),
    Scenario("reset in an attack", host.reboots(hard=True)),
    Scenario("a server's library, the clock set by root", kerberos.library),
    Scenario("set back as refclock setback leads", kerberos.set_back),
    Scenario("machine paused for 5 s", host.paused(5)),
    Scenario("machine paused for 10 min", host.paused(600), long=True),
    # The last one, for it is another year afterwards.
    Scenario("real leap second", leap.leap_second, long=True),
)
