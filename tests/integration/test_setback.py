"""``refclock setback`` as an operator uses it: a real KDC with real keytabs, on a host of its own whose clock
is ahead. Nobody's clock is set: the host's is libfaketime's, and to set it is to write a file.

What is printed to be typed is typed, as it is printed.
"""

import base64
import json
import os
import re
from contextlib import suppress

import pytest

from refclock.kerberos import ReplayCache
from refclock.setback.dependents import Dependent, scan
from refclock.setback.keys import Commands, in_keytab, unchanged
from refclock.units import NS_PER_S
from refclock.wire.rcache import stamps
from tests.integration.krb5kdc import REALM
from tests.integration.secludedhost import SecludedHost
from tests.integration.test_gate import MANAGER, Manager

pytestmark = pytest.mark.integration

AHEAD_S = 30
PRINCIPALS = ("host/kdc.example.test", "HTTP/a b.example.test")
ALL_STEPS = ("stop", "set", "keys", "caches", "start")


@pytest.fixture
def host(require_program):
    """A KDC that runs, on a host whose clock is half a minute ahead."""
    for name in ("krb5kdc", "kadmin.local", "kadmind", "kdb5_util", "unshare", "nsenter", "ktutil"):
        require_program(name)
    with SecludedHost() as made:
        made.shell(f"kdb5_util create -s -r {REALM} -P 'for a test only'")
        for name in PRINCIPALS:
            made.shell(f"kadmin.local -q 'addprinc -randkey \"{name}\"'")
            made.shell(f"kadmin.local -q 'ktadd -k {made.keytab} \"{name}\"'")
        made.shift(AHEAD_S)
        made.shell(f"krb5kdc -P {made.directory}/pid")
        made.await_kdc()
        yield made


def typed(text):
    """The command lines among what is told."""
    return [line.strip() for line in text.splitlines() if line.startswith("    ")]


def flat(text):
    """Without the breaks of its lines."""
    return " ".join(text.split())


def begin(host, *words):
    done = host.setback("--go", "--reason", "a test", *host.basics, *words)
    assert done.returncode == 1, (done.stdout, done.stderr)
    return done


def set_clock(host, command):
    """What the printed command does to a clock, done to the host's."""
    amount = re.fullmatch(r"date --utc --set='([-+][0-9.]+) seconds'", command)
    assert amount
    host.shift(host.ahead_s + float(amount[1]))


def take(host, step):
    """Do what a step prints, whatever it is, and say that it is done."""
    told = host.setback("--resume").stdout
    if step == "set":
        (command,) = typed(told)
        set_clock(host, command)
    elif step != "caches":
        for command in typed(told):
            host.shell(command)
    if step == "stop":
        host.await_end("krb5kdc")
    if step == "start":
        host.await_kdc()
    done = host.setback("--done", step)
    assert done.returncode == 0, (told, done.stdout, done.stderr)
    return told


def versions(host):
    """The key versions in the keytab, by principal."""
    rows = re.findall(r"^ +([0-9]+) (\S.*)$", host.shell(f"klist -k {host.keytab}"), re.M)
    return {name: {int(kvno) for kvno, other in rows if other == name} for _, name in rows}


def steps(host):
    """What the record says, step by step."""
    lines = [json.loads(line) for line in host.record.read_text().splitlines()]
    return [f"{line['what']} {line['step']}" if "step" in line else line["what"] for line in lines]


def test_a_dry_run_tells_all_and_does_nothing(host):
    done = host.setback(*host.basics)
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert re.search(r"AHEAD by (30\.0|29\.9) s, known to [0-9.]+ ms by\s", out)
    assert "a KDC that has the realm's database, realm EXAMPLE.TEST" in out
    assert "1 h 40 min at 0.5 % or 50 min" in out
    assert [f"Step {number} of 5, {name}:" in out for number, name in enumerate(ALL_STEPS, 1)] == [True] * 5
    assert f"kill {host.pids('krb5kdc')[0]}" in typed(out)
    assert f"kadmin.local -r {REALM} -q 'cpw -randkey krbtgt/{REALM}@{REALM}'" in typed(out)
    assert "DRY RUN: nothing was done" in out
    assert not host.record.exists()
    assert [line for line in out.splitlines() if len(line) > 80 and not line.startswith("    ")] == []


