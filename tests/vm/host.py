"""Scenarios in which the host itself is what is attacked: its clocks, its daemons, its disk, its power."""

import time
from collections.abc import Callable

from refclock.units import NS_PER_MS, NS_PER_S
from tests.vm import site
from tests.vm.bench import Bench, Status, check, off_ns, since
from tests.vm.record import judge

_NEAR_NS = 10 * NS_PER_MS


def _counted(reason: str, before: Status) -> Callable[[Status], bool]:
    """Whether a reason was given since a status."""
    already = before["counters"].get(reason, 0)
    return lambda told: told["counters"].get(reason, 0) > already


def rtc_rewritten(bench: Bench) -> str:
    """Root sets the battery clock an hour ahead: named, no witness any more, and nothing false is fed."""
    bench.settled()
    mark = bench.recorder.mark()
    bench.run("hwclock --set --date='+1 hour' --noadjfile --utc")
    try:
        status = bench.until("the RTC is named", lambda told: "rtc" in str(told["last_accusation"]), 60)
        bench.until("degraded", lambda told: told["mode"] == "degraded", 60)
        bench.rest(5)
        figures = check(since(bench, mark))
    finally:
        bench.run("hwclock --systohc --noadjfile --utc")
    bench.kdc_runs()
    # It is a witness again after a restart, which is an operator's.
    bench.run(f"systemctl restart {site.UNIT}")
    bench.fed()
    return f"{status['last_accusation']}; degraded; {figures}"


def root_sets_the_clock(bench: Bench) -> str:
    """``date -s`` by 300 ms: seen at once, programs are told no wrong time, and chronyd slews it back."""
    bench.settled()
    before = bench.status()
    bench.run("date -s '+0.3 seconds' >/dev/null")
    bench.rest(1)  # root's own step is not what is judged
    mark = bench.recorder.mark()
    status = bench.until("the step is seen", _counted("clock-step", before), 30)
    bench.fed()
    bench.until("chronyd has slewed it back", lambda told: abs(off_ns(told)) < _NEAR_NS, 180)
    figures = check(since(bench, mark), bounded=False)
    bench.kdc_runs()
    bench.fed()
    return f"clock-step seen ({status['mode']}), slewed back; {figures}"


def makestep(bench: Bench) -> str:
    """``chronyc makestep`` while 300 ms are slewed back steps the clock back: root's own doing, and seen."""
    bench.settled()
    bench.run("date -s '+0.3 seconds' >/dev/null")
    bench.rest(8)
    before = bench.status()
    mark = bench.recorder.mark()
    bench.run("chronyc makestep")
    bench.until("the step is seen", _counted("clock-step", before), 30)
    bench.fed()
    bench.rest(2)
    figures = judge(*bench.recorder.since(mark))
    assert figures.outside == 0, f"programs were told a wrong time {figures.outside} times"
    bench.kdc_runs()
    back_ms = figures.back_ns / NS_PER_MS
    return f"the clock went back by {back_ms:.0f} ms, clock-step seen, programs' time stayed right"


def chronyd_killed(bench: Bench) -> str:
    """chronyd is killed in mid-slew: the kernel goes on with it, refclock says so, and chronyd, which systemd
    starts again, takes it back."""
    bench.settled()
    before = bench.status()
    bench.run("date -s '-0.3 seconds' >/dev/null")
    bench.rest(1)
    mark = bench.recorder.mark()
    bench.wait("chronyd slews", "chronyc -c tracking | awk -F, '{exit !($5*$5 > 0.01)}'", 60)
    bench.run("systemctl kill -s KILL --kill-who=main chrony")
    status = bench.until("it is said", _counted("slew-left", before), 60)
    alarm = "slew-left" in status["counters"]
    bench.fed()
    bench.until("the new one has brought it back", lambda told: abs(off_ns(told)) < _NEAR_NS, 300)
    figures = check(since(bench, mark), bounded=False)
    assert alarm
    bench.kdc_runs()
    return f"slew-left said, a new chronyd took it back; {figures}"


def paused(seconds: int) -> Callable[[Bench], str]:
    """The machine is stopped and goes on: its counter stood still, the battery clock did not. Trust begins
    anew, and an alarm says by how much the clock is behind, which chronyd ignores (maxchange): somebody sets
    it forward, as docs/runbooks/clock-behind.md says."""

    def run(bench: Bench) -> str:
        bench.settled()
        bench.machine.qmp("stop")
        time.sleep(seconds)
        mark = bench.recorder.mark()
        bench.machine.qmp("cont")
        status = bench.until("trust begins anew", lambda told: told["mode"] == "acquiring", 60)
        told_ns = _told_wrong_ns(bench, mark)
        noticed = bench.recorder.mark()
        status = bench.until("the alarm", lambda told: _behind_ns(told) > 0, 60)
        bench.rest(10)
        lost_ns = _behind_ns(bench.status())
        assert abs(lost_ns - seconds * NS_PER_S) < NS_PER_S // 2, f"{lost_ns} ns behind"
        figures = check(since(bench, noticed), bounded=False)
        bench.kdc_runs()
        bench.run("systemctl stop krb5-kdc chrony")
        bench.run(f"date -s '+{lost_ns / NS_PER_S:.2f} seconds' >/dev/null")
        bench.rest(1)
        mark = bench.recorder.mark()
        bench.run("systemctl start chrony krb5-kdc")
        bench.until("the alarm is over", lambda told: not _behind_ns(told), 60)
        bench.fed(240)
        bench.until("chronyd has it at true time", lambda told: abs(off_ns(told)) < _NEAR_NS, 180)
        after = check(since(bench, mark), bounded=False)
        bench.kdc_runs()
        return (
            f"{status['mode_reason']}; programs were told the old time for {told_ns / NS_PER_S:.1f} s; "
            f"clock-behind by {lost_ns / NS_PER_S:.2f} s (seen: {figures.last_ns / NS_PER_S:+.2f} s); "
            f"set forward by that; then {after}"
        )

    return run


