"""``refclock setback``: the guided procedure for a clock that is ahead."""

import argparse
import os
import re
import secrets
import sys

from refclock.bounded import DIRECTORY
from refclock.cli.configfile import read_config
from refclock.cli.operator import agreed, yes_argument
from refclock.cli.setbackwalk import dry_run, story, walk
from refclock.cli.status import ask
from refclock.errors import ConfigError, PortError, TimeUnavailableError
from refclock.kerberos.krb5conf import Krb5Conf
from refclock.kerberos.uptime import UptimeClock
from refclock.policy import REALM
from refclock.setback import telling
from refclock.setback.clock import RIGHT_NS, Anchor, Opinion
from refclock.setback.keys import DEFAULT_KEYTAB
from refclock.setback.procedure import NO_KEYS, Procedure, opening
from refclock.setback.record import ABANDONED, BEGUN, Record
from refclock.setback.site import ROLES, Site, role_of
from refclock.setback.steps import STEPS, Options, progress
from refclock.units import NS_PER_MS, NS_PER_S, S_PER_DAY, show_ns

EXAMPLE = 'refclock setback --go --reason "ntp2 lied since Tuesday; compared with the KDC next door"'
DEFAULT_RECORD = "/var/lib/refclock/setback.jsonl"
_AMOUNT = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,9}))?(ms|s|min|h|d)")
_UNITS = {
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": S_PER_DAY * NS_PER_S,
}
# What a procedure is begun with, and keeps.
_AT_THE_BEGINNING = (
    "role", "realm", "admin", "keytab", "service", "port", "replay_cache", "file", "socket",
    "already_set_back",
)  # fmt: skip


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    deed = parser.add_mutually_exclusive_group()
    deed.add_argument(
        "--go", action="store_true", help="begin, with --reason (else nothing is done, only told)"
    )
    deed.add_argument("--resume", action="store_true", help="go on where it was left")
    deed.add_argument("--status", action="store_true", help="tell what the record says")
    deed.add_argument("--abandon", action="store_true", help="end it unfinished, with --reason")
    parser.add_argument(
        "--done", action="append", default=[], metavar="STEP[=CHOICE]",
        help="answer for a step, without asking: stop, set, keys[=wait], caches[=clear], start; repeatable",
    )  # fmt: skip
    parser.add_argument("--reason", metavar="TEXT", default="", help="why; it is recorded")
    parser.add_argument("--keep-key", action="append", default=[], metavar="PRINCIPAL",
                        help="do not change this one's keys; with --reason; repeatable")  # fmt: skip
    parser.add_argument("--by", type=_amount, metavar="AMOUNT",
                        help="it is ahead by so much, on your word (30s, 2.5min); with --reason")  # fmt: skip
    parser.add_argument("--already-set-back", action="store_true",
                        help="it was set back by hand already: do the rest")  # fmt: skip
    parser.add_argument("--keytab", action="append", default=[], metavar="FILE",
                        help=f"a keytab of this host ({DEFAULT_KEYTAB}); repeatable")  # fmt: skip
    parser.add_argument("--service", action="append", default=[], metavar="NAME",
                        help="a further unit or program that lives by the clock; repeatable")  # fmt: skip
    parser.add_argument("--port", action="append", default=[], type=_port, metavar="N",
                        help="a further port that only such a service listens on; repeatable")  # fmt: skip
    parser.add_argument("--replay-cache", action="append", default=[], metavar="FILE",
                        help="a refclock.kerberos.ReplayCache of this host; repeatable")  # fmt: skip
    parser.add_argument("--role", choices=ROLES, help="what this host is (by what runs and lies there)")
    parser.add_argument("--realm", metavar="REALM", help="its realm (krb5.conf's default)")
    parser.add_argument("--admin", metavar="NAME", default="", help="who asks kadmin (kadmin's own choice)")
    parser.add_argument(
        "--config", metavar="FILE", help="take the daemon's time file, socket and profile from it"
    )
    parser.add_argument(
        "--file", metavar="PATH", help=f"the daemon's time file (the only one in {DIRECTORY})"
    )
    parser.add_argument("--socket", metavar="PATH", help="its status socket, where it has no time file")
    parser.add_argument("--record", metavar="FILE", help=f"the record ({DEFAULT_RECORD})")
    yes_argument(parser)


