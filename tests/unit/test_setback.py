"""The parts of a set-back that need no KDC: what runs, what is recorded, what counts as changed."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from refclock import cli, install
from refclock.errors import PortError, TimeUnavailableError
from refclock.kerberos import ReplayCache, UptimeClock
from refclock.kerberos.uptime import Mark
from refclock.policy import PROFILES
from refclock.ports import stamp
from refclock.setback import dependents, processes, telling
from refclock.setback.caches import Cache, find
from refclock.setback.clock import RIGHT_NS, WORTH_NS, Anchor, Opinion, by_status
from refclock.setback.dependents import Dependent, dependent_of, in_order, scan
from refclock.setback.keys import (
    DATABASE,
    Commands,
    Keys,
    in_keytab,
    is_cross_realm,
    keys_of,
    read_keytab,
    speakable,
    unchanged,
    without_old,
)
from refclock.setback.processes import Socket
from refclock.setback.record import BEGUN, DONE, FINISHED, UNDONE, Record, RecordError
from refclock.setback.site import role_of
from refclock.setback.steps import STEPS, Options, progress
from refclock.units import NS_PER_S, PPT_PER_PPM
from refclock.wire.keytab import KeytabEntry
from tests.unit.test_keytab import key_record, keytab
from tests.unit.test_keytab import record as key_of

SALT = bytes(16)

# ---- what runs and listens ----------------------------------------------------------------------------


@pytest.fixture
def proc(tmp_path):
    """A function that makes a process in a /proc of our own."""
    (tmp_path / "net").mkdir()

    def make(pid, *command, comm="", cgroup="", inodes=()):
        home = tmp_path / str(pid)
        (home / "fd").mkdir(parents=True)
        (home / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in command))
        (home / "comm").write_text(f"{comm or os.path.basename(command[0])[:15]}\n")
        (home / "cgroup").write_text(f"0::{cgroup}\n")
        for number, inode in enumerate(inodes):
            (home / "fd" / str(number)).symlink_to(f"socket:[{inode}]")
        return tmp_path

    return make


def listening(root, table, *rows):
    """``rows``: address and port in hexadecimal, state, inode."""
    lines = ["  sl  local_address rem_address   st ..."]
    for number, (place, state, inode) in enumerate(rows):
        lines.append(
            f"   {number}: {place} 00000000:0000 {state} 00000000:00000000 00:00000000 0 0 0 {inode} 1"
        )
    (root / "net" / table).write_text("\n".join(lines) + "\n")


def test_who_listens_on_kerberos_ports_is_found_by_its_socket(proc):
    root = proc(40, "/usr/sbin/samba", "-D", inodes=[7, 8], cgroup="/system.slice/samba-ad-dc.service")
    proc(41, "/usr/sbin/sshd", inodes=[9])
    listening(root, "tcp", ("0100007F:0058", "0A", 7), ("00000000:0016", "0A", 9), ("0100007F:0058", "01", 6))
    listening(root, "udp6", ("00000000000000000000000001000000:0058", "07", 8))
    (found,) = scan(root=str(root)).dependents
    assert (found.name, found.pids, found.unit) == ("samba", (40,), "samba-ad-dc.service")
    assert str(found) == "samba, pid 40, samba-ad-dc.service, listens on tcp 127.0.0.1:88, udp [::1]:88"
    assert found.stop == "systemctl mask --now samba-ad-dc.service"
    assert found.start == ["systemctl unmask samba-ad-dc.service", "systemctl start samba-ad-dc.service"]
    assert found.is_kdc


def test_a_known_program_counts_without_any_socket(proc):
    root = proc(40, "/usr/sbin/krb5kdc", "-P", "/run/a b", cgroup="/user.slice/user-0.slice/session-1.scope")
    proc(50, "krb5kdc-not")
    (found,) = scan(root=str(root)).dependents
    assert (found.what, found.stop, found.start) == (
        "krb5kdc", "kill 40", ["/usr/sbin/krb5kdc -P '/run/a b'"]
    )  # fmt: skip


def test_processes_of_one_unit_are_one_service_and_kdcs_start_first(proc):
    root = proc(40, "kpropd", cgroup="/system.slice/krb5-kpropd.service")
    proc(41, "krb5kdc", cgroup="/system.slice/krb5-kdc.service")
    proc(42, "krb5kdc", cgroup="/system.slice/krb5-kdc.service")
    proc(43, "kadmind", cgroup="/system.slice/krb5-admin-server.service")
    found = scan(root=str(root)).dependents
    assert [(one.name, one.pids) for one in found] == [
        ("krb5kdc", (41, 42)),
        ("kadmind", (43,)),
        ("kpropd", (40,)),
    ]
    assert role_of(found) == "replica"
    assert role_of(found[:2]) == "kdc"


def test_services_and_ports_that_are_named(proc):
    root = proc(40, "/usr/sbin/apache2", cgroup="/system.slice/apache2.service")
    proc(41, "/usr/bin/mine")
    proc(42, "other", inodes=[7])
    listening(root, "tcp6", ("0000000000000000FFFF00000100007F:1F90", "0A", 7))
    named = scan(["apache2", "mine"], [8080], str(root)).dependents
    assert sorted(one.name for one in named) == ["apache2", "mine", "other"]
    assert named[-1].sockets in ((), (Socket("tcp", "127.0.0.1", 8080),))
    assert scan(["apache2.service"], [], str(root)).dependents[0].name == "apache2"
    assert scan([], [], str(root)).dependents == []


def test_another_users_command_line_is_not_given_to_root():
    mine = Dependent("krb5kdc", "", ("krb5kdc", "-n"), ())
    assert mine.start == ["krb5kdc -n"]
    for theirs in (
        Dependent("krb5kdc", "", ("/home/m/krb5kdc", "-n"), (), uid=1000),
        Dependent("krb5kdc", "", ("krb5kdc", "\x1b[2J\nrm"), ()),
    ):
        (line,) = theirs.start
        assert line.startswith("# as uid ")
        assert line.isprintable()


def test_what_steers_the_clock_without_a_unit():
    chronyd = Dependent("chronyd", "", ("/usr/sbin/chronyd", "-F", "1"), (), (40,))
    assert chronyd.pause == ("kill 40", "/usr/sbin/chronyd -F 1")


def test_a_socket_of_nobodys_is_told_all_the_same(proc):
    root = proc(40, "idle")
    listening(root, "tcp", ("00000000:02ED", "0A", 99), ("damaged",) * 3)
    (found,) = scan(root=str(root)).dependents
    assert str(found) == "a process that cannot be seen, listens on tcp *:749"
    assert found.stop.startswith("ss -lnptu sport = :749")


def test_a_socket_that_systemd_holds_is_not_stopped_by_killing_it(proc):
    root = proc(1, "/sbin/init", comm="systemd", inodes=[7])
    listening(root, "tcp", ("00000000:0058", "0A", 7))
    (found,) = scan(root=str(root)).dependents
    assert found.stop.startswith("systemctl mask --now NAME.socket")


def test_who_can_take_tickets_and_listens_is_pointed_out(proc):
    root = proc(40, "/usr/sbin/sshd", inodes=[7])
    (root / "40" / "maps").write_text("7f00-7f01 r-xp 0 fe:01 1 /usr/lib/libgssapi_krb5.so.2.2\n")
    proc(41, "/usr/sbin/nginx", inodes=[8])
    listening(root, "tcp", ("00000000:0016", "0A", 7), ("00000000:0050", "0A", 8))
    seen = scan(root=str(root))
    assert (seen.dependents, [one.name for one in seen.perhaps]) == ([], ["sshd"])
    assert "sshd, pid 40, listens on tcp *:22" in "\n".join(telling.stop(seen.dependents, seen.perhaps))


def test_whoever_is_known_to_set_clocks_is_stopped_unless_it_was_started_not_to(proc):
    root = proc(40, "/usr/sbin/VBoxService", cgroup="/system.slice/vboxadd-service.service")
    proc(41, "/usr/sbin/ptp4l", "-i", "eth0")
    proc(42, "/usr/sbin/phc2sys", "-s", "CLOCK_REALTIME", "-c", "eth0")
    proc(43, "/usr/sbin/qemu-ga")
    proc(44, "/usr/lib/systemd/systemd-timesyncd", comm="systemd-timesyn")
    found = scan(root=str(root)).steerers
    assert sorted(one.name for one in found) == ["VBoxService", "systemd-timesyncd"]


def test_what_steers_the_clock_is_stopped_while_it_is_set(proc):
    root = proc(40, "/usr/sbin/chronyd", "-F", "1", cgroup="/system.slice/chrony.service")
    seen = scan(root=str(root))
    lines = telling.set_clock(Opinion(29_998_765_432, 10**6, 0, "x"), seen.steerers)
    assert [line.strip() for line in lines if line.startswith("    ")] == [
        "systemctl stop chrony.service",
        "date --utc --set='-29.998 seconds'",
        "systemctl start chrony.service",
    ]
    assert "chronyc makestep" in " ".join(lines)


def test_services_of_a_users_manager_are_not_systemctls(proc):
    root = proc(40, "krb5kdc", cgroup="/user.slice/user-1.slice/user@1.service/app.slice/mine.service")
    assert scan(root=str(root)).dependents[0].unit == ""


def test_our_own_sockets_are_no_services():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        found = scan(ports=[port]).dependents
    assert not any(at.port == port for one in found for at in one.sockets)


def test_another_process_and_its_socket_are_seen_for_real():
    code = (
        "import socket, sys; server = socket.create_server(('127.0.0.1', 0)); "
        "print(server.getsockname()[1], flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as child:
        assert child.stdout is not None
        port = int(child.stdout.readline())
        found, _ = processes.processes()
        (one,) = [one for one in found if one.pid == child.pid]
        child.communicate("")
    assert one.sockets == (Socket("tcp", "127.0.0.1", port),)
    assert one.command[1:] == ("-c", code)


def test_bound_units_where_systemd_does_not_run(monkeypatch, tmp_path):
    monkeypatch.setattr(dependents, "_BOOTED", str(tmp_path / "none"))
    assert dependents.bound_units() == []


def test_bound_units_are_those_of_the_target(monkeypatch, tmp_path):
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho krb5-kdc.service x.socket apache2.service\n")
    (tmp_path / "systemctl").chmod(0o755)
    monkeypatch.setattr(dependents, "_BOOTED", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert dependents.bound_units() == ["krb5-kdc.service", "apache2.service"]


# ---- the record ---------------------------------------------------------------------------------------


@pytest.fixture
def record(tmp_path):
    (tmp_path / "id").write_text("0123456789abcdef\n")
    return Record(str(tmp_path / "setback.jsonl"), str(tmp_path / "id"))


def begin(record, **more):
    service = Dependent("krb5kdc", "krb5-kdc.service", ("krb5kdc",), (Socket("tcp", "*", 88),), (4,))
    opening = {"reason": "a test", "salt": SALT.hex(), "dependents": [service.fields()], **Options().fields()}
    record.add(BEGUN, **{**opening, **more})


def at(record):
    return progress(Record(record.path, f"{os.path.dirname(record.path)}/id").current, record.path)


def test_a_record_is_read_again_as_it_was_written(record):
    anchor = Anchor(Mark(b"b" * 16, 5), 7, 9)
    options = Options(
        "kdc", "R", "a/admin", ("/k",), ("s",), (1,), ("/r",), "/t", "/s", "appserver", True, anchor
    )
    begin(record, **options.fields())
    record.add(DONE, step="stop", choice="")
    found = at(record)
    assert found.options == options
    assert (found.next, found.reason, list(found.done)) == (STEPS[1], "a test", ["stop"])
    assert found.dependents[0].sockets == (Socket("tcp", "*", 88),)
    assert os.stat(record.path).st_mode & 0o777 == 0o600


def test_several_procedures_follow_each_other(record):
    begin(record)
    record.add(FINISHED)
    assert at(record) is None
    begin(record)
    assert at(record).next is STEPS[0]


def test_a_service_that_ran_again_undoes_all_but_new_keys(record):
    begin(record)
    keys = Keys("p@R", "/k", frozenset({1}))
    record.add(DONE, step="stop", choice="")
    record.add(DONE, step="set", choice="", keys=[keys.fields()])
    assert at(record).before == [keys]
    record.add(UNDONE, step="stop", why="it ran", dependents=[])
    assert (at(record).done, at(record).before) == ({}, [])
    record.add(DONE, step="stop", choice="")
    record.add(DONE, step="set", choice="", keys=[keys.fields()])
    record.add(DONE, step="keys", choice="change")
    record.add(UNDONE, step="stop", why="it ran", dependents=[], right=True)
    assert list(at(record).done) == ["set", "keys"]
    record.add(DONE, step="stop", choice="")
    record.add(UNDONE, step="stop", why="it ran on a clock that was ahead again", dependents=[], right=False)
    assert (at(record).done, at(record).before) == ({}, [])


def test_a_clock_that_was_set_before_the_services_were_stopped(record, monkeypatch):
    """What they may have seen is then reckoned with the counter."""
    monkeypatch.setattr(stamp, "now", lambda: (0, 1000 * NS_PER_S, 0))
    begin(record)
    monkeypatch.setattr(stamp, "now", lambda: (60 * NS_PER_S, 1030 * NS_PER_S, 0))
    record.add(DONE, step="stop", choice="")
    assert at(record).latest_ns == 1060 * NS_PER_S
    monkeypatch.setattr("refclock.setback.record.this_boot", lambda: b"another")
    monkeypatch.setattr(stamp, "now", lambda: (0, 1080 * NS_PER_S, 0))
    record.add(DONE, step="stop", choice="")
    assert at(record).latest_ns == 1080 * NS_PER_S


def test_a_clock_that_ran_ahead_again_keeps_the_keys_that_must_change(record):
    begin(record)
    first, second = Keys("p@R", "/k", frozenset({1})), Keys("p@R", "/k", frozenset({2}))
    record.add(DONE, step="stop", choice="")
    record.add(DONE, step="set", choice="", keys=[first.fields()])
    record.add(UNDONE, step="set", why="ahead")
    record.add(DONE, step="set", choice="", keys=[second.fields()])
    assert at(record).before == [first]


@pytest.mark.parametrize("damage", ["cut", "line", "order", "edit", "version", "host", "kind", "garbage"])
def test_what_was_done_to_a_record_is_noticed(record, damage):
    begin(record)
    record.add(DONE, step="stop", choice="")
    record.add(FINISHED)
    with open(record.path, encoding="utf-8") as file:
        lines = file.readlines()
    if damage == "cut":
        lines[-1] = lines[-1][:-1]
    elif damage == "line":
        del lines[1]
    elif damage == "order":
        lines[1], lines[2] = lines[2], lines[1]
    elif damage == "edit":
        lines[1] = lines[1].replace("stop", "keys")
    elif damage == "version":
        lines[0] = lines[0].replace('"refclock_setback": 1', '"refclock_setback": 2')
    elif damage == "kind":
        lines[2] = lines[2].replace("finished", "whatever")
    elif damage == "garbage":
        lines[1] = "[" * 100_000 + "\n"
    else:
        with open(f"{os.path.dirname(record.path)}/id", "w", encoding="ascii") as file:
            file.write("another\n")
    with open(record.path, "w", encoding="utf-8") as file:
        file.writelines(lines)
    with pytest.raises(RecordError, match=r"line [123]: "):
        at(record)


@pytest.mark.parametrize("lacking", ["salt", "anchor", "role", "ports", "reason"])
def test_a_line_that_lacks_something(record, lacking):
    begin(record)
    lines = [{key: value for key, value in line.items() if key != lacking} for line in record.current]
    with pytest.raises(RecordError, match="lacks something"):
        progress(lines, "x")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ports", 3),
        ("ports", ["x"]),
        ("salt", "xx"),
        ("anchor", {"boot": "zz"}),
        ("dependents", [{"name": 1}]),
    ],
)
def test_a_line_that_has_it_in_another_form(record, key, value):
    begin(record, **{key: value})
    with pytest.raises(RecordError, match="in another form"):
        at(record)


def test_a_record_that_others_may_write(record):
    begin(record)
    os.chmod(record.path, 0o666)
    with pytest.raises(RecordError, match="no one else to write it"):
        at(record)


def test_a_record_in_no_directory(tmp_path):
    record = Record(str(tmp_path / "none" / "setback.jsonl"))
    with pytest.raises(PortError, match="make it"):
        record.hold()


def test_only_one_at_a_time(record):
    record.hold()
    other = Record(record.path, f"{os.path.dirname(record.path)}/id")
    with pytest.raises(PortError, match="another refclock setback is at work"):
        other.hold()
    record.release()
    other.hold()
    other.release()


# ---- keys ---------------------------------------------------------------------------------------------


def keys(*kvnos, prints=()):
    return Keys("p@R", "/k", frozenset(kvnos), frozenset(prints))


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (keys(2), None, ""),
        (keys(2), keys(3), ""),
        (keys(1, 2), keys(4, 5), ""),
        (keys(2), keys(2), "not changed yet"),
        (keys(2), keys(1), "not changed yet"),
        (keys(1, 2), keys(2, 3), "still the old 2"),
        (keys(2, prints=["aa"]), keys(3, prints=["aa", "bb"]), "the same key as before"),
        (keys(2, prints=["aa"]), keys(3, prints=["bb"]), ""),
    ],
)
def test_whether_keys_count_as_changed(before, after, why):
    found = unchanged(before, after)
    assert why in found if why else not found
    assert keys_of(json.loads(json.dumps(before.fields()))) == before


def test_a_keytab_is_summed_up_by_principal(tmp_path):
    path = tmp_path / "kt"
    path.write_bytes(keytab(*(key_of(key_record(kvno=kvno)) for kvno in (1, 2, 2))))
    (found,) = in_keytab(str(path), SALT)
    assert (found.principal, sorted(found.kvnos), found.newest) == ("host/a.test@EXAMPLE.TEST", [1, 2], 2)
    assert all(len(one) == 4 for one in found.prints)
    assert in_keytab(str(path), b"another salt 16 ")[0].prints != found.prints


def test_a_keytab_that_cannot_be_used(tmp_path):
    with pytest.raises(PortError, match="cannot be read: No such file"):
        read_keytab(str(tmp_path / "none"))
    with pytest.raises(PortError, match="cannot be read: Is a directory"):
        read_keytab(str(tmp_path))
    (tmp_path / "text").write_text("text")
    with pytest.raises(PortError, match="no keytab"):
        read_keytab(str(tmp_path / "text"))


def test_commands_are_quoted_for_the_shell_and_for_kadmin():
    odd = Keys("it's/a b@R", "/etc/my keys", frozenset({1}))
    commands = Commands("kdc", "R").renew(odd, first=True)
    assert [shlex.split(one) for one in commands] == [
        ["kadmin.local", "-r", "R", "-q", 'ktadd -k "/etc/my keys" "it\'s/a b@R"'],
        ["kadmin.local", "-r", "R", "-q", 'ktremove -k "/etc/my keys" "it\'s/a b@R" old'],
    ]
    elsewhere = Commands("server", "R", "me/admin").renew(odd, first=False)
    assert shlex.split(elsewhere[0])[:6] == ["kadmin", "-r", "R", "-p", "me/admin", "-q"]
    assert "-norandkey" in elsewhere[0]


@pytest.mark.parametrize("principal", ["a\nb@R", "\ufffd@R", '"@R', "-x@R", "\x1b[2J@R"])
def test_a_name_that_no_command_can_be_written_for(principal):
    assert not speakable(principal)
    (line,) = Commands("kdc", "R").renew(Keys(principal, "/k", frozenset({1})), first=True)
    assert line.startswith("# ")
    assert line.isprintable()


def test_keys_between_two_realms_are_not_made_random():
    assert [is_cross_realm(one) for one in ("krbtgt/A@B", "krbtgt/A@A", "host/a@A")] == [True, False, False]
    (command,) = Commands("kdc", "A").renew(Keys("krbtgt/A@B", DATABASE, frozenset({1})), first=True)
    assert "-randkey" not in command
    (command,) = Commands("kdc", "A").renew(Keys("krbtgt/A@A", DATABASE, frozenset({1})), first=True)
    assert command == "kadmin.local -r A -q 'cpw -randkey krbtgt/A@A'"


def test_old_keys_are_taken_out_from_the_last_slot_on():
    entries = [KeytabEntry("p@R", kvno, 18, 0, b"") for kvno in (1, 2, 1)]
    assert "delent 3\\ndelent 1\\nwkt /k.new" in without_old("/k", entries, {"p@R": 1})
    assert without_old("/k", entries, {"q@R": 9}) == without_old("/a b", entries, {"p@R": 1}) == ""


# ---- clock and caches ---------------------------------------------------------------------------------


def test_what_is_ahead_behind_and_right():
    def opinion(off_ns, bound_ns=10**6):
        return Opinion(off_ns, bound_ns, 0, "x")

    assert (opinion(WORTH_NS + 10**6).ahead, opinion(WORTH_NS).ahead) == (True, False)
    assert (opinion(-WORTH_NS - 10**6).behind, opinion(-WORTH_NS).behind) == (True, False)
    assert (opinion(RIGHT_NS).right, opinion(-RIGHT_NS).right, opinion(RIGHT_NS + 1).right) == (
        True,
        True,
        False,
    )
    assert str(opinion(30 * NS_PER_S)) == "AHEAD by 30.0 s, known to 1.00 ms by x"
    assert str(opinion(-30 * NS_PER_S)) == "BEHIND by 30.0 s, known to 1.00 ms by x"
    assert str(opinion(10**6)) == "right: +1.00 ms, known to 1.00 ms by x"


def test_the_daemons_status_counts_only_while_it_vouches_for_a_time():
    told = {"mode": "vetted", "system_off_ns": 5, "bound_ns": 3}
    assert by_status(told, "s").off_ns == 5
    for worse in ({"mode": "locked"}, {"mode": "acquiring"}, {"system_off_ns": None}, {"bound_ns": "3"}):
        with pytest.raises(TimeUnavailableError, match="vouches for no time now"):
            by_status({**told, **worse}, "s")
    with pytest.raises(TimeUnavailableError, match=r"UTC is known to 1\.00 s only"):
        by_status({**told, "bound_ns": NS_PER_S}, "s")


class Uptime(UptimeClock):
    """One that a test turns."""

    def __init__(self):
        self.boot, self.at_ns = b"b" * 16, 0

    def now_ns(self):
        return self.at_ns


def test_a_persons_word_is_carried_on_with_the_uptime_clock(monkeypatch):
    uptime, real = Uptime(), [1000 * NS_PER_S]
    monkeypatch.setattr(stamp, "now", lambda: (0, real[0], 0))
    anchor = Anchor.of(json.loads(json.dumps(Anchor.now(30 * NS_PER_S, uptime).fields())))
    assert anchor.opinion(uptime).off_ns == 30 * NS_PER_S
    uptime.at_ns, real[0] = 100 * NS_PER_S, 1070 * NS_PER_S  # set back by 30 s meanwhile
    assert anchor.opinion(uptime).right
    assert anchor.opinion(uptime).bound_ns == 100 * NS_PER_S // 10_000
    uptime.at_ns = 6000 * NS_PER_S
    with pytest.raises(TimeUnavailableError, match="600 ms only"):
        anchor.opinion(uptime)
    uptime.boot = b"another"
    with pytest.raises(TimeUnavailableError, match="was booted since"):
        anchor.opinion(uptime)


def test_how_long_it_takes_without_setting_anything():
    assert [took for _, took in telling.slews(30 * NS_PER_S, "kdc")] == [6000, 3000]
    assert [took for _, took in telling.slews(30 * NS_PER_S, "appserver")] == [600, 300]


@pytest.mark.parametrize("profile", PROFILES)
def test_the_rate_that_is_told_is_that_of_the_configuration_that_install_writes(profile):
    text = (Path(install.__file__).parent / "files" / "chrony" / f"{profile}.conf").read_text()
    (ppm,) = re.findall(r"^maxslewrate ([0-9]+)$", text, re.M)
    assert telling.slews(0, profile)[0][0] == int(ppm) * PPT_PER_PPM


def test_what_another_users_file_says_keeps_nobody_waiting(tmp_path, monkeypatch):
    monkeypatch.setattr("refclock.setback.caches._SYSTEM_UIDS", ())
    (tmp_path / "krb5_1000.rcache2").write_bytes(bytes(16) + b"t" * 12 + b"\xff" * 4)
    found = find({"KRB5RCACHEDIR": str(tmp_path)}, [])
    assert str(tmp_path / "krb5_1000.rcache2") in [one.path for one in found if one.newest_ns == 0]


def test_replay_caches_are_found_and_cleared(tmp_path, monkeypatch):
    monkeypatch.setattr("refclock.setback.caches._DIRECTORIES", ())
    mit = tmp_path / "krb5_0.rcache2"
    mit.write_bytes(bytes(16) + b"t" * 12 + (5000).to_bytes(4))
    ours = tmp_path / "it's mine"
    with closing(ReplayCache(str(ours), clock=lambda: stamp.now()[1] + 900 * NS_PER_S)):
        pass
    found = find({"KRB5RCACHEDIR": str(tmp_path)}, [str(ours)])
    assert [(one.kind, one.cleared) for one in found] == [("MIT krb5", False), ("refclock", False)]
    assert found[0].newest_ns == 5000 * NS_PER_S
    assert 890 * NS_PER_S < found[1].newest_ns - stamp.now()[1] <= 900 * NS_PER_S
    for one in found:
        subprocess.run(shlex.split(one.clear), check=True, timeout=60)
    assert all(one.cleared for one in found)
    assert find({"KRB5RCACHENAME": f"file2:{mit}"}, []) == []
    (tmp_path / "krb5_0;x.rcache2").write_bytes(b"")
    assert find({"KRB5RCACHEDIR": str(tmp_path)}, []) == []
    mit.write_bytes(b"")
    assert find({"KRB5RCACHENAME": f"file2:{mit}"}, []) == [Cache(str(mit), "MIT krb5")]
    with pytest.raises(PortError, match="no such file"):
        find({}, [str(tmp_path / "none")])


# ---- the verb -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--done", "dance"], "--done: expected one of stop, set, keys, caches, start"),
        (["--go"], "--go: say --reason, too"),
        (["--go", "--reason", "x", "--keep-key", "p"], "--keep-key: once the keys are to be changed"),
        (["--keytab", 'a"b'], "kadmin cannot be told this path"),
        (["--realm", "A/B"], "--realm: expected a realm"),
        (["--config", "/none"], "cannot read the configuration"),
        (["--resume"], "no set-back is open"),
    ],
)
def test_words_that_cannot_be_used(words, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cli.main(["setback", "--record", str(tmp_path / "r"), *words]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "ns"),
    [("30s", 30 * 10**9), ("2.5min", 150 * 10**9), ("500ms", 5 * 10**8), ("0s", 0), ("1h", 36 * 10**11)],
)
def test_amounts(text, ns):
    from refclock.cli.setback import _amount

    assert _amount(text) == ns


@pytest.mark.parametrize("words", [["--by", "30"], ["--by=-3s"], ["--port", "0"], ["--port", "x"]])
def test_arguments_that_are_none(words, capsys):
    with pytest.raises(SystemExit):
        cli.main(["setback", *words])
    assert "expected a" in capsys.readouterr().err


def test_status_of_nothing(tmp_path, capsys):
    assert cli.main(["setback", "--status", "--record", str(tmp_path / "r")]) == 0
    assert "no set-back was ever begun" in capsys.readouterr().out


def test_record_lies_beside_the_daemons_state(tmp_path, capsys):
    (tmp_path / "c.toml").write_text(f'[state]\nfile = "{tmp_path}/state.json"\n')
    assert cli.main(["setback", "--status", "--config", str(tmp_path / "c.toml")]) == 0
    assert f"{tmp_path}/setback.jsonl: no set-back" in capsys.readouterr().out


def test_dependents_come_back_from_the_record():
    one = Dependent("a", "a.service", ("a", "-b"), (Socket("tcp", "*", 88),))
    assert dependent_of(json.loads(json.dumps(one.fields()))) == one
    assert in_order([one, Dependent("krb5kdc", "", ("k",), ())])[0].name == "krb5kdc"
