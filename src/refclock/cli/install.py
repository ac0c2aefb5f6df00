"""``refclock install``: units, rules, users, drop-ins and a configuration, in place and in order."""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from refclock.install import Deed, Site, host, place, plan
from refclock.policy import PROFILES

EXAMPLE = "refclock install --dry-run --profile kdc --name ublox_usb1_1.2"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument(
        "--name", metavar="NAME", default="receiver", help="the receiver's under /dev/refclock (receiver)"
    )
    parser.add_argument("--profile", choices=PROFILES, default="kdc", help="what this host is (kdc)")
    parser.add_argument(
        "--program", metavar="PATH", help="the refclock that units start (the one that is running)"
    )
    root_arguments(parser)


def root_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--root DIR`` and ``--dry-run``."""
    parser.add_argument("--root", metavar="DIR", default="/", help="a host's root, such as an image's (/)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def main(args: argparse.Namespace) -> int:
    """Write, then say what was written and what is next."""
    site = Site(Path(args.root), args.program or running(), args.profile, args.name)
    deeds = []
    for deed in place(site.root, plan(site), args.dry_run):
        deeds.append(deed)
        print(line(deed))
    changed = any(one.verb in ("wrote", "updated") for one in deeds)
    if args.dry_run:
        print("\nDry run: that is what would be done. Nothing was written.")
    elif not changed:
        print("\nNothing to do: all of it is in place.")
    else:
        print("\n" + "\n".join(next_steps(site, deeds)))
    return 0


def line(deed: Deed) -> str:
    """A deed for people."""
    return f"{deed.verb:<10}/{deed.path}" + (f"  ({deed.why})" if deed.why else "")


def running() -> str:
    """The program that is running now, as a unit's ExecStart= names it."""
    called = os.path.abspath(sys.argv[0])
    if os.path.basename(called) == "refclock" and os.access(called, os.X_OK):
        return called
    beside = shutil.which("refclock", path=os.path.dirname(sys.executable))
    return beside or f"{sys.executable} -m refclock"


def next_steps(site: Site, deeds: Sequence[Deed]) -> list[str]:
    """What is left to a person, in order."""
    config, unit = f"/etc/refclock/{site.name}.toml", f"refclock@{site.name}.service"
    here = host(site.root)
    into = [] if str(site.root) == "/" else [f"These are for the host whose root is {site.root}."]
    extended = [one.path.split("/")[-2].removesuffix(".d") for one in deeds if ".service.d/" in one.path]
    kdc = [one for one in extended if one.startswith("krb5")]
    steps = [
        "systemd-sysusers && systemd-tmpfiles --create",
        "udevadm control --reload && udevadm trigger -s tty -s pps",
        f"edit {config}: device, servers, the way to chrony",
        f"edit {here.chrony_conf}: refclock doctor --config {config} says how (--fix-print: a whole one)",
        "systemctl daemon-reload",
        f"runuser -u refclock -- refclock check --config {config}",
        f"systemctl enable refclock-shm.service {unit}",
        f"systemctl restart {here.chrony[0]} {unit}",
        f"refclock status, and once it is vetted: refclock enroll --config {config}",
    ]
    if here.selinux:
        programs = os.path.dirname(os.path.realpath(site.program.partition(" ")[0]))
        steps.insert(0, f"restorecon -R {programs}")
        steps.insert(4, "keep to [sock]: SELinux lets chronyd attach no segment of refclock's ([shm])")
    if kdc:
        steps.append(
            f"{kdc[0]} now waits for established time: systemctl status refclock-wait says what it waits for "
            f"(undo: systemctl revert {kdc[0]})"
        )
    return ["What is next:", *into, *(f"{number:>3}. {step}" for number, step in enumerate(steps, 1))]
