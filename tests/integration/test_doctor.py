"""Every rule on chrony's configuration, broken in a configuration that the real chronyd reads (``chronyd -p``
prints it and ends: no clock is touched), and the shipped ones, which hold."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from refclock import cli
from refclock.chrony import commandline, program
from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.examining import examine_file
from refclock.chrony.printing import whole_configuration
from refclock.chrony.reading import UnreadableError, read_command, read_file
from refclock.chrony.rules.table import RULES, judge
from refclock.chrony.shipped import Present, complete
from refclock.errors import ConfigError
from refclock.finding import FAIL, OK, WARN, Finding
from refclock.policy import PROFILES

pytestmark = pytest.mark.integration

DEBIAN = """\
confdir {home}/conf.d
pool 2.debian.pool.ntp.org iburst
sourcedir {home}/chrony-dhcp
sourcedir {home}/sources.d
driftfile {home}/chrony.drift
maxupdateskew 100.0
rtcsync
makestep 1 3
leapsectz right/UTC
"""


@pytest.fixture(autouse=True)
def _chronyd(require_program):
    require_program("chronyd")


@pytest.fixture
def written(tmp_path) -> Callable[..., Path]:
    """A function: the path of a configuration, the shipped one of a profile with lines taken out and
    added."""

    def write(profile: str = "kdc", without: str = "", add: str = "") -> Path:
        kept = [
            line for line in complete(profile, Present()).splitlines()
            if line.split()[:1] != [without] or not without
        ]  # fmt: skip
        path: Path = tmp_path / "chrony.conf"
        path.write_text("\n".join([*kept, add.format(home=tmp_path), ""]))
        return path

    return write


def rows(conf: Effective, wanted: Wanted) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for one in judge(conf, wanted):
        found.setdefault(one.what, []).append(one)
    return found


def worst(findings: list[Finding]) -> Finding:
    return max(findings, key=lambda one: (OK, WARN, FAIL).index(one.verdict))


@dataclass(frozen=True)
class Breach:
    """A rule, how it is broken, what is said of it; how it is judged on a KDC and on an application
    server."""

    row: str
    without: str
    add: str
    found: str
    mend: str
    kdc: str = FAIL
    appserver: str = FAIL


BREACHES = (
    Breach("makestep", "", "makestep 1 3", "steps the clock either way", "remove .*chrony.conf:[0-9]+"),
    Breach("makestep", "", "MakeStep 0.1 -1", "steps the clock either way", "remove"),
    Breach("makestep", "", "makestep 1 0\nmakestep 1 1", "`makestep 1 1`", "remove"),
    Breach("initstepslew", "", "initstepslew 30 192.0.2.1", "step back at each start", "remove"),
    Breach("leapsecmode", "leapsecmode", "", "absent, so system: .*back by 1 s", "add `leapsecmode slew`"),
    Breach("leapsecmode", "leapsecmode", "leapsecmode system", "back by 1 s", "write `leapsecmode slew` at"),
    Breach("leapsecmode", "leapsecmode", "leapsecmode step", "back by 1 s", "write `leapsecmode slew`"),
    Breach("leapsecmode", "", "leapsecmode ignore", "1 s off until", "write `leapsecmode slew`", WARN, WARN),
    Breach("rate", "maxslewrate", "", "83333.333 by default", "write `maxdrift 500` and "
    "`maxslewrate", FAIL, WARN),
    Breach("rate", "maxdrift", "", "maxdrift 100000 by default", "write `maxdrift 500` and"),
    Breach("rate", "", "maxslewrate 9491", "500 .* = 10001 ppm, above the profile's "
    "10000", "write", FAIL, OK),
    Breach("rate", "", "maxslewrate 9490", "= 10000 ppm: within 10000 ppm, but looser", "write", WARN, OK),
    Breach("rate", "", "maxslewrate 99491", "= 100001 ppm, above the profile's 100", "write `maxdrift 500`"),
    Breach("rate", "", "maxslewrate inf", "no rate that bounds anything", "write `maxslewrate"),
    Breach("rate", "", "maxdrift -1", "no rate that bounds anything", "write `maxdrift 500`"),
    Breach("maxchange", "maxchange", "", "an offset of any size", "add `maxchange 1 0 -1`", FAIL, WARN),
    Breach("maxchange", "maxchange", "maxchange 1 0 2", "leaves its last slew in the "
    "kernel", "write", FAIL, WARN),
    Breach("maxchange", "maxchange", "maxchange 1 3 -1", "first 3 updates", "write `maxchange", FAIL, WARN),
    Breach("maxchange", "maxchange", "maxchange 1000 0 -1", "up to 1000 s are followed", "write", WARN, WARN),
    Breach("refclock", "refclock", "", "none of refclock's", "add `refclock SOCK"),
    Breach("refclock", "refclock", "refclock SOCK /run/chrony.refclock.x.sock offset 0.1", "moves", "write"),
    Breach("refclock", "refclock", "refclock SHM 20:perm=0666", "may write the segment", "write `refclock "
    "SHM 20"),
    Breach("refclock", "refclock", "refclock SOCK /run/chrony.refclock.x.sock noselect", "not "
    "selected", "write"),
    Breach("refclock", "refclock", "refclock SOCK /run/chrony.refclock.x.sock tai", "are UTC", "write"),
    Breach("other refclocks", "", "refclock SHM 0 refid GPS", "nobody vets it", "remove .*:"),
    Breach("other refclocks", "", "refclock PPS /dev/pps0 refid PPS", "nobody vets it", "remove .*:"),
    Breach("other refclocks", "", "refclock PHC /dev/ptp0", "nobody vets it", "remove .*:"),
    Breach("authselectmode", "authselectmode", "", "absent, so mix", "add `authselectmode "
    "require`", FAIL, WARN),
    Breach("authselectmode", "authselectmode", "authselectmode mix", "is followed, too", "write", FAIL, WARN),
    Breach("authselectmode", "", "authselectmode ignore", "is followed, too", "write", FAIL, WARN),
    Breach("NTS", "authselectmode", "server 192.0.2.1 iburst", "not authenticated$", "nts", FAIL, WARN),
    Breach("NTS", "authselectmode", "peer 192.0.2.1", "not authenticated$", "a peer cannot", FAIL, WARN),
    Breach("NTS", "", "server 192.0.2.1", "and so never followed", "nts", WARN, WARN),
    Breach("NTS", "", "nocerttimecheck 1", "expired certificates pass", "remove", FAIL, WARN),
    Breach("servers", "server", "server 192.0.2.1 nts", "1: no majority", "at least 3", FAIL, WARN),
    Breach("servers", "server", "pool example.org", "0: no majority", "at least 3", FAIL, WARN),
    Breach("minsources", "minsources", "", "absent, so 1: one source alone", "add `minsources "
    "2`", FAIL, WARN),
    Breach("minsources", "", "minsources 9", "9, but only 4 can be selected", "name more "
    "servers", FAIL, WARN),
    Breach("trust", "refclock", "refclock SHM 20 trust", "on 1 of 4 sources, and minsources 2", "`trust`"),
    Breach("trust", "minsources", "server 192.0.2.1 nts trust maxpoll 6 maxsamples 16", "no "
    "say", "`trust`", WARN,
           WARN),
    Breach("stale refclock", "", "server 192.0.2.1 nts", "stays selected for an "
    "hour", "maxunreach|maxpoll 6", WARN,
           WARN),
    Breach("added by others", "", "sourcedir {home}/chrony-dhcp", "whoever answers "
    "DHCP", "remove", FAIL, WARN),
    Breach("added by others", "", "confdir {home}/conf.d", "other packages add "
    "directives", "remove", FAIL, WARN),
    Breach("leap seconds", "leapsectz", "", "whoever answers announces", "add `leapsectz "
    "right/UTC`", FAIL, WARN),
    Breach("leap seconds", "leapsectz", "leapsectz Europe/Berlin", "no leap seconds", "write "
    "`leapsectz", FAIL,
           WARN),
    Breach("rtcsync", "", "rtcsync", "configured as a witness", "remove .*:"),
    Breach("rtcfile", "", "rtcfile {home}/rtc", "holds the RTC for itself", "remove", WARN, WARN),
    Breach("rtcsync", "", "rtcfile {home}/rtc\nrtcautotrim 1", "written into the RTC", "remove"),
    Breach("local", "", "local stratum 10", "nobody vouches for", "remove .*refclock doctor: "
    "WHY", FAIL, WARN),
    Breach("manual", "", "manual", "moves the clock by hand", "remove", FAIL, WARN),
    Breach("smoothtime", "", "smoothtime 400 0.01", "another time than this host", "remove", FAIL, WARN),
    Breach("allow", "", "allow 192.0.2.0/24", "serves time to others", "remove", FAIL, WARN),
    Breach("chronyc by network", "", "cmdallow 192.0.2.0/24", "answers other hosts", "remove", FAIL, WARN),
    Breach("chronyc by network", "", "bindcmdaddress 0.0.0.0", "answers other hosts", "remove", FAIL, WARN),
    Breach("chronyc by network", "", "cmdallow all", "answers other hosts", "remove", FAIL, WARN),
    Breach("chronyd's user", "", "user root", "keeps every privilege", "remove", WARN, WARN),
)  # fmt: skip


def test_each_rule_on_directives_is_broken_here():
    assert {rule.name for rule, _ in RULES} == {one.row for one in BREACHES} | {"command line"}


@pytest.mark.parametrize("profile", ["kdc", "appserver"])
@pytest.mark.parametrize("breach", BREACHES, ids=lambda one: f"{one.row}: {one.add or 'without'}")
def test_a_breach_is_found_told_and_mended(written, breach, profile):
    conf = read_file(str(written(profile, breach.without, breach.add)))
    found = rows(conf, Wanted(profile))
    verdict = breach.kdc if profile == "kdc" else breach.appserver
    row = worst(found[breach.row])
    assert row.verdict == verdict, row
    if verdict != OK:
        assert re.search(breach.found, row.found), row
        assert re.search(breach.mend, row.mend), row
    assert row.clause


@pytest.mark.parametrize("profile", PROFILES)
def test_the_shipped_configurations_hold(written, profile):
    conf = read_file(str(written(profile)))
    assert conf.version is not None
    found = rows(conf, Wanted(profile))
    assert [row for each in found.values() for row in each if row.verdict == FAIL] == []
    # But for the names, which are an example's.
    assert [row.what for each in found.values() for row in each if row.verdict == WARN] == ["servers"]


def test_debian_s_own_file(tmp_path):
    for name in ("conf.d", "chrony-dhcp", "sources.d"):
        (tmp_path / name).mkdir()
    (tmp_path / "conf.d/z.conf").write_text("# from a package\nmaxslewrate 1000\n")
    (tmp_path / "chrony-dhcp/eth0.sources").write_text("server 192.0.2.9 iburst\n")
    path = tmp_path / "chrony.conf"
    path.write_text(DEBIAN.format(home=tmp_path))
    found = rows(read_file(str(path)), Wanted("kdc"))
    failed = {name for name, each in found.items() if worst(each).verdict == FAIL}
    assert failed == {
        "makestep", "leapsecmode", "rate", "maxchange", "refclock", "authselectmode", "NTS", "minsources",
        "added by others", "rtcsync",
    }  # fmt: skip
    # What confdir and sourcedir bring counts, and is told with its place.
    assert "maxslewrate 1000 + 10" in found["rate"][0].found
    assert any(f"{tmp_path}/chrony-dhcp/eth0.sources:1" in row.found for row in found["NTS"])
    assert len(found["added by others"]) == 3


def test_an_explanation_above_a_directive_is_taken(written):
    path = written(
        add="# refclock doctor: the clients of this realm take their time here\nallow 192.0.2.0/24"
    )
    (row,) = rows(read_file(str(path)), Wanted("kdc"))["allow"]
    assert (row.verdict, "explained: the clients of this realm" in row.found) == (OK, True)
    # Not for a rule that the draft makes.
    path = written(add="# refclock doctor: I like it\nmakestep 1 3")
    assert rows(read_file(str(path)), Wanted("kdc"))["makestep"][0].verdict == FAIL


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("-q", "sets the clock once"),
        ("-s -r", "from the RTC"),
        ("-rs", "from the RTC"),
        ("-x", "nobody keeps it"),
        ("-F 1 -t 30", "ends after 30 s"),
    ],
)
def test_options_that_step_or_do_not_steer(written, options, found):
    path = written()
    command = commandline.parse(("/usr/sbin/chronyd", *options.split(), "-f", str(path)), "chrony.service")
    (row,) = rows(read_command(command), Wanted("kdc"))["command line"]
    assert row.verdict == FAIL
    assert found in row.found
    assert "chrony.service" in row.mend


def test_r_disarms_makestep_as_long_as_it_is_given(written):
    path = written(add="makestep 1 3\ninitstepslew 1 192.0.2.1")
    command = commandline.parse(("chronyd", "-R", "-f", str(path)), "process 1")
    found = rows(read_command(command), Wanted("kdc"))
    assert [found[name][0].verdict for name in ("command line", "makestep", "initstepslew")] == [
        OK,
        WARN,
        WARN,
    ]
    always = read_file(str(written(add="makestep 1 -1")))
    assert rows(replace(always, command=command), Wanted("kdc"))["makestep"][0].verdict == FAIL


def test_directives_on_the_command_line_take_the_file_s_place(written):
    path = written()
    words = ("chronyd", "-f", str(path), "maxslewrate 100", "server 192.0.2.1 nts")
    conf = read_command(commandline.parse(words, "process 1"))
    assert [one.text for one in conf.directives] == ["maxslewrate 100", "server 192.0.2.1 nts"]
    assert rows(conf, Wanted("kdc"))["leapsecmode"][0].verdict == FAIL


def test_ways_that_the_configurations_name(written):
    wanted = Wanted("kdc", sockets=("/run/chrony.refclock.a.sock",), units=(21,))
    conf = read_file(
        str(written(without="refclock", add="refclock SHM 21\nrefclock SOCK /run/chrony.refclock.b.sock"))
    )
    found = rows(conf, wanted)
    assert [row.verdict for row in found["refclock"]] == [FAIL, OK]
    assert "nothing reads /run/chrony.refclock.a.sock" in found["refclock"][0].found
    # Another daemon's socket is nobody's that was vetted.
    assert found["other refclocks"][0].verdict == FAIL


def test_a_file_that_chronyd_refuses_is_unusable(tmp_path, capsys):
    path = tmp_path / "chrony.conf"
    path.write_text("maxslewrate 5000\nrefclock SHM 20 maxbogus 3\n")
    with pytest.raises(ConfigError, match="Invalid refclock option at line 2"):
        read_file(str(path))
    assert cli.main(["doctor", "--profile", "kdc", "--chrony-conf", str(path)]) == 2
    assert "refuses it" in capsys.readouterr().err
    with pytest.raises(UnreadableError, match="No such file"):
        read_file(str(tmp_path / "none"))


@pytest.fixture
def confined(tmp_path, monkeypatch, require_program) -> None:
    """A chronyd that may not read files of ours, as under its AppArmor profile."""
    real, path = require_program("chronyd"), tmp_path / "confined"
    told = "2026-11-23T00:00:00Z Fatal error : Could not open x : Permission denied"
    path.write_text(f'#!/bin/sh\n[ "$2" = -f ] && {{ echo "{told}" >&2; exit 1; }}\nexec {real} "$@"\n')
    path.chmod(0o755)
    monkeypatch.setattr(program, "find", lambda name: str(path))


def test_a_chronyd_that_its_profile_keeps_from_the_file_gets_its_lines(written, confined):
    path = written(add="makestep 1 3")
    (row,) = rows(read_file(str(path)), Wanted("kdc"))["makestep"]
    assert row.verdict == FAIL
    assert row.mend == f"remove {path}:{len(path.read_text().splitlines())}"
    path = written(add="maxslewrate x")
    with pytest.raises(ConfigError, match=r"Could not parse maxslewrate directive in .*chrony.conf:[0-9]+"):
        read_file(str(path))
    path = written(add="include {home}/secret*")
    (path.parent / "secret").mkdir()
    with pytest.raises(UnreadableError, match="secret: Is a directory; be root"):
        read_file(str(path))


def test_a_repeated_directive_counts_as_chronyd_takes_it(written):
    conf = read_file(str(written(add="maxslewrate 100000\nmaxslewrate 40")))
    assert "maxslewrate 40 " in rows(conf, Wanted("kdc"))["rate"][0].found
    twice = conf.all("maxslewrate")
    assert [one.line for one in twice] == sorted(one.line for one in twice)


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_printed_whole_is_read_and_clean(tmp_path, profile):
    """From a configuration that breaks nearly every rule."""
    path = tmp_path / "old.conf"
    path.write_text(
        f"confdir {tmp_path}/d\npool 2.debian.pool.ntp.org iburst\nserver time.example.org nts iburst trust\n"
        "server 192.0.2.2 nts maxpoll 10\nserver 192.0.2.3 key 7 maxsamples 64\nserver 192.0.2.4 nts prefer\n"
        "rtcsync\nmakestep 1 3\nuser root\ncmdallow all\nlocal stratum 8\nbindcmdaddress 0.0.0.0\n"
        "keyfile /etc/chrony/chrony.keys\nlogdir /var/log/chrony\nrefclock SHM 0\nleapsecmode step\n"
        "# refclock doctor: the realm's clients\nallow 192.0.2.0/24\n"
    )
    wanted = Wanted(profile, sockets=("/run/chrony.refclock.gps0.sock",), units=(20,))
    text = whole_configuration(wanted, str(path))
    new = tmp_path / "new"
    new.mkdir()
    (new / "chrony.conf").write_text(text)
    conf = read_file(str(new / "chrony.conf"))
    assert [one for one in examine_file(conf, wanted) if one.verdict != OK] == []
    assert "#pool 2.debian.pool.ntp.org iburst" in text
    assert "allow 192.0.2.0/24" in text
    kept = {one.text for one in conf.directives}
    assert "server time.example.org nts iburst maxpoll 6 maxsamples 16" in kept
    assert "server 192.0.2.2 nts maxpoll 6 maxsamples 16" in kept
    assert "server 192.0.2.3 key 7 maxsamples 16 maxpoll 6" in kept
    assert "keyfile /etc/chrony/chrony.keys" in kept
    assert not {"rtcsync", "user root", "cmdallow all"} & kept


@pytest.mark.parametrize(("profile", "total"), [("appserver", 50_510), ("kdc", 5_510), ("kdc-cesium", 110)])
def test_the_verb_on_a_file(written, capsys, profile, total):
    path = written(profile)
    assert cli.main(["doctor", "--profile", profile, "--chrony-conf", str(path)]) == 0
    shown = capsys.readouterr().out
    assert f"= {total} ppm" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80
    path.write_text(path.read_text() + "makestep 1 3\n")
    assert cli.main(["doctor", "--profile", profile, "--chrony-conf", str(path)]) == 1
    told = capsys.readouterr().out
    assert "FAIL: makestep" in told
    assert re.search(r"^FAIL  6 26 29   makestep ", told, re.M)


def test_what_the_verb_prints_whole_it_judges_clean(tmp_path, capsys):
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("".join(f"server 192.0.2.{number} nts\n" for number in (1, 2, 3)))
    assert cli.main(["doctor", "--profile", "kdc", "--chrony-conf", str(old), "--fix-print"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    new.write_text(printed.out)
    assert cli.main(["doctor", "--profile", "kdc", "--chrony-conf", str(new)]) == 0
    assert "no failures, no warnings" in capsys.readouterr().out


def test_the_version_is_the_installed_one_s(written):
    chronyd = program.find("chronyd")
    assert chronyd is not None
    conf = read_file(str(written()))
    assert conf.version == program.version(chronyd)
    assert conf.at_least(1)
