"""A realm's KDCs: which they are, and which of them strays.

All KDCs of a realm must agree (docs/requirements.md, 23). Nobody vouches for an answer (wire.krb5), so what
is found here is told, and sets nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from refclock.core.seconds.interval import Interval, majority
from refclock.errors import ConfigError
from refclock.kerberos.asking import TRANSPORTS, Kdc, Reading
from refclock.kerberos.krb5conf import Krb5Conf
from refclock.kerberos.srv import Server, look_up
from refclock.policy import KDC_PORT, server_of

US = "this host"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from the readings: who strays from those that most agree on, and by how much; ``lost``
    when there is no majority, so that nobody can tell. All of them count one voice for each KDC, and this
    host as one more (US)."""

    astray: dict[str, int]
    lost: bool
    voices: int
    agreeing: int


def find_kdcs(realm: str, conf: Krb5Conf, name_servers: Sequence[Server]) -> tuple[list[Kdc], str]:
    """A realm's KDCs, and where that is written: krb5.conf where it lists some, or else the DNS, as for any
    Kerberos client. Raises ConfigError where there are none, PortError where the DNS cannot be asked."""
    listed = [kdc for written in conf.kdcs(realm) if (kdc := written_kdc(written)) is not None]
    if listed:
        return _merged(listed), ", ".join(conf.files)
    found = [
        Kdc((record.target, record.port), (transport,))
        for transport in TRANSPORTS
        for record in look_up(f"_kerberos._{transport}.{realm}", name_servers)
        if record.target
    ]
    if not found:
        raise ConfigError(
            f"{realm}: neither {', '.join(conf.files)} nor the DNS (_kerberos._udp.{realm}) names a KDC; "
            "name some with --kdc."
        )
    return _merged(found), "DNS"


def written_kdc(written: str) -> Kdc | None:
    """A KDC as krb5.conf(5) writes it; None for one that is reached through a proxy, and for what is none."""
    transport, slash, rest = written.partition("/")
    if slash and transport not in TRANSPORTS:
        return None
    server = server_of(rest if slash else written, KDC_PORT)
    return None if server is None else Kdc(server, (transport,) if slash else TRANSPORTS)


def _merged(kdcs: Sequence[Kdc]) -> list[Kdc]:
    """Each server once, with all its transports."""
    merged: dict[Server, Kdc] = {}
    for kdc in kdcs:
        known = merged.setdefault(kdc.server, kdc)
        both = tuple(one for one in TRANSPORTS if one in (*known.transports, *kdc.transports))
        merged[kdc.server] = replace(known, transports=both)
    return list(merged.values())


def judge(readings: Sequence[Reading], tolerance_ns: int) -> Verdict:
    """Who agrees with whom, by readings with respect to this host's system clock: two clocks agree where they
    differ by no more than ``tolerance_ns``."""
    half_ns = (tolerance_ns + 1) // 2
    voices = [_reach(one, half_ns) for one in best_of_each(readings)]
    ours = Interval(-half_ns, half_ns, 0)
    found = majority([*voices, ours], (len(voices) + 1) // 2 + 1)
    if found is None:
        return Verdict({}, True, len(voices) + 1, 0)
    span, agreeing = found
    astray = {} if ours.meets(span) else {US: _apart(ours, span)}
    for one in readings:
        reach = _reach(one, half_ns)
        if not one.trouble and not reach.meets(span):
            astray[f"{one.peer}/{one.over}"] = _apart(reach, span)
    return Verdict(astray, False, len(voices) + 1, agreeing)


def agreed(readings: Sequence[Reading], tolerance_ns: int) -> list[Reading]:
    """The best reading of each KDC that agrees with most of them, the narrowest first; none where there is no
    majority. The host has no voice."""
    half_ns = (tolerance_ns + 1) // 2
    best = best_of_each(readings)
    found = majority([_reach(one, half_ns) for one in best], len(best) // 2 + 1)
    return [] if found is None else [one for one in best if _reach(one, half_ns).meets(found[0])]


def best_of_each(readings: Sequence[Reading]) -> list[Reading]:
    """Each KDC's narrowest reading, the narrowest of all first: a KDC has one voice however it is asked."""
    best: dict[str, Reading] = {}
    for one in sorted(readings, key=lambda one: one.high_ns - one.low_ns):
        if not one.trouble:
            best.setdefault(one.peer, one)
    return list(best.values())


def _reach(one: Reading, half_ns: int) -> Interval:
    return Interval(one.low_ns - half_ns, one.high_ns + half_ns, 0)


def _apart(one: Interval, span: Interval) -> int:
    """By how much the middle of an interval lies after (or before) that of another."""
    return (one.lo_ns + one.hi_ns) // 2 - (span.lo_ns + span.hi_ns) // 2
