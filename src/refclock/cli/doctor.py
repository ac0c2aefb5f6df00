"""``refclock doctor``: judge chrony's own configuration, what else sets clocks here, and chrony's live
state. It changes nothing."""

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

from refclock.chrony.effective import Wanted, wanted_by
from refclock.chrony.examining import Host, examine_file, examine_host
from refclock.chrony.printing import whole_configuration
from refclock.chrony.reading import read_file
from refclock.chrony.shipped import EXAMPLE_DOMAIN
from refclock.cli.check import count, rows
from refclock.cli.configfile import CONFIG_DIRECTORY, read_config
from refclock.errors import ConfigError
from refclock.finding import FAIL, WARN, Finding
from refclock.policy import PROFILES, Policy

EXAMPLE = "refclock doctor --config /etc/refclock/receiver.toml"
FORMAT_VERSION = 1
_ROOT = 0
_WIDTH = 80


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    whose = parser.add_mutually_exclusive_group()
    whose.add_argument(
        "--config", metavar="FILE",
        help="the daemon's configuration: its profile and its way to chrony (those of its directory, "
        "together)",
    )  # fmt: skip
    whose.add_argument(
        "--profile", choices=PROFILES,
        help=f"without a configuration: what this host is (that of {CONFIG_DIRECTORY}, else kdc)",
    )  # fmt: skip
    parser.add_argument(
        "--chrony-conf",
        metavar="FILE",
        help="judge this file alone, and neither the host nor chrony's live state",
    )
    parser.add_argument(
        "--fix-print",
        action="store_true",
        help="print a whole chrony.conf for the profile, and judge nothing",
    )
    parser.add_argument(
        "--user", metavar="NAME", default="refclock", help="whom refclock's daemon runs as (refclock)"
    )
    parser.add_argument("--json", action="store_true", help="the findings, for programs")


def main(args: argparse.Namespace) -> int:
    """Print the table; 1 when something fails, or could not be judged."""
    policies, origin = _policies(args)
    wanted = wanted_by(policies) if policies else _by_name(args.profile or "kdc")
    if args.fix_print:
        text = whole_configuration(wanted, args.chrony_conf)
        print(text, end="")
        if EXAMPLE_DOMAIN in text:
            told = f"put servers with NTS in the place of those of {EXAMPLE_DOMAIN.lstrip('.')}."
            print(f"refclock doctor: {told}", file=sys.stderr)
        return 0
    host = Host(users=(args.user,))
    if policies and policies[0].chrony:
        host = replace(host, chronyc=(policies[0].chrony.command,))
    first = [Finding("profile", f"{wanted.profile} ({origin}), running as uid {os.geteuid()}")]
    if args.chrony_conf:
        found: Iterator[Finding] = examine_file(read_file(args.chrony_conf), wanted)
    else:
        found = examine_host(host, wanted)
    return _printed(chain(first, found), args, wanted.profile)


def _by_name(profile: str) -> Wanted:
    """Without a configuration: on a KDC the RTC is taken to be a witness."""
    return Wanted(profile, rtc=profile != "appserver")


def _policies(args: argparse.Namespace) -> tuple[tuple[Policy, ...], str]:
    """Every daemon's configuration on this host, the one that is asked about first; and where they are from.

    All of a host's receivers feed the same chronyd, so each one's way to it is refclock's own.
    """
    if args.profile is not None:
        return (), "--profile"
    named = Path(args.config) if args.config else None
    directory = named.absolute().parent if named else Path(CONFIG_DIRECTORY)
    beside = sorted(path for path in directory.glob("*.toml") if named is None or path != named.absolute())
    policies = [read_config(str(named))[1]] if named else []
    for path in beside:
        try:
            policies.append(read_config(str(path))[1])
        except ConfigError:
            if named is None:
                raise
    paths = [str(named)] if named else [str(path) for path in beside]
    hidden = os.path.isdir(directory) and not os.access(directory, os.R_OK | os.X_OK)
    none = f"{directory} may not be read by this user" if hidden else f"no configuration in {directory}"
    return tuple(policies), ", ".join(paths) or none


def _printed(findings: Iterable[Finding], args: argparse.Namespace, profile: str) -> int:
    told = []
    if not args.json:
        print(f"{'':<5} {'clause':<9} row")
    for finding in findings:
        told.append(finding)
        if not args.json:
            print("\n".join(rows([finding], clauses=True)), flush=True)
    failures = sum(one.verdict == FAIL for one in told)
    unknown = sum(not one.known for one in told)
    warnings = sum(one.verdict == WARN for one in told) - unknown
    if args.json:
        print(json.dumps(document(told, profile)))
    else:
        print(
            f"\n{count(failures, 'failure')}, {count(warnings, 'warning')}, {unknown or 'nothing'} not known"
        )
        names = ", ".join(dict.fromkeys(one.what for one in told if one.verdict == FAIL))
        if names:
            print(textwrap.fill(f"FAIL: {names}", _WIDTH, subsequent_indent="      "))
        print("\n".join(_advice(failures, unknown, _again(args))))
    return int(failures > 0 or unknown > 0)


def _again(args: argparse.Namespace) -> str:
    """The same question, as it was asked."""
    named = (("--config", args.config), ("--profile", args.profile), ("--chrony-conf", args.chrony_conf))
    return " ".join(["refclock doctor", *(f"{key} {value}" for key, value in named if value)])


def _advice(failures: int, unknown: int, again: str) -> Iterator[str]:
    if failures:
        yield f"A whole chrony.conf for this profile: {again} --fix-print"
    if unknown and os.geteuid() != _ROOT:
        yield "Run as root it sees more."
    yield "What a clause is: docs/requirements.md; what each row asks for: docs/doctor.md"


def document(findings: Iterable[Finding], profile: str) -> dict[str, object]:
    """The findings for programs (docs/doctor.md)."""
    told = list(findings)
    return {
        "refclock_doctor": FORMAT_VERSION,
        "profile": profile,
        "holds": not any(one.verdict == FAIL or not one.known for one in told),
        "findings": [
            {
                "row": one.what,
                "clause": one.clause,
                "verdict": one.verdict.lower(),
                "known": one.known,
                "found": one.found,
                "mend": one.mend,
            }
            for one in told
        ],
    }
