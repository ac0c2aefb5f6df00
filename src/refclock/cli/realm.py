"""``refclock realm``: ask a realm's KDCs for their clocks, and say which of them strays."""

import argparse
import json
import os
import textwrap

from refclock.cli.configfile import read_config
from refclock.cli.fast import ADVICE
from refclock.errors import ConfigError
from refclock.kerberos.asking import Kdc, Reading, ask_kdcs, by_system_clock
from refclock.kerberos.krb5conf import Krb5Conf
from refclock.kerberos.realm import US, Verdict, find_kdcs, judge, written_kdc
from refclock.kerberos.srv import name_servers
from refclock.policy import REALM, server_of
from refclock.units import NS_PER_MS, show_ns

EXAMPLE = "refclock realm EXAMPLE.COM --tolerance-ms 500"
FORMAT_VERSION = 1
_DNS_PORT = 53
_WIDTH = 80
_MAX_TOLERANCE_MS = 300_000


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("realm", nargs="?", metavar="REALM", help="the realm (krb5.conf's default)")
    parser.add_argument(
        "--kdc", action="append", default=[], metavar="HOST[:PORT]",
        help="ask this one, and none that krb5.conf or the DNS names; udp/HOST or tcp/HOST for one way only; "
        "repeatable",
    )  # fmt: skip
    parser.add_argument("--config", metavar="FILE", help="take realm and KDCs from its [realm]")
    parser.add_argument(
        "--dns", metavar="HOST[:PORT]", help="ask this name server, and not those of /etc/resolv.conf"
    )
    parser.add_argument(
        "--tolerance-ms", type=_milliseconds, default=1000, metavar="N",
        help="clocks that differ by more do not agree (1000)",
    )  # fmt: skip
    parser.add_argument(
        "--timeout-ms", type=_milliseconds, default=2000, metavar="N", help="for one answer (2000)"
    )
    parser.add_argument("--json", action="store_true", help="the same, for programs")


def _milliseconds(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= _MAX_TOLERANCE_MS:
        raise argparse.ArgumentTypeError(f"expected 1 to {_MAX_TOLERANCE_MS} milliseconds, found {text!r}")
    return int(text)


def main(args: argparse.Namespace) -> int:
    """Print what each KDC says; 1 unless all of them answer and agree, with each other and with us."""
    realm, kdcs, source = _asked(args)
    readings = by_system_clock(ask_kdcs(realm, kdcs, args.timeout_ms))
    verdict = judge(readings, args.tolerance_ms * NS_PER_MS)
    good = not (verdict.astray or verdict.lost or any(one.trouble for one in readings))
    if args.json:
        print(json.dumps(document(realm, source, args.tolerance_ms, readings, verdict)))
    else:
        print("\n".join(table(realm, source, args.tolerance_ms, readings, verdict)))
    return int(not good)


def _asked(args: argparse.Namespace) -> tuple[str, list[Kdc], str]:
    """The realm, whom to ask, and who says so. Raises ConfigError and PortError."""
    conf = Krb5Conf(os.environ)
    settings = read_config(args.config)[1].realm if args.config else None
    realm = args.realm or (settings.realm if settings else "") or conf.default_realm
    if not realm:
        raise ConfigError(
            f"no realm: {', '.join(conf.files)} has no default_realm; name one: refclock realm EXAMPLE.COM."
        )
    if not REALM.fullmatch(realm):
        raise ConfigError(f"REALM: expected a realm such as EXAMPLE.COM, found {realm!r:.80}.")
    if args.kdc:
        return realm, [_named(written) for written in args.kdc], "--kdc"
    if settings and settings.kdcs:
        return realm, [Kdc(server) for server in settings.kdcs], args.config
    servers = name_servers()
    if args.dns:
        server = server_of(args.dns, _DNS_PORT)
        if server is None:
            raise ConfigError(f"--dns: expected host, host:port or [ipv6]:port, found {args.dns!r}.")
        servers = [server]
    return realm, *find_kdcs(realm, conf, servers)


def _named(written: str) -> Kdc:
    kdc = written_kdc(written)
    if kdc is None:
        raise ConfigError(f"--kdc: expected host, host:port or [ipv6]:port, found {written!r}.")
    return kdc


def document(
    realm: str, source: str, tolerance_ms: int, readings: list[Reading], verdict: Verdict
) -> dict[str, object]:
    """The answer for programs (docs/kerberos.md)."""
    rows: list[dict[str, object]] = []
    for one in readings:
        row: dict[str, object] = {"peer": one.peer, "over": one.over}
        if one.trouble:
            row |= {"trouble": one.trouble}
        else:
            row |= {"low_ns": one.low_ns, "high_ns": one.high_ns, "trip_ns": one.trip_ns}
            row |= {"code": one.code, "matched": one.matched}
            row |= {"astray_ns": verdict.astray.get(f"{one.peer}/{one.over}", 0)}
        rows.append(row)
    return {
        "refclock_realm": FORMAT_VERSION,
        "realm": realm,
        "source": source,
        "tolerance_ns": tolerance_ms * NS_PER_MS,
        "kdcs": rows,
        "agreed": not verdict.lost,
        "voices": verdict.voices,
        "agreeing": verdict.agreeing,
        "host_astray_ns": verdict.astray.get(US, 0),
    }


def table(realm: str, source: str, tolerance_ms: int, readings: list[Reading], verdict: Verdict) -> list[str]:
    """The answer for people."""
    lines = [f"realm {realm}, KDCs from {source}", ""]
    lines += [f"{one.peer:<32} {one.over}  {_told(one, verdict)}" for one in readings]
    kdcs = {one.peer for one in readings if not one.trouble}
    lines.append("")
    if not kdcs:
        return [*lines, "No KDC answers: see whether they run, and whether port 88 passes the firewall."]
    if verdict.lost:
        return [
            *lines,
            f"No majority of these {len(kdcs)} and this host agrees within {tolerance_ms} ms, so nobody can",
            "tell who is right. Ask more KDCs, and see `refclock status`.",
        ]
    if US in verdict.astray:
        lines.append(f"THIS HOST'S CLOCK STRAYS by {show_ns(verdict.astray[US])} from most KDCs.")
    strayed = sorted({name.rpartition("/")[0] for name in verdict.astray if name != US})
    if strayed:
        lines.append(f"astray: {', '.join(strayed)}. All KDCs of a realm must agree; look at its clock.")
    if any(off_ns > 0 for off_ns in verdict.astray.values()):
        lines += textwrap.wrap(f"A clock that is ahead: {ADVICE}", _WIDTH)
    silent = sorted({one.peer for one in readings if one.trouble})
    if silent:
        lines.append(f"without a time, at least one way: {', '.join(silent)}")
    if not verdict.astray:
        lines.append(f"Those that answer agree within {tolerance_ms} ms, with each other and with this host.")
    return [*lines, "Nobody vouches for these answers: they can warn, and prove nothing."]


def _told(one: Reading, verdict: Verdict) -> str:
    if one.trouble:
        return one.trouble
    middle, half = (one.low_ns + one.high_ns) // 2, (one.high_ns - one.low_ns + 1) // 2
    text = f"{show_ns(middle):>9} +- {show_ns(half).lstrip('+')}"
    astray = verdict.astray.get(f"{one.peer}/{one.over}")
    if astray is not None:
        text += f"  ASTRAY by {show_ns(astray)}"
    return text if one.matched else f"{text}  (does not repeat our cookie)"
