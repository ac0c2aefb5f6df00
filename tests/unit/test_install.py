"""Installing below a root of our own: all in place, again and again, and nothing of anybody's lost."""

import json
import os
import sys
from pathlib import Path

import pytest

from refclock import cli
from refclock.cli import install as verb
from refclock.cli.neighbours import claims
from refclock.install import host, placing
from refclock.policy import PROFILES, parse_policy

PROGRAM = "/opt/refclock/bin/refclock"
UNIT = "etc/systemd/system/refclock@.service"
CONFIG = "etc/refclock/ublox_1.toml"


def install(root: Path, *more: str) -> int:
    return cli.main(["install", "--root", str(root), "--name", "ublox_1", "--program", PROGRAM, *more])


def uninstall(root: Path, *more: str) -> int:
    return cli.main(["uninstall", "--root", str(root), *more])


def tree(root: Path) -> dict[str, bytes]:
    return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}


def test_all_is_in_place_and_what_is_next_is_said(tmp_path, capsys):
    assert install(tmp_path) == 0
    shown = capsys.readouterr().out
    found = tree(tmp_path)
    for path in (
        UNIT,
        "etc/systemd/system/refclock-shm.service",
        "etc/systemd/system/refclock-wait.service",
        "etc/systemd/system/refclock-established.target",
        "etc/systemd/system/chrony.service.d/refclock-ublox_1.conf",
        "etc/systemd/system/krb5-kdc.service.d/refclock.conf",
        "etc/sysusers.d/refclock.conf",
        "etc/tmpfiles.d/refclock.conf",
        CONFIG,
    ):
        assert f"wrote     /{path}  (" in shown
        assert path in found
    units = [text for path, text in found.items() if path.startswith("etc/systemd")]
    assert not any(b"@REFCLOCK@" in text for text in units)
    assert b"ExecStart=/opt/refclock/bin/refclock run --config /etc/refclock/%i.toml" in found[UNIT]
    assert "1. systemd-sysusers && systemd-tmpfiles --create" in shown
    assert "systemctl restart chrony.service refclock@ublox_1.service" in shown
    assert "krb5-kdc.service now waits for established time" in shown
    assert f"for the host whose root is {tmp_path}." in shown
    assert set(json.loads(found[placing.MANIFEST])["files"]) == set(found) - {placing.MANIFEST}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_configuration_is_one_that_the_program_reads(tmp_path, capsys, profile):
    assert install(tmp_path, "--profile", profile) == 0
    policy = parse_policy((tmp_path / CONFIG).read_text(), CONFIG)
    assert policy.profile == profile
    assert policy.receiver.device == "/dev/refclock/ublox_1"
    assert policy.sock_path == "/run/chrony.refclock.ublox_1.sock"
    assert policy.time_file == "/run/refclock/ublox_1.time"
    assert (policy.cesium is not None) is (profile == "kdc-cesium")
    gated = (tmp_path / "etc/systemd/system/krb5-kdc.service.d").exists()
    assert gated is (profile != "appserver")


def test_two_receivers_share_nothing(tmp_path, capsys):
    install(tmp_path)
    first = tree(tmp_path)
    assert cli.main(["install", "--root", str(tmp_path), "--name", "gps0", "--program", PROGRAM]) == 0
    second = tree(tmp_path)
    assert first.items() - second.items() == {(placing.MANIFEST, first[placing.MANIFEST])}
    ours, theirs = (
        parse_policy((tmp_path / f"etc/refclock/{name}.toml").read_text(), name)
        for name in ("ublox_1", "gps0")
    )
    assert ours.pps is not None
    assert theirs.pps is not None
    assert ours.pps.device != theirs.pps.device
    said, others = claims(ours), claims(theirs)
    assert set(said) == {"receiver.device", "sock.path", "status.socket", "time.file", "state.file"}
    assert not [key for key in said if said[key] == others[key]]
    for policy, name in ((ours, "ublox_1"), (theirs, "gps0")):
        drop_in = tmp_path / f"etc/systemd/system/chrony.service.d/refclock-{name}.conf"
        assert f"chgrp refclock {policy.sock_path}\n" in drop_in.read_text()
        assert f"chmod 0660 {policy.sock_path}\n" in drop_in.read_text()
    uninstall(tmp_path)
    assert tree(tmp_path) == {}


