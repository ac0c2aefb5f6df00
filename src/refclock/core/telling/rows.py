"""The witnesses as rows for people and monitors: what each says, how old that is, and what it is worth."""

from refclock.core.rules.reasons import REASONS
from refclock.core.seconds.interval import Interval
from refclock.core.trust.vetting import Vetting
from refclock.core.witness.ntp import Peer
from refclock.units import NS_PER_S

Fields = dict[str, object]


def witness_rows(vetting: Vetting, raw_ns: int) -> list[Fields]:
    """Each witness with its interval relative to the prediction (or to its own middle before the first
    feed), its age and what it is worth."""
    witnesses = vetting.witnesses
    judge = vetting.judge
    quorum = witnesses.quorum_at(raw_ns)
    known = witnesses.quorum.peers
    middle = None
    if judge is not None:
        middle = judge.last_si_ns + judge.rate.advance(raw_ns - judge.last_raw_ns)
    rows: list[Fields] = []
    detail = f"{witnesses.quorum.agreeing} of {len(known)} agree" if known else "no server configured"
    wide = witnesses.quorum.at(raw_ns, witnesses.rate, vetting.limits.ntp_max_age_ns)
    if quorum is None and wide is not None:
        detail += ", but wider than E_q (quorum_error_us)"
    rows.append(_row("ntp", quorum, middle, witnesses.quorum.age_ns(raw_ns), detail))
    rows += [_peer_row("ntp", peer, vetting, raw_ns, middle) for peer in known.values()]
    rtc = witnesses.rtc
    detail = ""
    if rtc.follows_system:
        detail = "follows the system clock and is no witness"
    elif rtc.stepped_ns:
        detail = "was set or jumped and is no witness"
    elif not rtc.present:
        detail = "not heard"
    rows.append(_row("rtc", rtc.interval(raw_ns, witnesses.rate), middle, rtc.age_ns(raw_ns), detail))
    if witnesses.companion.configured:
        said, age = witnesses.companion.interval(raw_ns, witnesses.rate), witnesses.companion.age_ns(raw_ns)
        rows.append(_row("receiver2", said, middle, age, "" if said else "no valid label"))
    cesium = witnesses.cesium
    if cesium is not None:
        age = cesium.age_ns(raw_ns)
        heard = age is not None and age <= 2 * NS_PER_S
        row = _row("cesium", None, middle, age, "its own pulse, edge to edge" if heard else "silent")
        rows.append(row | {"state": "agrees" if heard and not cesium.gate.rejecting else row["state"]})
    return rows + _further_rows(vetting, raw_ns, middle)


def _further_rows(vetting: Vetting, raw_ns: int, middle: int | None) -> list[Fields]:
    """The witnesses of core.witness.further, those that are configured or were heard."""
    rate, further, rows = vetting.witnesses.rate, vetting.witnesses.further, []
    phc, chrony, realm = further.phc, further.chrony, further.realm
    if vetting.policy.phc is not None or phc.present:
        detail = "" if phc.anchored else "has no date before the first feed" if phc.present else "not heard"
        detail = REASONS[phc.fault].words if phc.fault else detail
        rows.append(_row("phc", phc.interval(raw_ns, rate), middle, phc.age_ns(raw_ns), detail))
    if vetting.policy.chrony is not None or chrony.peers:
        detail = f"{chrony.agreeing} of {len(chrony.peers)} agree" if chrony.peers else "not heard"
        rows.append(_row("chrony", chrony.at(raw_ns, rate), middle, chrony.age_ns(raw_ns), detail))
    rows += [_peer_row("chrony", peer, vetting, raw_ns, middle) for peer in chrony.peers.values()]
    if realm.kdcs:
        detail = f"{realm.agreeing} of {len(realm.kdcs)} agree"
        rows.append(_row("realm", realm.at(raw_ns, rate), middle, realm.age_ns(raw_ns), detail))
    return rows + [_peer_row("kdc", kdc.heard, vetting, raw_ns, middle) for kdc in realm.kdcs.values()]


def _peer_row(kind: str, peer: Peer, vetting: Vetting, raw_ns: int, middle: int | None) -> Fields:
    """One server, source or KDC, by the narrowest of its answers."""
    said = peer.interval(raw_ns, vetting.witnesses.rate, raw_ns - vetting.limits.ntp_max_age_ns)
    detail = "falseticker" if peer.falseticker else peer.refusal.reason if peer.refusal else ""
    return _row(f"{kind}:{peer.name}", said, middle, peer.age_ns(raw_ns), detail)


def _row(name: str, interval: Interval | None, middle: int | None, age_ns: int | None, detail: str) -> Fields:
    row: Fields = {"name": name, "age_ns": age_ns, "detail": detail, "lo_ns": None, "hi_ns": None}
    if interval is None:
        return row | {"state": "no opinion"}
    centre = middle if middle is not None else (interval.lo_ns + interval.hi_ns) // 2
    row |= {"lo_ns": interval.lo_ns - centre, "hi_ns": interval.hi_ns - centre}
    agrees = middle is None or interval.holds(middle)
    return row | {"state": "falseticker" if detail == "falseticker" else "agrees" if agrees else "disagrees"}
