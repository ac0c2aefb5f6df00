"""The bridge's state for people and monitors, as JSON-able values (docs/status.md)."""

from refclock.core.blame.attribution import in_words
from refclock.core.gate.judge import Judge
from refclock.core.rules.reasons import REASONS
from refclock.core.telling.diary import Diary
from refclock.core.telling.rows import witness_rows
from refclock.core.trust.established import established
from refclock.core.trust.vetting import Vetting
from refclock.model import Mode, Publish, Withhold, decision_fields

Fields = dict[str, object]


def view(vetting: Vetting, diary: Diary, raw_ns: int, system_ns: int | None) -> Fields:
    """A snapshot as of ``raw_ns``, when the system clock showed ``system_ns`` (None: never seen)."""
    judge, acquisition = vetting.judge, vetting.acquisition
    agreed = established(vetting, raw_ns, system_ns)
    told: Fields = {
        "mode": vetting.mode.value,
        "mode_reason": diary.mode_reason,
        "mode_since_ns": None if diary.mode_since_ns is None else raw_ns - diary.mode_since_ns,
        "established": bool(agreed),
        "established_by": agreed,
        "profile": vetting.policy.profile,
        "enrolled": vetting.witnesses.rate.enrolled,
        "raw_rate_ppt": vetting.witnesses.rate.y_ppt,
        "raw_rate_unc_ppt": vetting.witnesses.rate.unc_ppt,
        "bound_ns": None,
        "bound_parts": {},
        "dwell": None,
        "last_publish": _decision(diary.last_publish),
        "last_withhold": _decision(diary.last_withhold),
        "last_accusation": None if diary.last_accusation is None else in_words(diary.last_accusation),
        "witnesses": witness_rows(vetting, raw_ns),
        "witnesses_needed": vetting.limits.witnesses,
        "probes": vetting.probes.fields(),
        "budget": None if judge is None else _budget(judge, raw_ns, vetting.limits.reanchor_year_ns),
        "refusals": diary.refusals.fields(),
    }
    if judge is not None:
        feeding = vetting.mode in (Mode.VETTED, Mode.DEGRADED)
        told["bound_ns"] = judge.last_bound_ns if feeding else judge.holdover_ns(raw_ns)
        told["bound_parts"] = judge.bound_parts
        if system_ns is not None:
            told["system_off_ns"] = vetting.witnesses.leap.si_ns(system_ns) - judge.predicted_ns(raw_ns)
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