def test_clauses_35_and_36_stop_set_change_and_only_then_start(host):
    """And what it is for: a ticket from before is good no more, for the key is another."""
    host.shell("kadmin.local -q 'addprinc -pw secret user'")
    host.shell("echo secret | kinit user")
    host.shell(f"kvno {PRINCIPALS[0]} && cp {host.directory}/ccache {host.directory}/kept")
    before = versions(host)
    begin(host)
    refused = host.setback("--done", "stop")
    assert refused.returncode == 1
    pid = host.pids("krb5kdc")[0]
    assert f"krb5kdc, pid {pid}, listens on tcp 127.0.0.1:88, udp 127.0.0.1:88" in flat(refused.stderr)
    assert f"    kill {pid}\n" in refused.stderr
    assert steps(host) == ["begun"]
    for step in ALL_STEPS:
        take(host, step)
    assert steps(host) == ["begun", *(f"done {step}" for step in ALL_STEPS), "finished"]
    assert "None is open" in host.setback("--status").stdout

    after = versions(host)
    assert set(after) == {f"{name}@{REALM}" for name in PRINCIPALS}
    assert all(min(after[name]) > max(before[name]) for name in before)
    krbtgt = host.shell(f"kadmin.local -q 'getprinc krbtgt/{REALM}'")
    assert re.findall(r"^Key: vno ([0-9]+)", krbtgt, re.M) == ["2", "2"]
    old = f"KRB5CCNAME={host.directory}/kept"
    taken = host.run("sh", "-c", f"{old} kvno -k {host.keytab} {PRINCIPALS[0]}")
    assert (taken.returncode, "keytab entry" in (taken.stdout + taken.stderr).lower()) == (1, True)
    # Nor does the old ticket-granting ticket bring a new one.
    assert host.run("sh", "-c", f'{old} kvno "{PRINCIPALS[1]}"').returncode
    host.shell("echo secret | kinit user")
    host.shell(f"kvno -k {host.keytab} {PRINCIPALS[0]}")


def test_out_of_order_is_refused(host):
    assert host.setback("--done", "stop").returncode == 2  # none is open
    begin(host)
    for step in ("set", "keys=wait", "caches=clear", "start"):
        done = host.setback("--done", step)
        assert done.returncode == 1
        assert "out of order: stop is next. Nothing was recorded." in done.stderr
    take(host, "stop")
    done = host.setback("--done", "keys")
    assert (done.returncode, "set is next" in done.stderr) == (1, True)
    done = host.setback("--done", "stop")
    assert (done.returncode, "set is next" in done.stderr) == (1, True)
    assert steps(host) == ["begun", "done stop"]
    again = host.setback("--go", "--reason", "again", *host.basics)
    assert (again.returncode, "is open already" in again.stderr) == (1, True)


def test_what_is_not_done_is_not_believed(host):
    begin(host)
    take(host, "stop")
    done = host.setback("--done", "set")
    assert (done.returncode, "the clock is AHEAD by" in flat(done.stderr)) == (1, True)
    host.shift(-5)
    done = host.setback("--done", "set")
    assert (done.returncode, "set back too far" in flat(done.stderr)) == (1, True)
    take(host, "set")
    done = host.setback("--done", "keys")
    assert done.returncode == 1
    assert f"{PRINCIPALS[0]}@{REALM} in {host.keytab}: version 2, not changed yet" in " ".join(
        done.stderr.split()
    )
    # Changed, and the old one left in the keytab: not enough; with ktutil as it is printed, it is.
    for command in typed(host.setback("--resume").stdout):
        if "ktremove" not in command:
            host.shell(command)
    told = host.setback("--done", "keys")
    assert (told.returncode, flat(told.stderr).count("version 3, and still the old 2")) == (1, 4)
    by_hand = [command for command in typed(told.stderr) if command.startswith("printf")]
    assert len(by_hand) == 2
    host.shell(by_hand[0])
    told = host.setback("--done", "keys")
    (last,) = [command for command in typed(told.stderr) if command.startswith("printf")]
    host.shell(last)
    assert host.setback("--done", "keys").returncode == 0
    assert all(kvnos == {3} for kvnos in versions(host).values())


def test_clause_6_a_service_that_runs_with_the_clock_set_back_undoes_it(host):
    begin(host)
    take(host, "stop")
    take(host, "set")
    host.shell(f"krb5kdc -P {host.directory}/pid")
    done = host.setback("--done", "keys")
    assert (done.returncode, "RUNS AGAIN: krb5kdc, pid" in flat(done.stderr)) == (1, True)
    assert steps(host) == ["begun", "done stop", "done set", "undone stop"]
    take(host, "stop")
    assert "Nothing is to be set" in flat(host.setback("--resume").stdout)
    assert host.setback("--done", "set", "--done", "start").returncode == 1
    assert steps(host)[-2:] == ["done stop", "done set"]


