"""The bridge's state for people and monitors, as JSON-able values (docs/status.md)."""

from typing import TYPE_CHECKING

from refclock.core.attribution import in_words
from refclock.core.established import established
from refclock.core.interval import Interval
from refclock.core.judge import Judge
from refclock.core.reasons import REASONS
from refclock.model import Mode, Publish, Withhold, decision_fields

if TYPE_CHECKING:
    from refclock.core.bridge import Bridge

Fields = dict[str, object]


def view(bridge: "Bridge", raw_ns: int) -> Fields:
    """A snapshot as of ``raw_ns``."""
    vetting = bridge.vetting
    judge, acquisition = vetting.judge, vetting.acquisition
    agreed = established(vetting, raw_ns, bridge.system_ns(raw_ns))
    told: Fields = {
        "mode": vetting.mode.value,
        "mode_reason": bridge.mode_reason,
        "mode_since_ns": None if bridge.mode_since_ns is None else raw_ns - bridge.mode_since_ns,
        "established": bool(agreed),
        "established_by": agreed,
        "profile": bridge.policy.profile,
        "enrolled": vetting.witnesses.rate.enrolled,
        "raw_rate_ppt": vetting.witnesses.rate.y_ppt,
        "raw_rate_unc_ppt": vetting.witnesses.rate.unc_ppt,
        "bound_ns": None,
        "bound_parts": {},
        "dwell": None,
        "last_publish": _decision(bridge.last_publish),
        "last_withhold": _decision(bridge.last_withhold),
        "last_accusation": None if bridge.last_accusation is None else in_words(bridge.last_accusation),
        "witnesses": witness_rows(bridge, raw_ns),
        "witnesses_needed": vetting.limits.witnesses,
        "probes": vetting.probes.fields(),
        "budget": None if judge is None else _budget(judge, raw_ns, vetting.limits.reanchor_year_ns),
        "refusals": bridge.refusals.fields(),
        "counters": {
            **bridge.counters,
            "extra_edges": bridge.pairing.extra_edges,
            "missed_edges": bridge.pairing.missed_edges,
        },
    }
    if judge is not None:
        feeding = vetting.mode in (Mode.VETTED, Mode.DEGRADED)
        told["bound_ns"] = judge.last_bound_ns if feeding else judge.holdover_ns(raw_ns)
        told["bound_parts"] = judge.bound_parts
        told["alarm"] = (
            vetting.mode is Mode.HOLDOVER and judge.holdover_ns(raw_ns) > vetting.limits.holdover_alarm_ns
        )
    if vetting.mode is Mode.ACQUIRING:
        told["dwell"] = {"elapsed_ns": acquisition.elapsed_ns(raw_ns), "needed_ns": acquisition.needed_ns}
    return told


def _decision(decision: Publish | Withhold | None) -> Fields | None:
    if decision is None:
        return None
    fields = decision_fields(decision)
    if isinstance(decision, Withhold):
        reason = REASONS[decision.reason]
        fields |= {"words": reason.words, "unit": reason.unit, "mend": reason.mend}
    return fields


def _budget(judge: Judge, raw_ns: int, year_ns: int) -> Fields:
    """What the gate has left: the room of each mask about the last accepted second, and the year's ledger
    of re-anchorings."""
    gate = judge.gate
    rooms = gate.rooms(raw_ns, judge.phase_ns(judge.last_raw_ns, judge.last_si_ns))
    return {
        "earned_ns": gate.budget_ns(raw_ns),
        "frozen": gate.rejecting,
        "masks": [
            {"offset_ns": mask.offset_ns, "rate_ppt": mask.rate_ppt, "up_ns": up, "down_ns": down}
            for mask, (up, down) in zip(gate.masks, rooms, strict=False)
        ],
        "reanchored": [[raw_ns - at, cost] for at, cost in judge.reanchored],
        "reanchor_year_ns": year_ns,
        "reanchor_left_ns": year_ns - judge.reanchored_ns(raw_ns),
    }


def witness_rows(bridge: "Bridge", raw_ns: int) -> list[Fields]:
    """Each witness with its interval relative to the prediction (or to its own middle before the first
    feed), its age and what it is worth."""
    witnesses = bridge.vetting.witnesses
    judge = bridge.vetting.judge
    quorum = witnesses.quorum_at(raw_ns)
    known = witnesses.quorum.peers
    middle = None
    if judge is not None:
        middle = judge.last_si_ns + judge.rate.advance(raw_ns - judge.last_raw_ns)
    rows: list[Fields] = []
    detail = f"{witnesses.quorum.agreeing} of {len(known)} agree" if known else "no server configured"
    age = min(
        (raw_ns - peer.answers[-1].interval.as_of_ns for peer in known.values() if peer.answers), default=None
    )
    rows.append(_row("ntp", quorum, middle, age, detail))
    for name, peer in known.items():
        said = peer.interval(raw_ns, witnesses.rate, raw_ns - bridge.policy.limits.ntp_max_age_ns)
        age = raw_ns - peer.answers[-1].interval.as_of_ns if peer.answers else None
        detail = "falseticker" if peer.falseticker else peer.refusal.reason if peer.refusal else ""
        rows.append(_row(f"ntp:{name}", said, middle, age, detail))
    rtc = witnesses.rtc
    detail = ""
    if rtc.follows_system:
        detail = "follows the system clock and is no witness"
    elif rtc.stepped_ns:
        detail = "was set or jumped and is no witness"
    elif not rtc.present:
        detail = "not heard"
    rows.append(_row("rtc", rtc.interval(raw_ns, witnesses.rate), middle, rtc.age_ns(raw_ns), detail))
    return rows + _further_rows(bridge, raw_ns, middle)


def _further_rows(bridge: "Bridge", raw_ns: int, middle: int | None) -> list[Fields]:
    """The witnesses of core.further, those that are configured or were heard."""
    rate, further, rows = bridge.vetting.witnesses.rate, bridge.vetting.witnesses.further, []
    phc, chrony = further.phc, further.chrony
    if bridge.policy.phc is not None or phc.present:
        detail = "" if phc.anchored else "has no date before the first feed" if phc.present else "not heard"
        detail = REASONS[phc.fault].words if phc.fault else detail
        rows.append(_row("phc", phc.interval(raw_ns, rate), middle, phc.age_ns(raw_ns), detail))
    if bridge.policy.chrony is not None or chrony.peers:
        detail = f"{chrony.agreeing} of {len(chrony.peers)} agree" if chrony.peers else "not heard"
        rows.append(_row("chrony", chrony.at(raw_ns, rate), middle, chrony.age_ns(raw_ns), detail))
    for name, peer in chrony.peers.items():
        said = peer.interval(raw_ns, rate, raw_ns - bridge.policy.limits.ntp_max_age_ns)
        age, detail = raw_ns - peer.answers[-1].interval.as_of_ns, "falseticker" if peer.falseticker else ""
        rows.append(_row(f"chrony:{name}", said, middle, age, detail))
    return rows


def _row(name: str, interval: Interval | None, middle: int | None, age_ns: int | None, detail: str) -> Fields:
    row: Fields = {"name": name, "age_ns": age_ns, "detail": detail, "lo_ns": None, "hi_ns": None}
    if interval is None:
        return row | {"state": "no opinion"}
    centre = middle if middle is not None else (interval.lo_ns + interval.hi_ns) // 2
    row |= {"lo_ns": interval.lo_ns - centre, "hi_ns": interval.hi_ns - centre}
    agrees = middle is None or interval.holds(middle)
    return row | {"state": "falseticker" if detail == "falseticker" else "agrees" if agrees else "disagrees"}