def test_the_names_that_fedora_gives_its_services(tmp_path):
    vendor = tmp_path / "usr/lib/systemd/system"
    vendor.mkdir(parents=True)
    (vendor / "chronyd.service").touch()
    (vendor / "krb5kdc.service").touch()
    # An alias is no unit of its own.
    (vendor / "chrony.service").symlink_to("chronyd.service")
    assert install(tmp_path) == 0
    names = {one.name for one in (tmp_path / "etc/systemd/system").iterdir() if one.is_dir()}
    assert names == {"chronyd.service.d", "krb5kdc.service.d"}


def test_a_second_time_nothing_is_to_do(tmp_path, capsys):
    install(tmp_path)
    before = tree(tmp_path)
    capsys.readouterr()
    assert install(tmp_path) == 0
    shown = capsys.readouterr().out
    assert tree(tmp_path) == before
    assert {line.split()[0] for line in shown.splitlines()[:-2]} == {"unchanged"}
    assert "Nothing to do: all of it is in place." in shown


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    assert install(tmp_path, "--dry-run") == 0
    assert "wrote     /etc/sysusers.d" in capsys.readouterr().out
    assert tree(tmp_path) == {}
    install(tmp_path)
    before = tree(tmp_path)
    (tmp_path / CONFIG).write_text("mine")
    assert uninstall(tmp_path, "--dry-run") == 0
    assert "Nothing was removed." in capsys.readouterr().out
    assert tree(tmp_path) == before | {CONFIG: b"mine"}


def test_a_new_version_replaces_what_nobody_edited(tmp_path, capsys):
    install(tmp_path)
    capsys.readouterr()
    assert install(tmp_path, "--program", "/usr/local/bin/refclock") == 0
    assert f"updated   /{UNIT}" in capsys.readouterr().out
    assert b"ExecStart=/usr/local/bin/refclock run" in (tmp_path / UNIT).read_bytes()


def test_an_edited_file_is_never_overwritten(tmp_path, capsys):
    install(tmp_path)
    (tmp_path / UNIT).write_text("edited")
    (tmp_path / CONFIG).write_text('profile = "appserver"\n')
    capsys.readouterr()
    assert install(tmp_path) == 0
    shown = capsys.readouterr().out
    assert f"kept      /{UNIT}  (it was edited; this version's is beside it, refclock@.service.new)" in shown
    assert (tmp_path / UNIT).read_text() == "edited"
    assert (tmp_path / CONFIG).read_text() == 'profile = "appserver"\n'
    assert b"[Service]" in (tmp_path / f"{UNIT}.new").read_bytes()
    assert uninstall(tmp_path) == 0
    left = tree(tmp_path)
    assert set(left) == {UNIT, CONFIG}
    assert f"kept      /{UNIT}  (it was edited)" in capsys.readouterr().out


def test_what_was_there_before_is_nobody_s_to_overwrite(tmp_path, capsys):
    (tmp_path / "etc/refclock").mkdir(parents=True)
    (tmp_path / CONFIG).write_text("old")
    install(tmp_path)
    assert f"kept      /{CONFIG}  (it was there before;" in capsys.readouterr().out
    uninstall(tmp_path)
    assert (tmp_path / CONFIG).read_text() == "old"


def test_a_masked_unit_stays_masked(tmp_path, capsys):
    (tmp_path / UNIT).parent.mkdir(parents=True)
    (tmp_path / UNIT).symlink_to("/dev/null")
    install(tmp_path)
    assert "it is a symbolic link (a masked unit?)" in capsys.readouterr().out
    assert os.readlink(tmp_path / UNIT) == "/dev/null"
    assert not (tmp_path / f"{UNIT}.new").exists()


def test_what_was_removed_since_stays_away(tmp_path, capsys):
    install(tmp_path)
    gate = tmp_path / "etc/systemd/system/krb5-kdc.service.d/refclock.conf"
    gate.unlink()
    install(tmp_path)
    assert not gate.exists()
    assert (
        "left out  /etc/systemd/system/krb5-kdc.service.d/refclock.conf  (it was removed"
        in capsys.readouterr().out
    )
    uninstall(tmp_path)
    install(tmp_path)
    assert gate.exists()


