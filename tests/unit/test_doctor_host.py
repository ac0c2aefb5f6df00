"""What else of a host sets clocks: made-up trees of /proc, units and jobs, and this machine's own /proc."""

import grp
import os
import pwd
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sysv_ipc

from refclock.chrony import jobs, unit
from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.examining import command_lines
from refclock.chrony.host import chronyds, host, owners
from refclock.chrony.processes import CAP_SYS_TIME, processes, sees_all
from refclock.chrony.segments import segments
from refclock.chrony.setters import SETTERS
from refclock.chrony.ways import socket_for
from refclock.finding import FAIL, OK, WARN, Finding
from refclock.wire.chronyconf import parse_text
from refclock.wire.shm import key_of

ALL, TIME_ONLY, NONE = "000001ffffffffff", f"{1 << CAP_SYS_TIME:016x}", "0000000000000000"
KDC = Wanted("kdc")


@pytest.fixture
def proc(tmp_path) -> Callable[..., Path]:
    """A function: adds a process to a root's /proc; the root."""

    def add(
        pid, *argv, name="", caps=ALL, uid=0, ppid=1, cgroup="0::/init.scope", namespace="host", start=100
    ):
        place = tmp_path / "proc" / str(pid)
        (place / "ns").mkdir(parents=True)
        name = name or os.path.basename(argv[0])[:15]
        (place / "status").write_text(
            f"Name:\t{name}\nPPid:\t{ppid}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{caps}\n"
        )
        (place / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in argv))
        (place / "cgroup").write_text(cgroup + "\n")
        (place / "stat").write_text(f"{pid} ({name}) S {ppid} " + "0 " * 17 + f"{start} 0\n")
        (place / "ns/user").symlink_to(f"user:[{namespace}]")
        (tmp_path / "proc/stat").write_text("cpu 1\nbtime 1700000000\n")
        return tmp_path

    add(1, "/sbin/init", name="systemd", ppid=0)
    return add


def told(root: Path, conf: Effective | None = None, wanted: Wanted = KDC) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in host(root, wanted, conf, processes(root), frozenset({0, 990})):
        found.setdefault(one.what, []).append(one)
    return found


@pytest.mark.parametrize(
    ("argv", "caps", "verdict", "said"),
    [
        (("/lib/systemd/systemd-timesyncd",), TIME_ONLY, FAIL, "an SNTP client"),
        (("/usr/sbin/ntpd", "-p", "/run/ntpd.pid"), TIME_ONLY, FAIL, "an NTP daemon"),
        (("/usr/sbin/phc2sys", "-a", "-r"), ALL, FAIL, "follow a network card's"),
        (("/usr/sbin/phc2sys", "-s", "eth0", "-w"), ALL, FAIL, "follow a network card's"),
        (("/usr/sbin/phc2sys", "-a"), ALL, OK, ""),
        (("/usr/sbin/phc2sys", "-s", "CLOCK_REALTIME", "-c", "eth0"), ALL, OK, ""),
        (("/usr/sbin/ptp4l", "-i", "eth0"), ALL, OK, ""),
        (("/usr/sbin/ptp4l", "-S", "-i", "eth0"), ALL, FAIL, "stamps in software"),
        (("/usr/sbin/ts2phc", "-s", "nmea"), ALL, WARN, "network cards' clocks"),
        (("/usr/sbin/VBoxService",), ALL, FAIL, "VirtualBox's agent"),
        (("/usr/sbin/VBoxService", "--disable-timesync"), ALL, OK, ""),
        (("/usr/bin/vmtoolsd",), ALL, WARN, "when the host asks"),
        (("/usr/sbin/qemu-ga",), ALL, WARN, "when the host asks"),
        (("/usr/sbin/qemu-ga", "--block-rpcs=guest-set-time"), ALL, OK, ""),
        (("/usr/sbin/qemu-ga", "-b", "guest-exec,guest-set-time"), ALL, OK, ""),
        (("/usr/sbin/qemu-ga", "-b", "guest-exec"), ALL, WARN, "when the host asks"),
        (("/usr/sbin/qemu-ga", "--allow-rpcs=guest-info"), ALL, OK, ""),
        (("/usr/sbin/qemu-ga", "--allow-rpcs=guest-info,guest-set-time"), ALL, WARN, "when the host asks"),
        (("/usr/bin/python3.11", "-u", "/usr/sbin/waagent", "-daemon"), ALL, WARN, "Azure's agent"),
        (("/bin/busybox", "ntpd", "-n"), ALL, FAIL, "an NTP daemon"),
        # Without the capability it cannot.
        (("/usr/sbin/ntpd",), NONE, OK, ""),
        (("/usr/sbin/sshd",), ALL, OK, ""),
    ],
)
def test_known_programs_are_named_with_what_they_do(proc, argv, caps, verdict, said):
    root = proc(77, *argv, caps=caps)
    row = told(root)["other clock setters"][0]
    assert row.verdict == verdict
    if verdict != OK:
        assert said in row.found
        assert "(pid 77)" in row.found
        assert row.mend