def _amount(text: str) -> int:
    found = _AMOUNT.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"expected an amount such as 30s, 2.5min or 1h, found {text!r}")
    whole, rest, unit = found.groups()
    return int(whole) * _UNITS[unit] + int((rest or "0").ljust(9, "0")) * _UNITS[unit] // NS_PER_S


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"expected a port, 1 to 65535, found {text!r}")
    return int(text)


def main(args: argparse.Namespace) -> int:
    """Tell what would be done; or do what is this verb's: ask, verify, record. 1 while it is unfinished."""
    record = Record(_record_path(args))
    if args.status:
        print("\n".join(story(record)))
        return 0
    answers = [_answer(one) for one in args.done]
    if not (args.go or args.resume or args.abandon or answers):
        return _told(args, record)
    if os.geteuid() != 0:
        raise PortError("as root, please: other users' processes, and the keytabs, are not seen otherwise.")
    record.hold()
    try:
        if args.go:
            return walk(_begun(args, record), answers)
        procedure = Procedure(record, Site(Options(), ask))
        if args.abandon:
            return _abandoned(args, procedure)
        _noted(args, procedure)
        return walk(procedure, answers)
    finally:
        record.release()


def _record_path(args: argparse.Namespace) -> str:
    if args.record:
        return str(args.record)
    state = read_config(args.config)[1].state_file if args.config else None
    return os.path.join(os.path.dirname(state), "setback.jsonl") if state else DEFAULT_RECORD


def _answer(written: str) -> tuple[str, str]:
    name, _, choice = written.partition("=")
    if name not in [step.name for step in STEPS]:
        known = ", ".join(step.name for step in STEPS)
        raise ConfigError(f"--done: expected one of {known}, found {written!r}.")
    return name, choice


def _told(args: argparse.Namespace, record: Record) -> int:
    """The dry run: of what a procedure would be, or of what the open one is."""
    found = progress(record.current, record.path)
    if found is not None:
        print("\n".join(story(record)))
        return 0
    site = Site(_options(args), ask)
    anchor = site.options.anchor
    opinion = anchor.opinion(UptimeClock()) if anchor is not None else site.opinion()
    print("\n".join(dry_run(site, opinion, refusal(opinion, args.already_set_back))))
    return 0


def refusal(opinion: Opinion, already: bool) -> str:
    """Why a set-back is not begun; nothing where it may be."""
    if already:
        return "" if opinion.right else f"The clock is {opinion}: it was not set back to what is right."
    if opinion.behind:
        return (
            f"The clock is {opinion}. That is not this procedure: to set it forward revives nothing. "
            "docs/guide.md, section 8, says how."
        )
    if not opinion.ahead:
        return (
            f"The clock is not certainly ahead by a second: {show_ns(opinion.off_ns)}, known to "
            f"{show_ns(opinion.bound_ns).lstrip('+')} by {opinion.source}. There is nothing to set back; "
            "chrony slews so little away. (Set back by hand already? --already-set-back.)"
        )
    return ""


def _options(args: argparse.Namespace) -> Options:
    """What a procedure is begun with. Raises ConfigError."""
    policy = read_config(args.config)[1] if args.config else None
    keytabs = tuple(map(os.path.abspath, args.keytab))
    if not keytabs and os.path.exists(DEFAULT_KEYTAB):
        keytabs = (DEFAULT_KEYTAB,)
    for path in keytabs:
        if '"' in path or not path.isprintable():
            raise ConfigError(
                f"--keytab {path!r}: kadmin cannot be told this path; link to it by another one."
            )
    realm = args.realm or Krb5Conf(os.environ).default_realm or ""
    if realm and not REALM.fullmatch(realm):
        raise ConfigError(f"--realm: expected a realm such as EXAMPLE.COM, found {realm!r:.80}.")
    options = Options(
        realm=realm, admin=args.admin, keytabs=keytabs, services=tuple(args.service), ports=tuple(args.port),
        replay_caches=tuple(map(os.path.abspath, args.replay_cache)),
        time_file=args.file or (policy and policy.time_file) or "",
        socket=args.socket or (policy and policy.status_socket) or "",
        profile=policy.profile if policy else "kdc", already=args.already_set_back,
        anchor=None if args.by is None else Anchor.now(args.by, UptimeClock()),
    )  # fmt: skip
    options.role = args.role or role_of(Site(options, ask).scan().dependents)
    return options


