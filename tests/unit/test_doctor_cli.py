"""The verb: whose configuration counts, what is said where something cannot be seen, JSON."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from refclock import cli
from refclock.chrony import program, reading
from refclock.chrony.commandline import CommandLine
from refclock.chrony.effective import Effective, Wanted, number, wanted_by, way_of
from refclock.chrony.examining import HOST_RULES, Host, examine_host
from refclock.chrony.rules.table import RULES, judge
from refclock.chrony.shipped import Present, complete
from refclock.cli import doctor
from refclock.cli.check import rows
from refclock.errors import ConfigError, PortError
from refclock.finding import FAIL, OK, WARN, Finding
from refclock.policy import parse_policy
from refclock.wire.chronyconf import parse_line, parse_text


@pytest.fixture
def no_chronyd(monkeypatch):
    monkeypatch.setattr(program, "find", lambda name: None)


def stand_in(monkeypatch: pytest.MonkeyPatch, home: Path, version: str, then: str = "exit 1") -> None:
    """A chronyd that says this version, and does this when it is asked for anything else."""
    path = home / "chronyd"
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && '
        f'{{ echo "chronyd (chrony) version {version} (+X)"; exit; }}\n{then}\n'
    )
    path.chmod(0o755)
    monkeypatch.setattr(program, "find", lambda name: str(path))


def test_without_chronyd_the_files_are_judged_and_it_is_said(tmp_path, capsys, no_chronyd):
    path = tmp_path / "chrony.conf"
    path.write_text(complete("kdc", Present()) + f"include {tmp_path}/more/*\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/b").write_text("makestep 1 3\n")
    assert cli.main(["doctor", "--profile", "kdc", "--chrony-conf", str(path), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    found = {one["row"]: one for one in document["findings"]}
    assert not found["configuration"]["known"]
    assert "chronyd is not installed" in found["configuration"]["found"]
    assert found["makestep"]["verdict"] == "fail"
    assert f"{tmp_path}/more/b:1" in found["makestep"]["found"]
    assert document["profile"] == "kdc"
    assert document["holds"] is False


def test_inclusions_without_end_are_given_up(tmp_path, no_chronyd):
    path = tmp_path / "round.conf"
    path.write_text(f"include {path}\n" * 20)
    conf = reading.read_file(str(path))
    assert conf.trouble[0] == f"{path}:1: files include each other more than 10 deep"
    assert len(conf.files) == 11
    for depth in range(5):
        (tmp_path / f"{depth}.conf").write_text(f"include {tmp_path}/{depth + 1}.conf\n" * 20)
    (tmp_path / "5.conf").write_text("local\n")
    conf = reading.read_file(str(tmp_path / "0.conf"))
    assert "more than 1000 files" in conf.trouble[0]
    assert len(conf.files) == 1000


def test_an_old_chronyd_is_not_asked_to_print(tmp_path, monkeypatch):
    stand_in(monkeypatch, tmp_path, "3.5")
    path = tmp_path / "chrony.conf"
    path.write_text("maxslewrate 5\n")
    conf = reading.read_file(str(path))
    assert conf.version == (3, 5)
    assert "chronyd 3.5 cannot print what it reads" in conf.trouble[0]
    assert [one.text for one in conf.directives] == ["maxslewrate 5"]


def test_a_chronyd_that_hangs_or_cannot_be_run(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "_PATIENCE_S", 0.2)
    stand_in(monkeypatch, tmp_path, "4.3", "exec sleep 60")
    path = tmp_path / "chrony.conf"
    path.touch()
    with pytest.raises(PortError, match="no answer in"):
        reading.read_file(str(path))
    with pytest.raises(PortError, match="cannot be run"):
        program.run(["/dev/null"])


def test_what_chronyd_prints_and_no_file_holds_has_no_place(tmp_path, monkeypatch):
    stand_in(monkeypatch, tmp_path, "4.3", "echo 'makestep 1 3'; echo 'maxslewrate 7'")
    path = tmp_path / "chrony.conf"
    path.write_text("maxslewrate 7\n")
    conf = reading.read_file(str(path))
    assert [one.place for one in conf.directives] == ["", f"{path}:1"]


def test_files_that_include_each_other_end(tmp_path, no_chronyd):
    path = tmp_path / "chrony.conf"
    path.write_text(f"include {path}\nmaxdrift 1\n")
    conf = reading.read_file(str(path))
    assert any("include each other" in one for one in conf.trouble)


def test_the_first_directory_that_has_a_name_counts(tmp_path, no_chronyd):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.conf").write_text(f"refclock SHM 2{'ab'.index(name)}\n")
        (tmp_path / name / "x.sources").write_text(f"server {name}\n")
    (tmp_path / "b/y.conf").write_text("maxdrift 9\n")
    path = tmp_path / "chrony.conf"
    path.write_text(f"confdir {tmp_path}/a {tmp_path}/b\nsourcedir {tmp_path}/b {tmp_path}/a\n")
    conf = reading.read_file(str(path))
    assert [one.text for one in conf.directives if one.name != "sourcedir"] == [
        "refclock SHM 20", "maxdrift 9", "server b",
    ]  # fmt: skip
    assert {one.name for one in conf.written} >= {"confdir", "sourcedir"}


def test_directives_of_a_command_line_without_chronyd(no_chronyd):
    line = CommandLine(directives=parse_text("maxdrift 3"))
    assert [one.text for one in reading.read_command(line).directives] == ["maxdrift 3"]


def test_a_configuration_that_may_not_be_read_is_told_and_the_rest_is_judged(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "DEFAULT_FILES", (str(tmp_path / "none"),))
    found = {one.what: one for one in examine_host(Host(root=tmp_path, chronyc=("/none",)), Wanted("kdc"))}
    assert not found["configuration"].known
    assert "run it as root" in found["configuration"].mend
    assert "makestep" not in found
    assert found["jobs"].verdict == OK


@pytest.mark.parametrize(
    ("path", "verdict"), [("/run/chrony.refclock.a.sock", OK), ("/run/refclock/chrony.sock", FAIL)]
)
def test_apparmor_allows_one_kind_of_path(tmp_path, monkeypatch, path, verdict):
    monkeypatch.setattr(reading, "DEFAULT_FILES", (str(tmp_path / "none"),))
    (tmp_path / "etc/apparmor.d").mkdir(parents=True)
    (tmp_path / "etc/apparmor.d/usr.sbin.chronyd").touch()
    wanted = Wanted("kdc", sockets=(path,))
    assert not [one for one in examine_host(Host(tmp_path, ("/none",)), wanted) if one.what == "AppArmor"]
    (tmp_path / "sys/module/apparmor/parameters").mkdir(parents=True)
    (tmp_path / "sys/module/apparmor/parameters/enabled").write_text("Y\n")
    (row,) = [one for one in examine_host(Host(tmp_path, ("/none",)), wanted) if one.what == "AppArmor"]
    assert row.verdict == verdict


def config(directory: Path, name: str, profile: str, way: str) -> Path:
    path = directory / name
    path.write_text(f'profile = "{profile}"\n{way}\n')
    return path


def test_every_daemon_of_the_host_counts_and_the_strictest_profile(tmp_path, capsys, no_chronyd):
    one = config(tmp_path, "a.toml", "appserver", '[sock]\npath = "/run/chrony.refclock.a.sock"')
    config(tmp_path, "b.toml", "kdc", "[shm]\nunit = 21")
    (tmp_path / "broken.toml").write_text("profile =")
    path = tmp_path / "chrony.conf"
    path.write_text(complete("kdc", Present(ways=("/run/chrony.refclock.a.sock", 21))))
    assert cli.main(["doctor", "--config", str(one), "--chrony-conf", str(path)]) == 1
    shown = capsys.readouterr().out
    assert "profile              kdc" in shown
    assert "no failures" in shown
    assert "1 not known" in shown
    assert shown.count("`refclock S") == 2
    assert [line.split()[4] for line in path.read_text().splitlines() if line.startswith("refclock")] == [
        "RCLK", "RCL2",
    ]  # fmt: skip


def test_a_configuration_of_refclock_s_that_is_none_is_unusable(tmp_path, capsys):
    (tmp_path / "a.toml").write_text("profile =")
    assert cli.main(["doctor", "--config", str(tmp_path / "a.toml")]) == 2
    assert "a.toml" in capsys.readouterr().err


def test_without_a_configuration_the_directory_s(tmp_path, monkeypatch, capsys, no_chronyd):
    monkeypatch.setattr(doctor, "CONFIG_DIRECTORY", str(tmp_path))
    path = tmp_path / "chrony.conf"
    path.write_text(complete("appserver", Present()))
    cli.main(["doctor", "--chrony-conf", str(path), "--json"])
    assert f"kdc (no configuration in {tmp_path})" in capsys.readouterr().out
    with monkeypatch.context() as closed:
        closed.setattr(os, "access", lambda path, mode: False)
        cli.main(["doctor", "--chrony-conf", str(path), "--json"])
    assert f"kdc ({tmp_path} may not be read by this user)" in capsys.readouterr().out
    config(tmp_path, "r.toml", "appserver", '[sock]\npath = "/run/chrony.refclock.receiver.sock"')
    cli.main(["doctor", "--chrony-conf", str(path), "--json"])
    assert f"appserver ({tmp_path}/r.toml)" in capsys.readouterr().out
    (tmp_path / "s.toml").write_text("profile =")
    assert cli.main(["doctor", "--chrony-conf", str(path)]) == 2


def test_what_is_printed_without_a_present_configuration(tmp_path, monkeypatch, capsys, no_chronyd):
    monkeypatch.setattr(reading, "DEFAULT_FILES", (str(tmp_path / "none"),))
    assert cli.main(["doctor", "--profile", "kdc-cesium", "--fix-print"]) == 0
    printed = capsys.readouterr()
    assert "maxslewrate 50\n" in printed.out
    assert "put servers with NTS in the place of those of example.net" in printed.err


def test_findings_in_a_table_with_clauses():
    lines = rows(
        [Finding("makestep", "x " * 40, FAIL, "remove it", "6 26 29"), Finding("a", "b")], clauses=True
    )
    assert lines[0].startswith("FAIL  6 26 29   makestep             x x")
    assert lines[-1] == "ok    -         a                    b"
    assert max(map(len, lines)) <= 80


def test_rules_have_names_of_their_own_clauses_and_reasons():
    every = [*(rule for rule, _ in RULES), *HOST_RULES]
    assert len({one.name for one in every}) == len(every)
    for one in every:
        assert one.clause.replace(" ", "").isdigit()
        assert one.must
        assert one.why
        assert len(one.name) <= 20
        assert one.verdict("kdc") == (WARN if one.advice else FAIL)


def test_wanted_and_ways():
    policies = tuple(parse_policy(text) for text in ("[shm]\nunit = 20\n", 'profile = "kdc-cesium"\n[rtc]\n'))
    wanted = wanted_by(policies)
    assert (wanted.profile, wanted.ways, wanted.rtc, wanted.cap_ppm) == ("kdc-cesium", (20,), True, 10_000)
    assert wanted.is_kdc
    lines = ("refclock SHM x", "refclock PPS /dev/pps0", "refclock", "refclock sock /a:b")
    told = [way_of(one) for text in lines if (one := parse_line(text)) is not None]
    assert told == [None, None, None, "/a"]
    assert [number(text) for text in ("nan", "inf", "0x10", "1e99999", "1e3")] == [
        None,
        None,
        None,
        None,
        1000,
    ]


def test_the_version_is_read_off(tmp_path, monkeypatch):
    stand_in(monkeypatch, tmp_path, "4.8")
    conf = Effective("x", (), version=program.version(str(tmp_path / "chronyd")))
    assert conf.at_least(4, 8)
    assert not conf.at_least(4, 9)
    assert "maxunreach" in complete("kdc", Present(version=conf.version))
    with pytest.raises(ConfigError, match=os.path.basename("nothing")):
        reading.read_file(str(tmp_path / "nothing"))


def test_what_only_newer_chronyds_know():
    """4.3 refuses these, so that they are judged here as values."""
    conf = Effective(
        "x", parse_text("refclock RTC /dev/rtc0\nleapseclist /x\nrefclock SHM 20 maxunreach 8\n")
    )
    found = {one.what: one for one in judge(conf, Wanted("kdc"))}
    assert found["rtcfile"].verdict == WARN
    assert found["other refclocks"].verdict == FAIL
    assert found["leap seconds"].verdict == OK
    every = replace(conf, directives=conf.all("leapseclist") + conf.all("refclock")[1:])
    found = {one.what: one for one in judge(every, Wanted("kdc"))}
    assert found["stale refclock"].found == "maxunreach is set"
    newer = Effective("x", parse_text("refclock SHM 20\nserver a nts\n"), version=(4, 8))
    found = {one.what: one for one in judge(newer, Wanted("kdc"))}
    assert found["stale refclock"].mend == "write `maxunreach 8` on the refclock"
