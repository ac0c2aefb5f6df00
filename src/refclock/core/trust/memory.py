"""What the daemon remembers across a restart, and how much of it may still be believed.

The floor, the enrolled rates, a lock, the episodes and the ledger of probes always; the gate with its spent
budget only within the same boot and on the same clocksource, because it is counted on the raw counter
(lemma L6). What keeps the memory (runtime.statefile) seals it; ``tampered`` among the arguments of a
restore is its finding that the seal was broken, and locks.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from refclock.core.gate.judge import Judge
from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.leap import LeapSecond
from refclock.model import Mode
from refclock.units import NS_PER_S

if TYPE_CHECKING:
    from refclock.core.trust.vetting import Found, Vetting

VERSION = 1
# What an enrolment may say: rates and their uncertainties, and when the messages begin after their pulse.
ENROLLED = (
    "raw_rate_ppt", "raw_rate_unc_ppt", "rtc_rate_ppt", "rtc_rate_unc_ppt",
    "phc_rate_ppt", "phc_rate_unc_ppt", "phase_low_ns", "phase_high_ns",
)  # fmt: skip
ANOTHER_COUNTER = "clocksource changed"
# Two clocks that are read one after the other: less is no suspension.
_LEAST_SUSPENSION_MS = 50
# A rate beyond this is not a clock's: 500 ppm is the most that the kernel itself would correct.
_MAX_RATE_PPT = 500_000_000
# A label comes within a second of its pulse, before or after.
_LONGEST_PHASE_NS = 2 * NS_PER_S
_RTC_FIELDS = ("rtc_at_s", "rtc_offset_ns", "rtc_error_ns")
_LATEST_S = 1 << 33
_BEFORE = "locked before the restart"


class Identity(NamedTuple):
    """What the raw counter is, and that it went on: the boot, its clocksource, and for how long the machine
    has been suspended since (ms; None where nobody looked)."""

    boot_id: str
    clocksource: str
    suspended_ms: int | None = None

    def changed(self, now: "Identity") -> str:
        """Why what was counted on this counter cannot go on with the one of now; "" where it can."""
        if now.boot_id != self.boot_id:
            return "boot_id changed"
        if now.clocksource != self.clocksource:
            return ANOTHER_COUNTER
        if self.suspended_ms is None or now.suspended_ms is None:
            return ""
        slept_ms = now.suspended_ms - self.suspended_ms
        return f"the machine was suspended for {slept_ms} ms" if abs(slept_ms) >= _LEAST_SUSPENSION_MS else ""


def remember(vetting: "Vetting", identity: Identity | None, reason: str) -> dict[str, object]:
    """The memory as JSON-able values; ``identity`` is the counter's where known, ``reason`` why the mode is
    what it is."""
    kept: dict[str, object] = {
        "version": VERSION,
        "floor_utc_ns": vetting.dates.next_s() * NS_PER_S,
        "locked": vetting.mode is Mode.LOCKED,
        "episodes_s": vetting.episodes.starts_s,
        "probes": vetting.probes.fields(),
    }
    if vetting.mode is Mode.LOCKED:
        kept["lock_reason"] = reason.removeprefix(_BEFORE).removeprefix(": ")
    leaps = [[leap.at_s, leap.change] for leap in vetting.witnesses.leap.confirmed]
    if leaps:
        kept["leaps"] = leaps
    rate, rtc = vetting.witnesses.rate, vetting.witnesses.rtc.enrolled
    if rate.enrolled:
        kept |= {
            "raw_rate_ppt": rate.y_ppt,
            "raw_rate_unc_ppt": rate.unc_ppt - vetting.limits.raw_stability_ppt,
        }
    if rtc is not None:
        kept |= {"rtc_rate_ppt": rtc[0], "rtc_rate_unc_ppt": rtc[1]}
    met = vetting.witnesses.rtc
    if met.calibrated is not None and not met.stepped_ns and not met.follows_system:
        kept |= dict(zip(_RTC_FIELDS, met.calibrated, strict=True))
    phases = vetting.acquisition.enrolled_phases
    if phases is not None:
        kept |= {"phase_low_ns": phases[0], "phase_high_ns": phases[1]}
    phc = vetting.witnesses.further.phc.enrolled
    if phc is not None:
        kept |= {"phc_rate_ppt": phc[0], "phc_rate_unc_ppt": phc[1]}
    if identity is not None:
        kept |= {key: value for key, value in identity._asdict().items() if value is not None}
        if vetting.judge is not None:
            kept["judge"] = vetting.judge.memory()
    return kept


def _integer(args: Mapping[str, object], key: str, low: int, high: int) -> int | None:
    value = args.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None


def _rates(args: Mapping[str, object], name: str) -> tuple[int, int] | None:
    """A rate and its uncertainty in ppt, ``name``_rate_ppt and ``name``_rate_unc_ppt; None for no clock's."""
    rate = _integer(args, f"{name}_rate_ppt", -_MAX_RATE_PPT, _MAX_RATE_PPT)
    unc = _integer(args, f"{name}_rate_unc_ppt", 0, _MAX_RATE_PPT)
    return None if rate is None or unc is None else (rate, unc)


