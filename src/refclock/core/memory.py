"""What the daemon remembers across a restart, and how much of it may still be believed.

The floor, the enrolled rates, a lock and the episodes always; the gate with its spent budget only within
the same boot and on the same clocksource, because it is counted on the raw counter (lemma L6).
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from refclock.core.interval import RawRate
from refclock.core.judge import Judge
from refclock.model import Mode
from refclock.units import NS_PER_S

if TYPE_CHECKING:
    from refclock.core.vetting import Found, Vetting

VERSION = 1
# A rate beyond this is not a clock's: 500 ppm is the most that the kernel itself would correct.
_MAX_RATE_PPT = 500_000_000


def remember(vetting: "Vetting", identity: tuple[str, str] | None) -> dict[str, object]:
    """The memory as JSON-able values; ``identity`` is (boot_id, clocksource) where known."""
    kept: dict[str, object] = {
        "version": VERSION,
        "floor_utc_ns": vetting.floor() * NS_PER_S,
        "locked": vetting.mode is Mode.LOCKED,
        "episodes_s": vetting.episodes.starts_s,
    }
    rate, rtc = vetting.witnesses.rate, vetting.witnesses.rtc.enrolled
    if rate.enrolled:
        kept |= {
            "raw_rate_ppt": rate.y_ppt,
            "raw_rate_unc_ppt": rate.unc_ppt - vetting.limits.raw_stability_ppt,
        }
    if rtc is not None:
        kept |= {"rtc_rate_ppt": rtc[0], "rtc_rate_unc_ppt": rtc[1]}
    if vetting.judge is not None and identity is not None:
        kept |= {"boot_id": identity[0], "clocksource": identity[1], "judge": vetting.judge.memory()}
    return kept


def _integer(args: Mapping[str, object], key: str, low: int, high: int) -> int | None:
    value = args.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None


def take_up(vetting: "Vetting", args: Mapping[str, object], identity: tuple[str, str]) -> None:
    """Now that boot and clocksource are known: take up the gate of before a restart, if it is theirs."""
    kept = args.get("judge")
    if vetting.judge is None and (args.get("boot_id"), args.get("clocksource")) == identity:
        vetting.judge = Judge.from_memory(vetting.policy, kept if isinstance(kept, dict) else {})


def restore(vetting: "Vetting", raw_ns: int, args: Mapping[str, object]) -> "list[Found]":
    """Take up a memory at the start. What is missing or out of range is left at its default; the raw-based
    part waits for the boot's identity (take_up)."""
    witnesses, limits = vetting.witnesses, vetting.limits
    floor = _integer(args, "floor_utc_ns", 0, 1 << 63)
    if floor is not None:
        vetting.floor_s = max(vetting.floor_s, floor // NS_PER_S)
    y_ppt = _integer(args, "raw_rate_ppt", -_MAX_RATE_PPT, _MAX_RATE_PPT)
    unc_ppt = _integer(args, "raw_rate_unc_ppt", 0, _MAX_RATE_PPT)
    if y_ppt is not None and unc_ppt is not None:
        witnesses.rate = RawRate(y_ppt, unc_ppt + limits.raw_stability_ppt, enrolled=True)
    rtc_ppt = _integer(args, "rtc_rate_ppt", -_MAX_RATE_PPT, _MAX_RATE_PPT)
    rtc_unc = _integer(args, "rtc_rate_unc_ppt", 0, _MAX_RATE_PPT)
    if rtc_ppt is not None and rtc_unc is not None:
        witnesses.rtc.enroll(rtc_ppt, rtc_unc)
    episodes = args.get("episodes_s")
    if isinstance(episodes, list):
        vetting.episodes.starts_s = [at for at in episodes if isinstance(at, int)]
    if args.get("locked") is True:
        return vetting.lock(raw_ns, "locked before the restart")
    return []
