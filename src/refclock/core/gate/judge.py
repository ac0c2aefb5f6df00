"""What a second must pass once a receiver is trusted: numbering, gate, order; and the bound it earns."""

from collections.abc import Mapping
from dataclasses import dataclass

from refclock.core.gate.company import MOST, Company
from refclock.core.gate.gate import Gate, Mask
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.seconds.pairing import Refused, Second
from refclock.policy import Policy
from refclock.units import NS_PER_S, S_PER_DAY, nearest_second, scale_up

# Beyond this uncertainty the raw counter cannot number a second any more; the witnesses must.
_NUMBERING_NS = 400_000_000
# No shorter silence outgrows the gate, however tight the budget was chosen.
_LEAST_SILENCE_NS = 600 * NS_PER_S
_YEAR_NS = 365 * S_PER_DAY * NS_PER_S


def masks_for(policy: Policy, enrolled: bool) -> tuple[Mask, ...]:
    """The masks in force. Mask 2 needs an enrolled rate; kdc-cesium's is against the cesium's own pulse.

    Without PPS a second is placed by its message's arrival, so B is wider by that jitter, both ways.
    """
    limits = policy.limits
    wider = 0 if policy.pulse is not None else 2 * policy.receiver.message_jitter_ns
    masks = [Mask(limits.mask1_offset_ns + wider, limits.mask1_rate_ppt)]
    if enrolled and policy.profile != "kdc-cesium":
        masks.append(Mask(limits.mask2_offset_ns + wider, limits.mask2_rate_ppt))
    return tuple(masks)


@dataclass(frozen=True, slots=True)
class Anchor:
    """The second from which phases are counted: at ``raw_ns`` UTC was ``si_ns``, within ``error_ns``."""

    raw_ns: int
    si_ns: int
    error_ns: int