def _needs_reason(args: argparse.Namespace, what: str) -> str:
    if not args.reason.strip():
        raise ConfigError(f"{what}: say --reason, too; it is what the record will hold.")
    return str(args.reason)


def _begun(args: argparse.Namespace, record: Record) -> Procedure:
    reason = _needs_reason(args, "--go")
    if args.keep_key:
        raise ConfigError("--keep-key: once the keys are to be changed: --resume --keep-key ... --reason ...")
    if record.current:
        raise PortError(f"{record.path}: a set-back is open already: --resume, --status or --abandon.")
    options = _options(args)
    site = Site(options, ask)
    _only_where_nobody_knows(args, site)
    opinion = site.opinion()
    why = refusal(opinion, args.already_set_back)
    if why:
        raise PortError(why)
    salt = secrets.token_bytes(16)
    # Better now than with the services down: a keytab that is not there, or cannot be read.
    if not site.keys(salt):
        raise PortError(NO_KEYS[0].upper() + NO_KEYS[1:])
    site.caches()
    found = site.scan().dependents
    record.add(BEGUN, **opening(options.fields(), reason, salt, opinion, found))
    if not options.already:
        print(
            "\n".join([*telling.said(f"The clock is {opinion}."), *telling.instead(opinion, options.profile)])
        )
    print(f"\nBegun; the record is {record.path}.\nLeave at any time: refclock setback --resume goes on.\n")
    return Procedure(record, site)


def _only_where_nobody_knows(args: argparse.Namespace, site: Site) -> None:
    """Who is talked into setting a clock back has been told an amount, too. Raises PortError."""
    if args.by is None:
        return
    try:
        opinion = site.vetted()
    except TimeUnavailableError:
        return
    raise PortError(f"--by is for where nobody vouches for the time, and here the clock is {opinion}.")


def _noted(args: argparse.Namespace, procedure: Procedure) -> None:
    """What may be said later: another amount, and keys that stay."""
    for name in _AT_THE_BEGINNING:
        if getattr(args, name):
            option = name.replace("_", "-")
            raise ConfigError(f"--{option} belongs to --go; what was said there holds until the end.")
    _only_where_nobody_knows(args, procedure.site)
    if args.by is not None:
        if args.by > RIGHT_NS and "set" in procedure.at.done:
            raise ConfigError(
                "--by: the clock was set already; if it is ahead again, begin anew (--abandon)."
            )
        anchor = Anchor.now(args.by, UptimeClock())
        procedure.note(anchor=anchor.fields(), reason=_needs_reason(args, "--by"))
    if args.keep_key:
        procedure.keep(args.keep_key, _needs_reason(args, "--keep-key"))


def _abandoned(args: argparse.Namespace, procedure: Procedure) -> int:
    reason, done = _needs_reason(args, "--abandon"), procedure.at.done
    if "set" in done and "keys" not in done:
        print(
            "THE CLOCK WAS SET BACK, AND THE OLD KEYS ARE STILL GOOD: expired tickets and used\n"
            "authenticators will be accepted as soon as a service runs.",
            file=sys.stderr,
        )
        if not agreed(args.yes, "Abandon it all the same?"):
            return 1
    procedure.record.add(ABANDONED, reason=reason)
    print("Abandoned. What was stopped stays stopped, and masked: systemctl unmask, when you start it.")
    return 0