def test_whoever_was_given_the_capability_on_purpose(proc):
    proc(80, "/usr/local/bin/setclock", caps=TIME_ONLY, uid=1000)
    proc(81, "/usr/bin/app", caps=TIME_ONLY, cgroup="0::/system.slice/docker-0123456789ab.scope")
    proc(82, "/usr/bin/boss", cgroup="0::/kubepods/pod1/0123")
    root = proc(83, "/usr/sbin/sshd")
    rows = told(root)["CAP_SYS_TIME"]
    assert [(row.verdict, row.found.split()[0]) for row in rows[:3]] == [
        (WARN, "setclock"), (WARN, "app"), (WARN, "boss"),
    ]  # fmt: skip
    assert "container (docker)" in rows[1].found
    assert "privileged" in rows[2].found
    assert rows[3].found == "2 programs have it with every other privilege: sshd, systemd"
    assert rows[3].verdict == OK


def test_a_user_namespace_s_root_sets_no_clock(proc):
    root = proc(90, "/usr/sbin/ntpd", namespace="its own")
    assert told(root)["other clock setters"][0].verdict == OK


def test_the_kernel_s_threads_do_not_count(proc):
    proc(2, name="kthreadd", ppid=0)
    root = proc(40, name="kworker/0:1", ppid=2)
    assert [one.pid for one in processes(root)] == [1]


def test_chronyds(proc):
    proc(50, "/usr/sbin/chronyd", "-F", "1", caps=TIME_ONLY, uid=110)
    # With -F it has a child with the same capabilities, which looks names up.
    proc(51, "/usr/sbin/chronyd", "-F", "1", caps=TIME_ONLY, uid=110, ppid=50)
    proc(52, "/usr/sbin/chronyd", "-x", "-d")
    root = proc(53, "/usr/sbin/chronyd", "-p")
    assert [one.pid for one in chronyds(processes(root))] == [50]
    assert told(root)["other clock setters"][0].verdict == OK
    proc(54, "/usr/sbin/chronyd", "-f", "/etc/other.conf")
    row = told(root)["other clock setters"][0]
    assert (row.verdict, "2 chronyds" in row.found) == (FAIL, True)


def test_when_a_process_started_is_told(proc):
    (_, one) = processes(proc(60, "/bin/x", start=250 * os.sysconf("SC_CLK_TCK")))
    assert one.started_s == 1700000250


def test_hidden_processes_are_no_good_news(tmp_path):
    (tmp_path / "proc").mkdir()
    row = told(tmp_path)["other clock setters"][0]
    assert not row.known
    assert row.mend == "run it as root"


def test_hyper_v(proc):
    root = proc(5, "/bin/sh")
    (root / "sys/module/hv_utils").mkdir(parents=True)
    assert "Hyper-V" in told(root)["other clock setters"][0].found


def test_this_machine_s_own_processes():
    found = {one.pid: one for one in processes(Path("/"))}
    us = found[os.getpid()]
    assert us.argv
    assert us.uid == os.getuid()
    assert us.started_s > 1_600_000_000
    assert sees_all(Path("/"))
    assert not any(one.name == "kthreadd" for one in found.values())
    list(host(Path("/"), KDC, None, list(found.values()), owners(["no-such-user"])))


def unit_file(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)