def test_uninstalling_leaves_nothing_but_empty_directories_that_others_use(tmp_path, capsys):
    install(tmp_path)
    capsys.readouterr()
    assert uninstall(tmp_path) == 0
    assert tree(tmp_path) == {}
    left = {str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")}
    assert {one for one in left if "refclock" in one or one.endswith(".service.d")} == set()
    assert "/var/lib/refclock" in capsys.readouterr().out
    assert uninstall(tmp_path) == 0
    assert "Nothing to remove" in capsys.readouterr().out


def test_a_directory_that_somebody_uses_stays(tmp_path):
    install(tmp_path)
    other = tmp_path / "etc/systemd/system/chrony.service.d/other.conf"
    other.touch()
    uninstall(tmp_path)
    assert other.exists()


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (("--program", "/home/me/.local/bin/refclock"), "sandbox hides /home"),
        (("--program", "/root/x/bin/refclock"), "python3 -m venv /opt/refclock"),
        (("--program", "refclockd"), "expected an absolute path"),
        (("--program", "/opt/a b/refclock"), "a unit cannot name it"),
        (("--program", "/opt/%i/refclock"), "a unit cannot name it"),
        (("--name", "../x"), "expected letters, digits"),
        (("--name", ""), "expected letters, digits"),
        (("--name", "a-b"), "expected letters, digits"),
    ],
)
def test_choices_that_cannot_work(tmp_path, capsys, more, complaint):
    assert install(tmp_path, *more) == 2
    assert complaint in capsys.readouterr().err
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", '{"version":1}', '{"version":1,"files":7}', "\xff"])
def test_a_manifest_that_is_none(tmp_path, capsys, text):
    path = tmp_path / placing.MANIFEST
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode("latin-1"))
    assert install(tmp_path) == 2
    assert "every file counts as edited" in capsys.readouterr().err


def test_a_manifest_of_a_newer_version(tmp_path, capsys):
    path = tmp_path / placing.MANIFEST
    path.parent.mkdir(parents=True)
    path.write_text('{"version":2,"files":{}}')
    assert uninstall(tmp_path) == 2
    assert "version 2, expected 1" in capsys.readouterr().err


def test_a_root_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "etc").touch()
    assert install(tmp_path) == 1
    assert "run it as root, or below another --root" in capsys.readouterr().err


def test_a_file_that_cannot_be_read(tmp_path, capsys):
    (tmp_path / UNIT).mkdir(parents=True)
    assert install(tmp_path) == 1
    assert "Is a directory; run it as root" in capsys.readouterr().err
    (tmp_path / placing.MANIFEST).unlink()
    (tmp_path / placing.MANIFEST).mkdir()
    assert install(tmp_path) == 1


def test_the_program_that_is_running(tmp_path, monkeypatch):
    script = tmp_path / "refclock"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script)])
    assert verb.running() == str(script)
    monkeypatch.setattr(sys, "argv", ["/x/refclock/__main__.py"])
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert verb.running() == str(script)
    script.unlink()
    assert verb.running() == f"{tmp_path}/python -m refclock"


# os-release(5) of each, as far as it matters, and the units and files that its packages bring.
HOSTS = {
    "Debian 12": (
        'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
        (
            "lib/systemd/system/chrony.service",
            "lib/systemd/system/krb5-kdc.service",
            "etc/chrony/chrony.conf",
        ),
    ),
    "Debian 13": (
        'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_ID="13"\nID=debian\n',
        (
            "usr/lib/systemd/system/chrony.service",
            "usr/lib/systemd/system/krb5-kdc.service",
            "etc/chrony/chrony.conf",
        ),
    ),
    "RHEL 9": (
        'NAME="Red Hat Enterprise Linux"\nVERSION_ID="9.4"\nID="rhel"\nID_LIKE="fedora"\n',
        (
            "usr/lib/systemd/system/chronyd.service",
            "usr/lib/systemd/system/krb5kdc.service",
            "etc/chrony.conf",
        ),
    ),
    "RHEL 10": (
        'NAME="Red Hat Enterprise Linux"\nVERSION_ID="10.0"\nID="rhel"\nID_LIKE="centos fedora"\n',
        (
            "usr/lib/systemd/system/chronyd.service",
            "usr/lib/systemd/system/krb5kdc.service",
            "etc/chrony.conf",
        ),
    ),
    "a rebuild": (
        "ID='rocky'\nID_LIKE='rhel centos fedora'\n",
        (
            "usr/lib/systemd/system/chronyd.service",
            "usr/lib/systemd/system/krb5kdc.service",
            "etc/chrony.conf",
        ),
    ),
}