def _behind_ns(told: Status) -> int:
    """What the alarm says by how much the clock is behind, 0 where there is none."""
    rows = [one for one in told["system"]["alarms"] if one["reason"] == "clock-behind"]
    return -int(rows[0]["worst_value"]) if rows else 0


def _told_wrong_ns(bench: Bench, mark: tuple[int, int]) -> int:
    """For how long programs were told a time that true time was not in."""
    ties, readings = bench.recorder.since(mark)
    return judge(ties, readings).outside_ns


def reboots(hard: bool) -> Callable[[Bench], str]:
    """In the middle of an attack that has locked: the lock is still there afterwards."""

    def run(bench: Bench) -> str:
        bench.settled()
        with bench.attack("step:+100ms"):
            bench.until("locked", lambda told: told["mode"] == "locked", 120)
            if hard:
                bench.rest(2)
            mark = bench.recorder.mark()
            bench.machine.reboot(hard)
            bench.until("still locked", lambda told: told["mode"] == "locked", 60)
        bench.rest(3)
        assert bench.status()["mode"] == "locked"
        bench.wait("krb5-kdc runs", "systemctl is-active krb5-kdc", 180)
        figures = check(since(bench, mark), bounded=False)
        bench.rearm()
        bench.fed()
        return f"locked before and after, the KDC is up; {figures}"

    return run


def killed_repeatedly(bench: Bench) -> str:
    """kill -9, five times: systemd starts it again, and what it had learnt is still there."""
    bench.settled()
    mark = bench.recorder.mark()
    for _ in range(5):
        bench.run(f"systemctl kill -s KILL {site.UNIT}")
        bench.rest(5)
    bench.fed(180)
    figures = check(since(bench, mark))
    assert bench.run(f"systemctl is-active {site.UNIT}") == "active"
    bench.kdc_runs()
    restarts = bench.run(f"systemctl show -P NRestarts {site.UNIT}")
    return f"{restarts} restarts, feeds again; {figures}"


def disk_full(bench: Bench) -> str:
    """The disk is full: seconds are fed on, the capture is dropped and says so."""
    bench.settled()
    mark = bench.recorder.mark()
    before = bench.status()["counters"]["published"]
    bench.run(
        "fallocate -l $(df --output=avail -B1 / | tail -1) /var/full; dd if=/dev/zero of=/var/fuller bs=4k",
        check=False,
    )
    try:
        bench.rest(25)
        status = bench.status()
        fed = status["counters"]["published"] - before
        assert fed >= 15, f"only {fed} seconds were fed in 25 s"
        capture = str(status["daemon"]["capture"])
        figures = check(since(bench, mark))
    finally:
        bench.run("rm -f /var/full /var/fuller")
    assert capture.startswith("dropped"), capture
    bench.kdc_runs()
    bench.run(f"systemctl restart {site.UNIT}")
    bench.fed()
    return f"{fed} s fed in 25 s, capture {capture}; {figures}"


def gpsd_beside(bench: Bench) -> str:
    """gpsd finds the line taken and lets it be; where gpsd was there first, refclock says so and lets it be,
    and goes on by itself once gpsd is gone."""
    gpsd, gone = "gpsd -n -b -F /run/gpsd.control /dev/ttyS1", "kill $(pidof gpsd)"
    bench.settled()
    mark = bench.recorder.mark()
    before = bench.status()["counters"]["published"]
    bench.run(gpsd)
    bench.rest(15)
    fed = bench.status()["counters"]["published"] - before
    assert fed >= 8, f"only {fed} seconds were fed in 15 s"
    assert "already opened by another process" in bench.run("journalctl _COMM=gpsd -n 5 -o cat --no-pager")
    bench.run(gone)
    bench.run(f"systemctl stop {site.UNIT} refclock-pps@{site.NAME}; {gpsd}")
    bench.wait("gpsd has the line", "ls -l /proc/$(pidof gpsd)/fd | grep -w ttyS1")
    bench.run(f"systemctl start {site.UNIT}; systemctl --no-block start refclock-pps@{site.NAME}")

    def refused(told: Status) -> bool:
        return "in use by another" in told["daemon"]["ports"]["gps0"]["reason"]

    bench.until("refclock says that the line is in use", refused, 30)
    bench.rest(5)
    assert not bench.status()["counters"].get("published"), "fed beside gpsd"
    bench.run(gone)
    bench.fed(120)
    figures = check(since(bench, mark))
    bench.kdc_runs()
    return f"{fed} of 15 s fed, gpsd lets the line be; the other way about too, back by itself; {figures}"
