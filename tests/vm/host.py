"""Scenarios in which the host itself is what is attacked: its clocks, its daemons, its disk, its power."""

import time
from collections.abc import Callable

from refclock.units import NS_PER_MS
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
    bench.run("hwclock --set --date='1 hour' --noadjfile --utc")
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
    """The machine is stopped and goes on: its counter stood still, the battery clock did not."""

    def run(bench: Bench) -> str:
        bench.settled()
        before = bench.status()
        bench.machine.qmp("stop")
        time.sleep(seconds)
        bench.machine.qmp("cont")
        bench.rest(1)
        mark = bench.recorder.mark()
        began = time.monotonic()
        status = bench.until(
            "it is noticed",
            lambda told: (
                told["mode"] != before["mode"] or told["last_accusation"] != before["last_accusation"]
            ),
            60,
        )
        took_s = time.monotonic() - began + 1
        said = str(status.get("last_accusation") or status["mode_reason"])
        bench.rest(5)
        figures = judge(*bench.recorder.since(mark))
        assert figures.back_ns == 0
        bench.kdc_runs()
        # chronyd ignores more than a second (maxchange), so somebody must set the clock: forward, which no
        # ticket minds.
        bench.run("systemctl stop chrony")
        bench.run(f"date -s @{bench.stage.truth.now_ns() / 1e9:.3f} >/dev/null; systemctl start chrony")
        bench.fed(240)
        return f"noticed after {took_s:.0f} s: {said}; clock {figures.last_ns / 1e9:+.3f} s off until set"

    return run


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
    """gpsd is started on the same line: nothing false is fed, and without it all is well again."""
    bench.settled()
    mark = bench.recorder.mark()
    bench.run("gpsd -n -b /dev/ttyS1")
    bench.rest(30)
    status = bench.status()
    said = f"{status['mode']} ({status['mode_reason']})"
    bench.run("kill $(pidof gpsd)")
    bench.run(f"systemctl restart refclock-pps@{site.NAME} {site.UNIT}")
    bench.fed()
    figures = check(since(bench, mark))
    bench.kdc_runs()
    return f"{said}; {figures}"