class Judge:
    """The anchor, the gate on it, and the ledger of re-anchorings."""

    def __init__(self, policy: Policy, anchor: Anchor, rate: RawRate, gate: Gate | None = None) -> None:
        self._limits = policy.limits
        self.anchor = anchor
        self.rate = rate
        self.gate = gate or Gate(masks_for(policy, rate.enrolled), policy.limits.gap_budget_ns)
        self.last_raw_ns = anchor.raw_ns
        self.last_si_ns = anchor.si_ns
        self.last_bound_ns = anchor.error_ns
        self.bound_parts = {"raw": anchor.error_ns}
        self.reanchored: list[tuple[int, int]] = []
        # Who came back after a silence that outgrew the gate.
        self._returned = Company(self.gate.masks[0].offset_ns)

    def memory(self) -> dict[str, object]:
        """What must survive a restart within the same boot, as JSON-able values."""
        return {
            "anchor": [self.anchor.raw_ns, self.anchor.si_ns, self.anchor.error_ns],
            "rate": [self.rate.y_ppt, self.rate.unc_ppt, int(self.rate.enrolled)],
            "last": [self.last_raw_ns, self.last_si_ns, self.last_bound_ns],
            "reanchored": [list(one) for one in self.reanchored],
            "gate": self.gate.memory(),
        }

    @classmethod
    def from_memory(cls, policy: Policy, kept: Mapping[str, object]) -> "Judge | None":
        """The judge that wrote this memory; None when it is not whole or fits other masks."""
        anchor, rate, last = (_triple(kept.get(key)) for key in ("anchor", "rate", "last"))
        stored, ledger = kept.get("gate"), kept.get("reanchored")
        if anchor is None or rate is None or last is None:
            return None
        known = RawRate(rate[0], rate[1], bool(rate[2]))
        gate = Gate(masks_for(policy, known.enrolled), policy.limits.gap_budget_ns)
        if not isinstance(stored, dict) or not gate.restore(stored):
            return None
        judge = cls(policy, Anchor(*anchor), known, gate)
        judge.last_raw_ns, judge.last_si_ns, judge.last_bound_ns = last
        spent = [one for one in ledger if isinstance(one, list)] if isinstance(ledger, list) else []
        judge.reanchored = [(one[0], one[1]) for one in spent if [type(part) for part in one] == [int, int]]
        return judge

    def predicted_ns(self, raw_ns: int) -> int:
        """UTC (SI ns) at a reading of the counter, by the enrolled rate from the anchor on."""
        return self.anchor.si_ns + self.rate.advance(raw_ns - self.anchor.raw_ns)

    def phase_ns(self, raw_ns: int, si_ns: int) -> int:
        """X: how far a label lies from the prediction."""
        return si_ns - self.predicted_ns(raw_ns)

    def moved_ns(self, raw_ns: int, si_ns: int) -> int:
        """How far a label lies from where the last accepted second leads."""
        return self.phase_ns(raw_ns, si_ns) - self.phase_ns(self.last_raw_ns, self.last_si_ns)

    def holdover_ns(self, raw_ns: int) -> int:
        """The bound while nothing is accepted: the last one, growing at the holdover rate."""
        elapsed = max(0, raw_ns - self.last_raw_ns)
        return self.last_bound_ns + scale_up(elapsed, self._limits.holdover_rate_ppt + self.rate.unc_ppt)

    def judge(self, second: Second, si_ns: int, witnessed: bool) -> Refused | None:
        """None when the second may be accepted. ``witnessed``: a witness agrees with it. Changes nothing, but
        that it remembers who comes back after a long silence."""
        raw_ns = second.edge.raw_ns
        elapsed = raw_ns - self.last_raw_ns
        phase = self.phase_ns(raw_ns, si_ns)
        moved = phase - self.phase_ns(self.last_raw_ns, self.last_si_ns)
        if elapsed <= 0:
            return Refused(raw_ns, "edge-order", elapsed, 1, second.utc_s)
        if scale_up(elapsed, self.rate.unc_ppt) < _NUMBERING_NS:
            passed = self.rate.advance(elapsed)
            off_s = nearest_second(si_ns - self.last_si_ns) - nearest_second(passed)
            if off_s:
                reason = "date-jump" if abs(off_s) >= S_PER_DAY else "label-continuity"
                return Refused(raw_ns, reason, off_s, 0, second.utc_s, moved_ns=moved)
        if si_ns <= self.last_si_ns:
            return Refused(raw_ns, "not-monotone", si_ns - self.last_si_ns, 1, second.utc_s, moved_ns=moved)
        breach = self.gate.judge(raw_ns, phase)
        if breach is None:
            return None
        silence_ns = max(self._limits.gap_budget_ns, _LEAST_SILENCE_NS)
        if elapsed > silence_ns and not self.gate.rejecting:
            return self._outgrown(second, si_ns, breach.value_ns - breach.limit_ns, witnessed)
        return Refused(
            raw_ns, "drift-mask", breach.value_ns, breach.limit_ns, second.utc_s, breach.mask, moved
        )

    def _outgrown(self, second: Second, si_ns: int, excess_ns: int, witnessed: bool) -> Refused | None:
        """A silence outgrew the gate: one new anchor, if the second lies inside the holdover interval and by
        those that came back with it, a witness agrees, and the year's ledger allows it."""
        raw_ns = second.edge.raw_ns
        off = abs(self.moved_ns(raw_ns, si_ns))
        holdover = self.holdover_ns(raw_ns)
        allowed = self._limits.reanchor_year_ns - self.reanchored_ns(raw_ns)
        value, limit = max(off, excess_ns), min(holdover, max(0, allowed))
        if off > holdover or excess_ns > allowed:
            return Refused(raw_ns, "reanchor", value, limit, second.utc_s)
        come = self._returned.join(raw_ns, si_ns)
        astray_ns, near_ns = self._returned.astray_ns(self.rate), self._returned.near_ns
        if astray_ns > near_ns:
            return Refused(raw_ns, "anchor-astray", astray_ns, near_ns, second.utc_s)
        # After a power cut the receiver may be back before the servers: that is a wait, not a lie.
        if witnessed and come >= MOST:
            return None
        return Refused(raw_ns, "reanchor-waits", value, limit, second.utc_s)

    def _reanchor(self, raw_ns: int, si_ns: int, excess_ns: int) -> None:
        off = abs(self.moved_ns(raw_ns, si_ns))
        self.reanchored.append((raw_ns, excess_ns))
        self.anchor = Anchor(raw_ns, si_ns, self.holdover_ns(raw_ns) + off)
        self.gate = Gate(self.gate.masks, self._limits.gap_budget_ns)

    def reanchored_ns(self, raw_ns: int) -> int:
        """What the ledger of re-anchorings holds for the year before a reading of the counter."""
        return sum(cost for at, cost in self.reanchored if raw_ns - at <= _YEAR_NS)

    def accept(
        self, second: Second, si_ns: int, quorum: Interval | None, by_cesium_ns: int | None = None
    ) -> int:
        """Take the second, which was judged; returns the bound on its error, in ns. ``by_cesium_ns``: how
        far it can have left UTC since the anchor, by a cesium."""
        raw_ns = second.edge.raw_ns
        breach = self.gate.judge(raw_ns, self.phase_ns(raw_ns, si_ns))
        if breach is not None:  # outside the gate after a silence that outgrew it: judged to be the anchor
            self._reanchor(raw_ns, si_ns, breach.value_ns - breach.limit_ns)
        self.gate.accept(raw_ns, self.phase_ns(raw_ns, si_ns))
        self.last_raw_ns, self.last_si_ns = raw_ns, si_ns
        self.bound_parts = self._bounds(raw_ns, si_ns, second.edge.unc_ns, quorum)
        if by_cesium_ns is not None:
            self.bound_parts["cesium"] = self.anchor.error_ns + by_cesium_ns + second.edge.unc_ns
        self.last_bound_ns = min(self.bound_parts.values())
        return self.last_bound_ns

    def _bounds(self, raw_ns: int, si_ns: int, unc_ns: int, quorum: Interval | None) -> dict[str, int]:
        """The bounds on the error of a second, each by itself sufficient (lemma L5), in ns.

        ``raw``: how far the second lies from the counter's prediction, how far the anchor may have been
        from UTC, and what the counter's rate may hide since. It is never more than the masks let through.
        ``quorum``: E_q, given an honest majority of servers; it does not count once the quorum itself has
        left what the counter can explain, so that receiver and servers together cannot talk the bound down.
        """
        predicted = self.predicted_ns(raw_ns)
        hidden = self.anchor.error_ns + scale_up(raw_ns - self.anchor.raw_ns, self.rate.unc_ppt)
        parts = {"raw": abs(si_ns - predicted) + hidden + unc_ns}
        if quorum is not None and quorum.outside_ns(predicted) <= hidden:
            parts["quorum"] = self._limits.quorum_error_ns + unc_ns
        return parts


def _triple(value: object) -> tuple[int, int, int] | None:
    """Three integers out of a memory; None for anything else."""
    if not isinstance(value, list) or [type(one) for one in value] != [int, int, int]:
        return None
    return value[0], value[1], value[2]