def test_the_unit_s_command_line_with_its_environment(tmp_path):
    unit_file(
        tmp_path, "lib/systemd/system/chrony.service",
        "[Unit]\nDescription=x\n[Service]\nEnvironmentFile=-/etc/default/chrony\nEnvironment=A=b \"C=d e\"\n"
        "ExecStart=!/usr/sbin/chronyd $DAEMON_OPTS -u ${A} \\\n -n\n",
    )  # fmt: skip
    unit_file(tmp_path, "etc/default/chrony", '# x\nDAEMON_OPTS="-F 1 -q"\n')
    found = unit.chrony_unit(tmp_path)
    assert found is not None
    assert found.command == ("/usr/sbin/chronyd", "-F", "1", "-q", "-u", "b", "-n")
    (command,) = command_lines(tmp_path, [])
    assert command.flags == {"q", "n"}
    assert command.origin == "chrony.service"


def test_drop_ins_override_and_reset(tmp_path):
    unit_file(tmp_path, "lib/systemd/system/chrony.service", "[Service]\nExecStart=/usr/sbin/chronyd -F 1\n")
    unit_file(tmp_path, "usr/lib/systemd/system/chrony.service.d/a.conf", "[Service]\nRestart=always\n")
    unit_file(tmp_path, "etc/systemd/system/chrony.service.d/a.conf", "[Service]\nRestart=on-failure\n")
    unit_file(
        tmp_path, "etc/systemd/system/chrony.service.d/b.conf",
        "[Service]\nExecStart=\nExecStart=/usr/sbin/chronyd -R\n[Install]\nRestart=no\n",
    )  # fmt: skip
    found = unit.chrony_unit(tmp_path)
    assert found is not None
    assert found.command == ("/usr/sbin/chronyd", "-R")
    assert found.last("Restart") == "on-failure"
    assert len(found.files) == 3
    assert told(tmp_path)["chrony's unit"][0].verdict == OK


def test_the_chronyd_that_runs_and_its_unit_are_both_judged(proc):
    root = proc(50, "/usr/sbin/chronyd", "-F", "1", caps=TIME_ONLY)
    unit_file(root, "lib/systemd/system/chrony.service", "[Service]\nExecStart=/usr/sbin/chronyd -F 1\n")
    assert len(command_lines(root, chronyds(processes(root)))) == 1
    unit_file(root, "lib/systemd/system/chrony.service", "[Service]\nExecStart=/usr/sbin/chronyd -s\n")
    assert [one.origin for one in command_lines(root, chronyds(processes(root)))] == [
        "chronyd (pid 50)", "chrony.service",
    ]  # fmt: skip


def test_a_unit_that_is_masked_or_absent(tmp_path):
    assert not told(tmp_path)["chrony's unit"][0].known
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    (tmp_path / "etc/systemd/system/chrony.service").symlink_to("/dev/null")
    unit_file(tmp_path, "lib/systemd/system/chrony.service", "[Service]\n")
    assert unit.chrony_unit(tmp_path) is None


def test_a_unit_that_leaves_a_killed_chronyd_dead(tmp_path):
    unit_file(tmp_path, "lib/systemd/system/chronyd.service", "[Service]\nPrivateIPC=yes\n")
    rows = told(tmp_path)["chrony's unit"]
    assert [row.verdict for row in rows] == [WARN, WARN]
    assert "leaves its slew in the kernel" in rows[0].found
    assert "hides refclock's segment" in rows[1].found


def test_enabled_rivals(tmp_path):
    unit_file(tmp_path, "lib/systemd/system/systemd-timesyncd.service")
    unit_file(tmp_path, "lib/systemd/system/phc2sys@.service")
    wants = tmp_path / "etc/systemd/system/multi-user.target.wants"
    wants.mkdir(parents=True)
    for name in ("systemd-timesyncd.service", "phc2sys@eth0.service", "ntp.service"):
        (wants / name).symlink_to("/lib/systemd/system/whatever")
    rows = told(tmp_path)["enabled units"]
    # ntp's package was removed and left its link.
    assert {row.found.split()[0] for row in rows} == {"systemd-timesyncd.service", "phc2sys@eth0.service"}
    assert all(row.verdict == WARN for row in rows)