def test_new_keys_that_a_service_used_on_a_clock_that_was_ahead_again(host):
    """They are as good as old ones when it goes back once more."""
    begin(host)
    for step in ALL_STEPS[:4]:
        take(host, step)
    host.shift(AHEAD_S)
    host.shell(f"krb5kdc -P {host.directory}/pid")
    host.await_kdc()
    done = host.setback("--done", "start")
    assert done.returncode == 1
    assert "the clock is no longer right: AHEAD" in flat(done.stderr)
    assert "and with it runs krb5kdc" in flat(done.stderr)
    take(host, "stop")
    take(host, "set")
    done = host.setback("--done", "keys")
    assert (done.returncode, "version 3, not changed yet" in flat(done.stderr)) == (1, True)


def test_a_host_without_any_keytab(host):
    empty = host.directory / "empty"
    empty.write_bytes(b"\x05\x02")
    none = ["--role=server", f"--file={host.time_file}", f"--keytab={empty}"]
    done = host.setback("--go", "--reason", "x", *none)
    assert (done.returncode, "No key was found on this host" in done.stderr) == (1, True)
    assert "NO KEY WAS FOUND" in host.setback(*none).stdout


def test_a_clock_that_runs_ahead_again_undoes_it(host):
    begin(host)
    take(host, "stop")
    take(host, "set")
    host.shift(AHEAD_S)
    done = host.setback("--done", "keys")
    assert (done.returncode, "the clock is no longer right: AHEAD" in flat(done.stderr)) == (1, True)
    assert steps(host)[-1] == "undone set"
    take(host, "set")
    assert steps(host)[-1] == "done set"


def test_waiting_instead_of_new_keys(host):
    host.shift(900)
    begin(host)
    take(host, "stop")
    take(host, "set")
    early = host.setback("--done", "keys=wait")
    assert early.returncode == 1
    assert "the clock passes the latest that services saw in" in flat(early.stderr)
    assert "Answer wait." in flat(host.setback("--resume").stdout)
    before = versions(host)
    host.await_later(300)
    assert host.setback("--done", "keys=wait").returncode == 1
    host.await_later(1000)
    assert host.setback("--done", "keys=wait").returncode == 0
    refused = host.setback("--done", "caches=clear")
    assert (refused.returncode, "keep them" in flat(refused.stderr)) == (1, True)
    assert host.setback("--done", "caches=keep").returncode == 0
    take(host, "start")
    assert versions(host) == before


def test_replay_caches_kept_or_cleared(host):
    """MIT's, and refclock's own."""
    ours = host.directory / "rcache"
    ReplayCache(str(ours), clock=lambda: 3600 * NS_PER_S + _utc_ns()).close()
    host.shell("cp /dev/null /var/tmp/krb5_0.rcache2")
    begin(host, f"--replay-cache={ours}")
    for step in ALL_STEPS[:3]:
        take(host, step)
    told = host.setback("--resume").stdout
    commands = typed(told)
    assert commands[0] == "rm /var/tmp/krb5_0.rcache2"
    assert "it may turn honest clients away for" in flat(told)
    refused = host.setback("--done", "caches=clear")
    assert refused.returncode == 1
    assert f"{ours} is still there" in refused.stderr
    for command in commands:
        host.shell(command)
    assert host.setback("--done", "caches=clear").returncode == 0
    assert ReplayCache(str(ours)).set_back_ns == 0


def _utc_ns():
    from refclock.ports import stamp

    return stamp.now()[1]


def test_interrupted_by_kill_9_between_every_two_steps(host):
    """At a terminal, as an operator would; and each time somebody pulls the plug before the next step."""
    host.shell("cp /dev/null /var/tmp/krb5_0.rcache2")
    terminal = host.terminal("--go", "--reason", "a test", *host.basics)
    for number, step in enumerate(ALL_STEPS):
        told = terminal.until("Done? [")
        terminal.until("quit] ")
        if step == "set":
            set_clock(host, *typed(told))
        elif step != "caches":
            for command in typed(told):
                host.shell(command)
        if step == "start":
            host.await_kdc()
        if step == "stop":
            host.await_end("krb5kdc")
        terminal.answer("keep" if step == "caches" else "yes")
        terminal.until("done, and recorded.")
        if number + 1 < len(ALL_STEPS):
            terminal.until("Done? [")
            terminal.kill()
            assert steps(host) == ["begun", *(f"done {one}" for one in ALL_STEPS[: number + 1])]
            terminal = host.terminal("--resume")
    terminal.until("All is done.")
    assert terminal.leave() == 0
    assert steps(host)[-1] == "finished"