@pytest.fixture(params=HOSTS)
def elsewhere(request, tmp_path) -> tuple[str, Path]:
    """A made-up host's root, before any package that matters was installed."""
    name: str = request.param
    text = HOSTS[name][0]
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text(text)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").symlink_to("../usr/lib/os-release")
    if "Debian" not in name:
        (tmp_path / "etc/selinux").mkdir()
        (tmp_path / "etc/selinux/config").write_text("# SELINUX= can be one of\nSELINUX=enforcing\n")
    return name, tmp_path


@pytest.mark.parametrize("packages", [False, True], ids=["bare", "with chrony and a KDC"])
def test_each_host_s_own_names(elsewhere, packages, capsys):
    name, root = elsewhere
    for path in HOSTS[name][1] if packages else ():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    assert install(root) == 0
    shown = capsys.readouterr().out
    debian = "Debian" in name
    chrony, kdc = ("chrony.service", "krb5-kdc.service") if debian else ("chronyd.service", "krb5kdc.service")
    drop_ins = {one.name for one in (root / "etc/systemd/system").iterdir() if one.is_dir()}
    assert drop_ins == {f"{chrony}.d", f"{kdc}.d"}
    assert f"edit {'/etc/chrony/chrony.conf' if debian else '/etc/chrony.conf'}:" in shown
    assert f"systemctl restart {chrony} refclock@ublox_1.service" in shown
    assert f"{kdc} now waits for established time" in shown
    assert ("restorecon -R /opt/refclock/bin" in shown) is not debian
    assert ("keep to [sock]" in shown) is not debian
    # Both are there whatever the host is called: who feeds chrony must not depend on a name.
    unit = (root / "etc/systemd/system/refclock-shm.service").read_text()
    assert "Before=chrony.service chronyd.service" in unit


@pytest.mark.parametrize(
    ("text", "selinux"), [("SELINUX = permissive\n", True), ("SELINUX=disabled\n", False)]
)
def test_selinux_as_it_is_configured(tmp_path, text, selinux):
    (tmp_path / "etc/selinux").mkdir(parents=True)
    (tmp_path / "etc/selinux/config").write_text(text)
    assert host(tmp_path).selinux is selinux


def test_a_manual_page_can_be_read_in_its_place(tmp_path):
    install(tmp_path)
    for page in ("man8/refclock.8", "man5/refclock.toml.5"):
        assert ".SH NAME" in (tmp_path / "usr/local/share/man" / page).read_text()


def test_chrony_s_whole_configuration_lies_beside_ours(tmp_path):
    install(tmp_path)
    text = (tmp_path / "etc/refclock/ublox_1.chrony.conf").read_text()
    assert "refclock SOCK /run/chrony.refclock.ublox_1.sock refid" in text
    assert "leapsectz right/UTC\n" in text
    assert "maxslewrate 5000\n" in text


@pytest.mark.parametrize(
    ("zone", "line"), [(True, "leapsectz right/UTC"), (False, "leapseclist /usr/share/")]
)
def test_chrony_learns_of_leap_seconds_from_what_the_host_has(tmp_path, zone, line):
    zones = tmp_path / "usr/share/zoneinfo"
    zones.mkdir(parents=True)
    (zones / "leap-seconds.list").touch()
    if zone:
        (zones / "right").mkdir()
        (zones / "right/UTC").touch()
    install(tmp_path, "--profile", "appserver")
    assert f"\n{line}" in (tmp_path / "etc/refclock/ublox_1.chrony.conf").read_text()