@pytest.mark.parametrize(
    ("path", "text", "does"),
    [
        ("etc/cron.daily/time", "#!/bin/sh\n/usr/sbin/ntpdate -u pool.ntp.org\n", jobs.SETS),
        ("etc/crontab", "0 * * * * root chronyc -a makestep\n", jobs.SETS),
        ("etc/cron.d/x", "0 * * * * root rdate -s time.example\n", jobs.SETS),
        ("var/spool/cron/crontabs/root", "@reboot date -s '2020-01-01'\n", jobs.SETS),
        ("etc/network/if-up.d/ntpsec-ntpdate", "ntpdig -S pool\n", jobs.SETS),
        ("etc/rc.local", "hwclock --hctosys\n", jobs.SETS),
        ("etc/rc.local", "hwclock -s -u\n", jobs.SETS),
        ("etc/cron.hourly/rtc", "hwclock -w\n", jobs.WRITES_RTC),
        ("etc/cron.hourly/rtc", "/sbin/hwclock --systohc --utc\n", jobs.WRITES_RTC),
        ("etc/cron.hourly/fake-hwclock", "#!/bin/sh\nfake-hwclock save\n", jobs.RESTORES),
        ("etc/cron.d/x", "chronyd -q 'server a'\n", jobs.SETS),
        ("etc/cron.d/x", "sntp -S pool.ntp.org\n", jobs.SETS),
        ("etc/cron.d/x", "#ntpdate pool\n", None),
        ("etc/cron.d/x", "hwclock --show; date --iso-8601=seconds\n", None),
        ("etc/cron.d/x", "date +%s -d now >/update-sources\n", None),
        ("etc/network/if-up.d/chrony", "chronyc onoffline > /dev/null\n", None),
    ],
)
def test_jobs_that_set_a_clock(tmp_path, path, text, does):
    unit_file(tmp_path, path, text)
    found, closed = jobs.jobs(tmp_path)
    assert [one.does for one in found] == ([does] if does else [])
    assert closed == []
    rows = told(tmp_path)
    worst = {jobs.SETS: FAIL, jobs.RESTORES: WARN}.get(does or "", OK)
    assert rows["jobs"][0].verdict == worst
    assert rows["RTC's writers"][0].verdict == (WARN if does == jobs.WRITES_RTC else OK)
    if does:
        assert f"/{path}:" in found[0].place


def test_units_and_timers_that_set_a_clock(tmp_path):
    text = "[Service]\nExecStart=/usr/sbin/ntpdate pool\n"
    for name in ("once.service", "timed.service", "idle.service"):
        unit_file(tmp_path, f"lib/systemd/system/{name}", text)
    unit_file(tmp_path, "lib/systemd/system/timed.timer")
    for link in ("multi-user.target.wants/once.service", "timers.target.wants/timed.timer"):
        (tmp_path / "etc/systemd/system" / link).parent.mkdir(parents=True)
        (tmp_path / "etc/systemd/system" / link).symlink_to("/x")
    found, _ = jobs.jobs(tmp_path)
    assert sorted(one.place for one in found) == [
        "/lib/systemd/system/once.service:2", "/lib/systemd/system/timed.service:2",
    ]  # fmt: skip


def test_jobs_that_may_not_be_read(tmp_path, monkeypatch):
    unit_file(tmp_path, "etc/cron.d/x", "x")

    def closed(_path: Path, *_how: str) -> str:
        raise PermissionError

    monkeypatch.setattr(Path, "read_text", closed)
    assert jobs.jobs(tmp_path) == ([], ["/etc/cron.d/x"])


COLUMNS = "key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime"


def shm(root: Path, *rows: tuple[int, str, int, int]) -> None:
    lines = [
        f"{unit_to_signed(key_of(number)):10} 7 {perms:>5} 96 321 0 1 {uid} 0 {cuid} 0 0 0\n"
        for number, perms, uid, cuid in rows
    ]
    unit_file(
        root, "proc/sysvipc/shm", f"       {COLUMNS}\n" + "".join(lines) + "-1 8 600 4 1 1 1 0 0 0 0 0 0\n"
    )


def unit_to_signed(key: int) -> int:
    return key - (1 << 32) if key >= 1 << 31 else key