def test_answers_at_a_terminal(host):
    terminal = host.terminal("--go", "--reason", "a test", *host.basics)
    terminal.until("Done? [yes/no/quit] ")
    terminal.answer("perhaps")
    terminal.until("Done? [yes/no/quit] ")
    terminal.answer("yes")
    terminal.until("stop is not done:")
    terminal.until("Done? [yes/no/quit] ")
    terminal.answer("no")
    terminal.until("Step 1 of 5")
    terminal.until("Done? [yes/no/quit] ")
    busy = host.setback("--resume")
    assert (busy.returncode, "another refclock setback is at work" in busy.stderr) == (1, True)
    terminal.answer("quit")
    terminal.until("Left at step stop.")
    assert terminal.leave() == 1


@pytest.mark.parametrize("how", ["cut", "edited", "line cut", "another host"])
def test_a_record_that_cannot_be_used(host, how):
    begin(host)
    take(host, "stop")
    text = host.record.read_text()
    if how == "cut":
        host.record.write_text(text[:-40])
    elif how == "edited":
        host.record.write_text(text.replace('"step": "stop"', '"step": "keys"'))
    elif how == "line cut":
        host.record.write_text(text.partition("\n")[2])
    else:
        lines = [line.replace('"host": "', '"host": "0') for line in text.splitlines(keepends=True)]
        host.record.write_text("".join(lines))
    for word in ("--status", "--resume", "--done=set", None):
        done = host.setback(*([word] if word else host.basics))
        assert done.returncode == 2, (word, done.stdout, done.stderr)
        assert f"{host.record}, line " in done.stderr
        assert "Do not go on by it" in done.stderr


def test_nobody_vouches_for_the_time(host):
    host.tell_time(state="")
    done = host.setback("--go", "--reason", "a test", *host.basics, f"--socket={host.directory}/none")
    assert done.returncode == 1
    assert "nobody vouches for the time" in done.stderr
    assert "the daemon vouches for no time now" in done.stderr
    assert not host.record.exists()


@pytest.mark.parametrize(
    ("shift", "words", "told"),
    [
        (0.2, [], "There is nothing to set back"),
        (-90, [], "That is not this procedure"),
        (AHEAD_S, ["--already-set-back"], "it was not set back to what is right"),
    ],
)
def test_what_is_no_case_for_it(host, shift, words, told):
    host.shift(shift)
    done = host.setback("--go", "--reason", "a test", *host.basics, *words)
    assert done.returncode == 1
    assert told in flat(done.stderr)
    assert not host.record.exists()
    dry = host.setback(*host.basics, *words)
    assert told in flat(dry.stdout)


def test_set_back_by_hand_already(host):
    host.shift(0)
    begin(host, "--already-set-back")
    take(host, "stop")
    assert host.setback("--done", "set").returncode == 0
    refused = host.setback("--done", "keys=wait")
    assert (refused.returncode, "nobody knows by how much" in flat(refused.stderr)) == (1, True)
    for step in ALL_STEPS[2:]:
        take(host, step)
    assert steps(host)[-1] == "finished"


def test_on_the_operators_word(host):
    """Without a daemon: the amount is carried on with the uptime clock, and recorded as what it is."""
    daemons = host.setback("--go", "--reason", "x", *host.basics, "--by", "1h")
    assert daemons.returncode == 1
    assert "--by is for where nobody vouches for the time, and here the clock is AHEAD" in daemons.stderr
    host.time_file.unlink()
    begin(host, "--by", f"{AHEAD_S}s")
    take(host, "stop")
    take(host, "set")
    host.shift(2)
    host.tell_time()  # a daemon has begun to vouch, and its word counts from now on
    assert host.setback("--done", "keys").returncode == 1
    lines = [json.loads(line) for line in host.record.read_text().splitlines()]
    assert lines[0]["anchor"]["by_ns"] == AHEAD_S * NS_PER_S
    assert [line["source"] for line in lines if "source" in line] == [
        "the operator's word (--by)", "the operator's word (--by)", f"{host.time_file} (vetted)",
    ]  # fmt: skip


