"""The lemmas L1 to L6, checked from what was decided and from the truth, in arithmetic of their own.

Only three things are read from the core: the anchor (to tell one epoch from the next), the rate that phases
are counted by, and the parts of the published bound.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from refclock.core.gate.judge import Judge, masks_for
from refclock.core.rules.reasons import is_rejection
from refclock.core.seconds.pairing import Refused
from refclock.core.trust.vetting import Vetting
from refclock.model import Mode, ModeChange, Publish
from refclock.policy import Policy
from refclock.units import NS_PER_S, PPT_ONE, scale_up

# Whole nanoseconds, floored on the way: two phases may differ by so much from the exact ones.
_SLACK_NS = 4
_YEAR_NS = 365 * 86_400 * NS_PER_S
_KEPT_PAIRS = 48


@dataclass
class Shadow:
    """The gate as docs/vetting.md has it, fed by decisions alone, in exact integers scaled by 10**12.

    ``low`` and ``high`` hold the least X - D v and the greatest X + D v for each mask, by the budget clock
    v (L4) and by the raw counter itself (L1).
    """

    low: list[int] = field(default_factory=list)
    high: list[int] = field(default_factory=list)
    raw_low: list[int] = field(default_factory=list)
    raw_high: list[int] = field(default_factory=list)
    earned_ns: int = 0
    last_raw_ns: int | None = None
    frozen_ns: int | None = None


@dataclass
class Ledger:
    """All that must outlast a restart; a crash takes it back to when the state was last saved."""

    shadow: Shadow = field(default_factory=Shadow)
    anchor: tuple[int, int, int] | None = None
    fresh_from_ns: int | None = None  # nothing may be fed before a dwell from here is over
    honest_anchor: bool = True
    reanchored: list[tuple[int, int]] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)
    last_utc_ns: int = 0
    floor_ns: int = 0
    locked: bool = False
    y_ppt: int = 0

    def copy(self) -> "Ledger":
        """All of it, on its own."""
        old = self.shadow
        shadow = replace(
            old, low=old.low[:], high=old.high[:], raw_low=old.raw_low[:], raw_high=old.raw_high[:]
        )
        return replace(self, shadow=shadow, reanchored=self.reanchored[:], pairs=self.pairs[:])


@dataclass(frozen=True, slots=True)
class Worst:
    """The worst moment of a run by one measure: the error admitted, what was published for it, and what
    could have been promised beforehand."""

    error_ns: int = 0
    bound_ns: int = 1
    apriori_ns: int = 1
    after_ns: int = 0


class Oracle:
    """Judges what one run published."""

    def __init__(self, policy: Policy, honest: bool, build_s: int) -> None:
        self.counterfeit = False
        self._policy, self._limits = policy, policy.limits
        self.honest = honest
        self.state = Ledger(floor_ns=build_s * NS_PER_S)
        self._saved = Ledger(floor_ns=build_s * NS_PER_S)
        self.violations: list[str] = []
        self.worst = Worst()
        self.tightest = Worst()
        self.published = 0
        self.accused: list[str] = []
        self.rejections = 0
        self.reasons: dict[str, int] = {}
        self._began_ns = 0
        self._judge: Judge | None = None
        self.history: Callable[[Publish, int], None] | None = None

    # ---- what the driver tells -----------------------------------------------------------------------

    def saved(self) -> None:
        """The daemon's memory was written."""
        state = self.state
        state.floor_ns = max(state.floor_ns, (state.last_utc_ns // NS_PER_S + 1) * NS_PER_S)
        self._saved = state.copy()

    def crashed(self) -> None:
        """The daemon begins again with what was last saved."""
        self.state = self._saved.copy()

    def begin_anew(self, raw_ns: int) -> None:
        """The raw counter lost its continuity, or an operator rearmed: a new epoch, after a dwell."""
        state = self.state
        state.shadow, state.anchor, state.pairs, state.reanchored = Shadow(), None, [], []
        state.fresh_from_ns = raw_ns

    def rearmed(self, raw_ns: int) -> None:
        """An operator ended a lock."""
        self.state.locked = False
        self.begin_anew(raw_ns)

    # ---- what the core decides -----------------------------------------------------------------------

    def mode(self, change: ModeChange) -> None:
        """A lock holds until rearmed; the core's own disruptions are taken note of."""
        if change.after is Mode.LOCKED:
            self.state.locked = True
        if (
            change.after is Mode.ACQUIRING
            and change.before is not Mode.COLD
            and self.state.anchor is not None
        ):
            self.begin_anew(change.raw_ns)
            enrolled = self._judge is not None and self._judge.rate.enrolled
            if self.honest and not self.counterfeit and enrolled:
                # Every counter here keeps its stated stability, and a new clocksource is told beforehand.
                # A rate that was never enrolled is provisional, and may be learnt anew.
                self._fail("L4", f"the gate was forgotten without need: {change.reason}")

    def refused(self, refused: Refused, mode: Mode) -> None:
        """A rejected second freezes the budget where it stands (L4)."""
        if not is_rejection(refused.reason) or mode is Mode.LOCKED:
            return
        self.rejections += 1
        self.reasons[refused.reason] = self.reasons.get(refused.reason, 0) + 1
        shadow = self.state.shadow
        if shadow.last_raw_ns is not None and shadow.frozen_ns is None:
            shadow.frozen_ns = self._budget(refused.raw_ns)

    def _budget(self, raw_ns: int) -> int:
        shadow = self.state.shadow
        if shadow.frozen_ns is not None:
            return shadow.frozen_ns
        if shadow.last_raw_ns is None:
            return shadow.earned_ns
        return shadow.earned_ns + max(0, min(raw_ns - shadow.last_raw_ns, self._limits.gap_budget_ns))

    def _fail(self, lemma: str, told: str) -> None:
        self.violations.append(f"{lemma}: {told}")

    def publish(self, published: Publish, true_ns: int, si_ns: int, vetting: Vetting) -> None:
        """Check one published second; ``true_ns`` is UTC (SI) at that moment."""
        # Finding the raw counter wrong in the same breath voids the judge; it was there when it judged.
        judge = self._judge = vetting.judge or self._judge
        if judge is None:
            self._fail("core", "published without a judge")
            return
        state, raw = self.state, published.raw_ns
        self.published += 1
        error = si_ns - true_ns
        if state.locked:
            self._fail("L6", "published while locked")
        self._order(published)
        self._epoch(judge, raw, error)
        self._gate(judge, raw, si_ns)
        self._cap(judge, raw, si_ns)
        self._bound(published, error, vetting, judge)
        if self.history is not None:
            self.history(published, error)

    def _order(self, published: Publish) -> None:
        state = self.state
        if published.utc_ns <= state.last_utc_ns:
            self._fail("L2", f"went back by {state.last_utc_ns - published.utc_ns} ns")
        if published.utc_ns < state.floor_ns:
            self._fail("L2", f"{state.floor_ns - published.utc_ns} ns below the floor")
        state.last_utc_ns = published.utc_ns

    def _epoch(self, judge: Judge, raw: int, error: int) -> None:
        """A new anchor needs a reason: a fresh start after its dwell, or a re-anchoring by the ledger."""
        state, limits = self.state, self._limits
        anchor = (judge.anchor.raw_ns, judge.anchor.si_ns, judge.anchor.error_ns)
        if anchor == state.anchor:
            if state.fresh_from_ns is not None:
                self._fail("L6", "an epoch that was void goes on")
            return
        shadow = state.shadow
        if anchor[0] != raw:
            self._fail("L4", "anchored on a second that was not fed")
        if state.anchor is not None:
            gap = raw - (shadow.last_raw_ns or 0)
            if shadow.frozen_ns is not None:
                self._fail("L4", f"re-anchored while rejecting, after {gap // NS_PER_S} s")
            if gap <= limits.gap_budget_ns:
                self._fail("L1", f"re-anchored after {gap // NS_PER_S} s only")
            state.reanchored = list(judge.reanchored)
            spent = sum(cost for at, cost in judge.reanchored if raw - at <= _YEAR_NS)
            if spent > limits.reanchor_year_ns:
                self._fail("L1", f"ledger of re-anchorings overdrawn: {spent} ns")
        elif state.fresh_from_ns is not None and raw - state.fresh_from_ns < limits.dwell_warm_ns:
            self._fail("L6", f"fed {(raw - state.fresh_from_ns) // NS_PER_S} s after a fresh start")
        state.honest_anchor = abs(error) <= judge.anchor.error_ns + _SLACK_NS
        if not state.honest_anchor and self.honest:
            self._fail("L5", f"anchor off by {error} ns, said to be within {judge.anchor.error_ns} ns")
        state.anchor, state.fresh_from_ns, state.shadow = anchor, None, Shadow()
        state.y_ppt = judge.rate.y_ppt
        self._began_ns = raw

    def _gate(self, judge: Judge, raw: int, si_ns: int) -> None:
        """L1 and L4: every pair of this epoch, by the clock and by the earned budget."""
        state = self.state
        shadow = state.shadow
        if judge.rate.y_ppt != state.y_ppt:
            self._fail("L1", "the rate changed within an epoch")
        phase = si_ns * PPT_ONE - raw * (PPT_ONE + state.y_ppt)
        budget = self._budget(raw)
        slack = _SLACK_NS * PPT_ONE
        masks = masks_for(self._policy, judge.rate.enrolled)
        for index, mask in enumerate(masks):
            allowed = mask.offset_ns * PPT_ONE + slack
            for lemma, clock, lows, highs in (
                ("L1", raw, shadow.raw_low, shadow.raw_high),
                ("L4", budget, shadow.low, shadow.high),
            ):
                earned = mask.rate_ppt * clock
                if index == len(lows):
                    lows.append(phase - earned)
                    highs.append(phase + earned)
                excess = max(phase - lows[index] - earned, highs[index] - earned - phase)
                if excess > allowed:
                    told = f"mask {index + 1} exceeded by {(excess - allowed) // PPT_ONE} ns"
                    self._fail(lemma, told)
                lows[index] = min(lows[index], phase - earned)
                highs[index] = max(highs[index], phase + earned)
        shadow.earned_ns, shadow.last_raw_ns, shadow.frozen_ns = budget, raw, None

    def _cap(self, judge: Judge, raw: int, si_ns: int) -> None:
        """L3, on a selection of pairs, across re-anchorings too."""
        state, cap = self.state, self._policy.hard_cap_ppt
        masks = masks_for(self._policy, judge.rate.enrolled)
        least = min(-(-mask.offset_ns * PPT_ONE // (cap - mask.rate_ppt)) for mask in masks)
        for then_raw, then_si in state.pairs:
            window = raw - then_raw
            if window >= least:
                moved = si_ns - then_si - judge.rate.advance(window)
                if abs(moved) > scale_up(window, cap) + _SLACK_NS:
                    self._fail("L3", f"{moved} ns in {window // NS_PER_S} s")
        if len(state.pairs) < _KEPT_PAIRS:
            state.pairs.append((raw, si_ns))
        else:
            state.pairs[self.published % _KEPT_PAIRS] = raw, si_ns

    def _bound(self, published: Publish, error: int, vetting: Vetting, judge: Judge) -> None:
        state, raw = self.state, published.raw_ns
        parts = judge.bound_parts
        for name, part in parts.items():
            if name != "quorum" and abs(error) > part + _SLACK_NS and state.honest_anchor:
                self._fail("L5", f"error {error} ns outside the bound by {name}, {part} ns")
        if self.honest and abs(error) > published.bound_ns + _SLACK_NS:
            self._fail("L5", f"error {error} ns outside the published bound {published.bound_ns} ns")
        said = vetting.assessment
        unc = max(0, parts["raw"] and 1_000)
        if self.honest and said is not None and said.quorum is not None:
            most = self._limits.quorum_error_ns + unc
            if abs(error) > most:
                self._fail("L5", f"error {error} ns with a quorum that allows {most} ns")
        apriori = self._apriori(judge, raw, unc)
        if "quorum" in parts:
            apriori = min(apriori, self._limits.quorum_error_ns + unc)
        cesium = vetting.witnesses.cesium
        if "cesium" in parts and cesium is not None:
            # Counted from the first comparison, which the anchor may follow much later.
            passed = raw - cesium.since_ns + NS_PER_S
            mask2 = self._limits.mask2_offset_ns + scale_up(passed, self._limits.mask2_rate_ppt)
            apriori = min(apriori, judge.anchor.error_ns + 2 * mask2 + unc)
        if published.bound_ns > apriori + _SLACK_NS:
            self._fail("L5", f"published {published.bound_ns} ns, provable {apriori} ns")
        here = Worst(abs(error), published.bound_ns, apriori, raw - self._began_ns)
        if here.error_ns > self.worst.error_ns:
            self.worst = here
        if here.error_ns * self.tightest.bound_ns > self.tightest.error_ns * here.bound_ns:
            self.tightest = here

    def _apriori(self, judge: Judge, raw: int, unc: int) -> int:
        """e0 + min over masks (B + D t) + delta t: what was provable at the anchor already."""
        passed = raw - judge.anchor.raw_ns
        masks = masks_for(self._policy, judge.rate.enrolled)
        drift = min(mask.offset_ns + scale_up(passed, mask.rate_ppt) for mask in masks)
        return judge.anchor.error_ns + drift + scale_up(passed, judge.rate.unc_ppt) + unc