def reads(*lines: str) -> Effective:
    return Effective("x", parse_text("\n".join(lines), "x"))


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        ((20, "600", 990, 0), OK),
        ((20, "600", 0, 0), OK),
        ((20, "666", 990, 0), FAIL),
        ((20, "620", 990, 0), FAIL),
        ((20, "600", 1000, 1000), FAIL),
        ((20, "600", 990, 1000), FAIL),
        ((2, "666", 1000, 1000), OK),
    ],
)
def test_segments_that_chrony_reads(tmp_path, row, verdict):
    shm(tmp_path, row)
    found = told(tmp_path, reads("refclock SHM 20 refid RCLK"))["SHM segments"][0]
    assert found.verdict == verdict
    if verdict == FAIL:
        assert f"ipcrm -M 0x{key_of(20):08x}" in found.mend
        assert "process 321" in found.mend


def test_gpsd_s_segments_when_chrony_reads_them(tmp_path):
    shm(tmp_path, (0, "600", 0, 0), (2, "666", 1000, 1000))
    assert [one.unit for one in segments(tmp_path, ()) or []] == [0, 2]
    rows = told(tmp_path, reads("refclock SHM 0", "refclock SHM 2"))["SHM segments"]
    assert [row.verdict for row in rows] == [FAIL, OK]
    assert told(tmp_path, reads())["SHM segments"][0].found.endswith("chrony does not read it")


@pytest.mark.parametrize("text", [None, "", "what is this\n1 2 3\n"])
def test_segments_that_cannot_be_listed(tmp_path, text):
    if text is not None:
        unit_file(tmp_path, "proc/sysvipc/shm", text)
    assert not told(tmp_path)["SHM segments"][0].known


def test_setters_are_told_apart_by_names_that_the_kernel_cuts():
    assert all(setter.names and setter.does and setter.mend for setter in SETTERS)
    names = [name for setter in SETTERS for name in setter.names]
    assert len(names) == len(set(names))
    assert owners([]) == {0}


@pytest.fixture
def sock(tmp_path) -> Iterator[Path]:
    place = Path(tempfile.mkdtemp(prefix="d-"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(place / "s"))
        yield place / "s"
    shutil.rmtree(place)


def test_who_may_write_to_chrony_s_socket(sock):
    us = pwd.getpwuid(os.geteuid()).pw_name
    other = "nobody" if us != "nobody" else "daemon"
    sock.chmod(0o600)
    assert socket_for(str(sock), KDC, us).verdict == OK
    row = socket_for(str(sock), KDC, other)
    assert (row.verdict, f"{other} may not write to it" in row.found) == (FAIL, True)
    assert socket_for(str(sock), KDC, "no-such-user").verdict == FAIL
    sock.chmod(0o666)
    assert "anybody may write to it" in socket_for(str(sock), KDC, us).found
    assert not socket_for(f"{sock}.none", KDC, us).known


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a socket to another group")
def test_a_socket_that_the_drop_in_gave_away(sock):
    os.chown(sock, 0, grp.getgrnam("nogroup").gr_gid)
    sock.chmod(0o660)
    assert socket_for(str(sock), KDC, "nobody").verdict == OK
    sock.chmod(0o640)
    assert socket_for(str(sock), KDC, "nobody").verdict == FAIL


@pytest.mark.parametrize(
    ("cgroup", "container"),
    [
        ("0::/system.slice/docker-0123456789abcdef.scope", "docker"),
        ("4:memory:/docker/0123456789abcdef", "docker"),
        ("0::/kubepods.slice/pod1/cri-containerd-01.scope", "kubepods"),
        ("0::/machine.slice/libpod-01.scope", "machine"),
        ("0::/lxc.payload.a/system.slice/x.service", "lxc"),
        # The engines themselves.
        ("0::/system.slice/docker.service", ""),
        ("0::/system.slice/containerd.service", ""),
        ("0::/system.slice/lxcfs.service", ""),
    ],
)
def test_containers_are_told_by_their_cgroup(proc, cgroup, container):
    (_, one) = processes(proc(70, "/bin/x", cgroup=cgroup))
    assert one.container == container


def test_a_real_segment_that_anybody_may_write():
    """Under a unit that nothing else uses, and removed again."""
    number = 214
    made = sysv_ipc.SharedMemory(key_of(number), sysv_ipc.IPC_CREX, mode=0o666, size=96)
    try:
        made.detach()
        (found,) = [one for one in segments(Path("/"), (number,)) or [] if one.unit == number]
        assert (found.mode, found.uid, found.maker) == (0o666, os.geteuid(), os.getpid())
        assert found.is_open
    finally:
        made.remove()