def test_a_key_that_is_kept_is_on_record(host):
    begin(host)
    take(host, "stop")
    take(host, "set")
    kept = f"{PRINCIPALS[0]}@{REALM}"
    assert host.setback("--resume", "--keep-key", kept).returncode == 2  # no reason
    assert host.setback("--resume", "--keep-key", "nobody", "--reason", "x").returncode == 2
    host.setback("--resume", "--keep-key", kept, "--reason", "no replay cache there")
    told = take(host, "keys")
    assert f"ktadd -k {host.keytab} {kept}" not in told
    assert "keys kept: host/kdc.example.test@EXAMPLE.TEST: no replay cache there" in flat(
        host.setback("--status").stdout
    )


def test_abandoning_with_the_clock_set_and_the_keys_old(host):
    begin(host)
    take(host, "stop")
    take(host, "set")
    done = host.setback("--abandon", "--reason", "x")
    assert (done.returncode, "THE OLD KEYS ARE STILL GOOD" in done.stderr) == (1, True)
    assert host.setback("--abandon").returncode == 2
    assert host.setback("--abandon", "--reason", "x", "--yes").returncode == 0
    assert steps(host)[-1] == "abandoned"
    assert "None is open" in host.setback("--status").stdout


def test_the_commands_for_a_server_change_keys_through_kadmin(host):
    """In two keytabs, for a principal with a space in its name, asked for a password."""
    began_s = _utc_ns() // NS_PER_S
    (host.directory / "acl").write_text(f"admin/admin@{REALM} *e\n")
    host.shell("kadmin.local -q 'addprinc -pw secret admin/admin'")
    host.shell(f"kadmind -P {host.directory}/pid2")
    second = host.directory / "second keytab"
    host.shell(f"cp {host.keytab} '{second}'")
    salt = bytes(16)
    before = [keys for path in (host.keytab, second) for keys in in_keytab(str(path), salt)]
    assert len(before) == 4
    commands = Commands("server", REALM, f"admin/admin@{REALM}")
    for number, keys in enumerate(before):
        for command in commands.renew(keys, first=number < 2):
            host.shell(f"echo secret | {command}")
    after = {one.key: one for path in (host.keytab, second) for one in in_keytab(str(path), salt)}
    for keys in before:
        assert unchanged(keys, after[keys.key]) == ""
        twin = after[str(second), keys.principal]
        assert after[str(host.keytab), keys.principal].prints == twin.prints
    # kadmind keeps a replay cache, with the times of its own clock, which is ahead.
    cache = base64.b64decode(host.shell("base64 /var/tmp/krb5_0.rcache2"))
    assert len(stamps(cache)) >= 4
    assert all(AHEAD_S - 1 <= one - began_s < AHEAD_S + 600 for one in stamps(cache))


def test_the_commands_for_a_unit_stop_it_keep_it_stopped_and_start_it_again(require_program, tmp_path):
    """Under a real service manager, a user's."""
    for program in ("unshare", "setpriv", "systemctl"):
        require_program(program)
    if os.geteuid() != 0 or not os.path.exists(MANAGER):
        pytest.skip("it takes root, and systemd")
    unit = f"trial-kdc-{os.getpid()}.service"
    home = tmp_path / "data/systemd/user"
    home.mkdir(parents=True)
    # Type=exec: "active" once it is sleep, and not systemd's own child still.
    (home / unit).write_text("[Service]\nType=exec\nExecStart=/bin/sleep 1000\n")
    manager = Manager(tmp_path)

    def trial() -> list[Dependent]:
        """The unit, among whatever else runs on this machine."""
        return [one for one in scan([unit]).dependents if one.what == unit]

    try:
        manager.until("default.target", "active", 60)
        manager.ask("start", unit)
        manager.until(unit, "active")
        (found,) = trial()
        assert (found.name, found.what) == ("sleep", unit)
        manager.ask(*found.stop.split()[1:])
        manager.until(unit, "inactive")
        assert trial() == []
        manager.ask("start", unit)
        assert manager.ask("is-active", unit) == "inactive"
        for command in found.start:
            manager.ask(*command.split()[1:])
        manager.until(unit, "active")
    finally:
        manager.stop()


def test_it_wants_root(host):
    if os.geteuid():
        pytest.skip("only root can become somebody else")
    with suppress(PermissionError):
        host.directory.chmod(0o755)
    done = host.run("setpriv", "--reuid=65534", "--clear-groups", *host.program, "--go", "--reason", "x")
    assert done.returncode == 1
    assert "as root, please" in done.stderr
