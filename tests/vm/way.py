"""Scenarios of the way in and the way out: installation, boot, the KDC that waits, chronyd that steers."""

import time

from refclock.units import NS_PER_MS, NS_PER_S
from tests.vm import site
from tests.vm.bench import TOLERANCE_NS, Bench, check, off_ns, since
from tests.vm.image import HOME

_SQUAT = (
    "import sysv_ipc, sys; "
    "sysv_ipc.SharedMemory(0x4e545030 + {unit}, sysv_ipc.IPC_CREX, mode=0o{mode}, size={size})"
)


def installs(bench: Bench) -> str:
    """From the wheel, as docs/guide.md has it; the units are started by the next boot."""
    machine = bench.machine
    site.network(machine)
    # docs/guide.md, section 4: the battery clock is set once. QEMU's begins up to a second behind.
    machine.run(
        f"date -s @{(bench.stage.truth.now_ns() + NS_PER_S // 50) / 1e9:.3f} && hwclock --systohc --utc"
    )
    told = site.install(machine, bench.wheel)
    wrote = sum(line.startswith("wrote") for line in told.splitlines())
    assert wrote >= 12, told
    machine.run(f"systemctl stop {site.UNIT}", check=False)
    machine.run(f"rm -rf {site.STATE}/*")
    site.configure(machine, "ubx", bench.servers, site.BY_SHM)
    site.realm(machine)
    machine.run(f"systemctl enable refclock-shm {site.UNIT} refclock-pps@{site.NAME} krb5-kdc")
    assert bench.run(f"readlink -f /dev/refclock/{site.NAME}") == "/dev/ttyS1"
    return f"{wrote} files, /dev/refclock/{site.NAME} by an enrolment"


def kdc_waits(bench: Bench) -> str:
    """Booted with the receiver silent and no server answering, the KDC waits; with servers it comes up."""
    stage = bench.stage
    stage.voice, stage.pulse_wire = "silence", False
    try:
        with bench.attack("ntp-silence"):
            bench.machine.reboot()
            held_s = _held(bench)
        began = time.monotonic()
        bench.wait("krb5-kdc runs", "systemctl is-active krb5-kdc", 120)
        took_s = time.monotonic() - began
        status = bench.until("established by servers and RTC", lambda told: told["established"] is True)
        assert sorted(status["established_by"]) == ["ntp", "rtc"], status["established_by"]
        # Now, for what is learnt in the first dwell, of seconds, would be far off.
        site.enroll(bench.machine)
        ticket = site.kinit(bench.machine)
        assert f"krbtgt/{site.REALM}@{site.REALM}" in ticket, ticket
    finally:
        stage.voice, stage.pulse_wire = "receiver", True
    return f"held for {held_s:.0f} s; up {took_s:.0f} s after the servers answered; kinit has a ticket"


def _held(bench: Bench) -> float:
    """For how long the KDC was seen to wait, with the battery clock for its only witness."""
    what = "systemctl status refclock-wait | grep -q 'Status: \"waiting: no two of'"
    bench.wait("refclock-wait says what for", what)
    began = time.monotonic()
    while time.monotonic() < began + 15:
        state = bench.run("systemctl is-active krb5-kdc", check=False)
        assert state == "inactive", f"krb5-kdc is {state} while nobody vouches for the time"
        bench.rest(1)
    assert "krb5-kdc.service" in bench.run("systemctl list-jobs --no-legend")
    assert bench.machine.run("echo x | kinit user", check=False).status != 0
    return time.monotonic() - began


def steers_by_shm(bench: Bench) -> str:
    """chronyd under Debian's own unit follows the segment, and the guest's clock comes to true time."""
    mark = bench.recorder.mark()
    bench.enrolled()
    bench.fed()
    facts = bench.run("ipcs -m -i $(ipcs -m | awk '/0x4e545044/{print $2}')")
    assert "mode=0600" in facts.replace(" ", "").replace("access_perms=0600", "mode=0600"), facts
    return _steers(bench, mark)


def _steers(bench: Bench, mark: tuple[int, int]) -> str:
    began = time.monotonic()

    bench.until("chronyd has it at true time", lambda told: abs(off_ns(told)) < 2 * NS_PER_MS, 300)
    took_s = time.monotonic() - began
    sources = bench.wait("chronyd selects RCLK", "chronyc -n sources | grep '^#\\* RCLK'")
    check(since(bench, mark), bounded=False)
    mark = bench.recorder.mark()
    bench.rest(20)
    figures = check(since(bench, mark))
    assert abs(figures.worst_ns) - figures.known_ns <= TOLERANCE_NS, str(figures)
    assert sources.startswith("#* RCLK")
    return f"there within {took_s:.0f} s; then {figures}"


def refuses_foreign_segments(bench: Bench) -> str:
    """A squatter's segment, a foreign one and one that is too small are refused, and chronyd is not started
    on them; of ours others get EACCES."""
    stop = f"systemctl stop {site.UNIT} chrony refclock-shm; systemctl reset-failed; ipcrm -M 0x4e545044"
    denied = bench.machine.run(
        f"setpriv --reuid=nobody --regid=nogroup --clear-groups {HOME}/bin/python -c "
        "'import sysv_ipc; sysv_ipc.SharedMemory(0x4e545044)'", check=False)  # fmt: skip
    assert denied.status != 0
    assert "ermission" in denied.output, denied.output
    try:
        for who, mode, size in (("nobody", "666", 96), ("nobody", "600", 96), ("root", "600", 32)):
            bench.run(stop, check=False)
            code = _SQUAT.format(unit=site.SHM_UNIT, mode=mode, size=size)
            bench.run(f"setpriv --reuid={who} --clear-groups {HOME}/bin/python -c '{code}'")
            assert bench.machine.run("systemctl start chrony", check=False).status != 0, (
                f"{who} {mode} {size}"
            )
            assert bench.run("systemctl is-active chrony", check=False) != "active"
            message = bench.words("refclock-shm.service", 8)
            assert "SHM unit 20 (key 0x4e545044): " in message, message
            assert "remove it with `ipcrm" in message, message
    finally:
        bench.run(stop, check=False)
        bench.run(f"systemctl start chrony {site.UNIT}")
    bench.fed()
    return "squatter, foreign and small one refused, chronyd not started on them; of ours nobody gets EACCES"


def steers_by_sock(bench: Bench) -> str:
    """The same over chrony's socket, which belongs to root and refclock's group alone."""
    bench.settled()
    mark = bench.recorder.mark()
    bench.run(f"systemctl stop {site.UNIT} chrony refclock-shm; ipcrm -M 0x4e545044", check=False)
    site.configure(bench.machine, "ubx", bench.servers, site.BY_SOCK)
    bench.run(f"systemctl start chrony {site.UNIT}")
    bench.fed()
    mode = bench.run(f"stat -c '%U:%G %a' {site.CHRONY_SOCKET}")
    assert mode in ("root:refclock 660", "_chrony:refclock 660"), mode
    return _steers(bench, mark)