def _recall_rtc(vetting: "Vetting", args: Mapping[str, object]) -> None:
    """A calibration of the battery clock, whole and in range, or none."""
    rtc_s = _integer(args, _RTC_FIELDS[0], 0, _LATEST_S)
    offset_ns = _integer(args, _RTC_FIELDS[1], -_LATEST_S * NS_PER_S, _LATEST_S * NS_PER_S)
    error_ns = _integer(args, _RTC_FIELDS[2], 0, _LATEST_S * NS_PER_S)
    if rtc_s is not None and offset_ns is not None and error_ns is not None:
        vetting.witnesses.rtc.recall(rtc_s, offset_ns, error_ns)


def _take_rates(vetting: "Vetting", args: Mapping[str, object]) -> None:
    witnesses, raw, rtc = vetting.witnesses, _rates(args, "raw"), _rates(args, "rtc")
    if raw is not None:
        witnesses.rate = RawRate(raw[0], raw[1] + vetting.limits.raw_stability_ppt, enrolled=True)
    if rtc is not None:
        witnesses.rtc.enroll(*rtc)
    phc = _rates(args, "phc")
    if phc is not None:
        witnesses.further.phc.enroll(*phc)
    low, high = (
        _integer(args, f"phase_{end}_ns", -_LONGEST_PHASE_NS, _LONGEST_PHASE_NS) for end in ("low", "high")
    )
    if low is not None and high is not None and low <= high:
        vetting.acquisition.enrolled_phases = low, high


def raw_based(args: Mapping[str, object]) -> dict[str, object]:
    """The part of a memory that is bound to a boot and a clocksource, and which they are; empty where it does
    not say that. A rate is bound to them as well, with or without a judge."""
    if not all(name in args for name in ("boot_id", "clocksource")):
        return {}
    return {name: args[name] for name in (*Identity._fields, "judge") if name in args}


def take_up(vetting: "Vetting", args: Mapping[str, object], identity: Identity) -> None:
    """Now that boot and clocksource are known: take up the gate of before a restart, if it is theirs and the
    machine was not suspended meanwhile. A rate that was measured on another clocksource says nothing of
    this one."""
    kept, boot_id, clocksource = args.get("judge"), args.get("boot_id"), args.get("clocksource")
    if isinstance(clocksource, str) and clocksource != identity.clocksource:
        vetting.witnesses.forget_raw(rate_too=True)
    before = Identity(str(boot_id), str(clocksource), _integer(args, "suspended_ms", 0, 1 << 63))
    if vetting.judge is None and not before.changed(identity):
        vetting.judge = Judge.from_memory(vetting.policy, kept if isinstance(kept, dict) else {})


def restore(vetting: "Vetting", raw_ns: int, args: Mapping[str, object]) -> "list[Found]":
    """Take up a memory at the start. What is missing or out of range is left at its default; the raw-based
    part waits for the boot's identity (take_up)."""
    floor = _integer(args, "floor_utc_ns", 0, 1 << 63)
    if floor is not None:
        vetting.dates.raise_floor(floor // NS_PER_S)
    _take_rates(vetting, args)
    _recall_rtc(vetting, args)
    vetting.unidentified = "judge" in raw_based(args)
    leaps = args.get("leaps")
    for one in leaps if isinstance(leaps, list) else []:
        if isinstance(one, list) and [type(part) for part in one] == [int, int] and abs(one[1]) == 1:
            vetting.witnesses.leap.confirmed.append(LeapSecond(one[0], one[1]))
    episodes, probes = args.get("episodes_s"), args.get("probes")
    if isinstance(episodes, list):
        vetting.episodes.starts_s = [at for at in episodes if isinstance(at, int)]
    if isinstance(probes, dict):
        vetting.probes.restore(probes)
    tampered, why = args.get("tampered"), args.get("lock_reason")
    if tampered is not None:
        return vetting.lock(raw_ns, f"the memory was tampered with: {tampered}")
    if args.get("locked") is True:
        return vetting.lock(raw_ns, f"{_BEFORE}: {why}" if isinstance(why, str) and why else _BEFORE)
    return []


def enroll(vetting: "Vetting", raw_ns: int, args: Mapping[str, object]) -> "list[Found]":
    """The operator's word on what was measured (ENROLLED): in force from an acquisition that begins now,
    with every witness heard anew (which makes a witness again of an RTC that was set).

    Nothing is done for rates that are no clock's, and none while a receiver is being rejected: that would
    forgive it everything. A lock stays.
    """
    judge = vetting.judge
    if _rates(args, "raw") is None or (judge is not None and judge.gate.rejecting):
        return []
    found = vetting.disrupt(raw_ns, "enrolled")
    _take_rates(vetting, args)
    return found


def enroll_offline(kept: Mapping[str, object], args: Mapping[str, object]) -> dict[str, object] | None:
    """The same, done to a memory of which no daemon holds the live form. None where ``enroll`` does
    nothing."""
    judge = kept.get("judge")
    gate = judge.get("gate") if isinstance(judge, dict) else None
    frozen = _integer(gate, "frozen_ns", 0, 1 << 63) if isinstance(gate, dict) else None
    if _rates(args, "raw") is None or frozen is not None:
        return None
    rates = {name: args[name] for name in ENROLLED if name in args}
    return {"version": VERSION, **{key: value for key, value in kept.items() if key != "judge"}, **rates}
