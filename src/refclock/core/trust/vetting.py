"""The state of trust in one receiver: which mode, which episode, and what happens to each second."""

from dataclasses import replace

from refclock.core.blame.attribution import in_words
from refclock.core.blame.blame import Blame
from refclock.core.gate.judge import Anchor, Judge, masks_for
from refclock.core.gate.ledger import Probes
from refclock.core.rules.episodes import Episodes
from refclock.core.rules.modes import Trigger, after
from refclock.core.rules.reasons import REASONS, is_rejection
from refclock.core.seconds.dates import Dates
from refclock.core.seconds.health import Fault
from refclock.core.seconds.pairing import Refused, Second
from refclock.core.trust.acquire import Acquisition, Ready
from refclock.core.witness.assessment import Assessment
from refclock.core.witness.witnesses import Witnesses
from refclock.model import Accuse, Decision, Mode, ModeChange, Publish
from refclock.policy import Policy
from refclock.units import NS_PER_S, show_ns

# Where the quorum objects, its objection says more than these.
_RETURNS = ("reanchor", "reanchor-waits", "anchor-astray")
_BACK_NS = 64 * NS_PER_S

Found = Refused | Decision


class Vetting:
    """Modes, episodes and the judge."""

    def __init__(self, policy: Policy, build_utc_s: int) -> None:
        self.policy = policy
        self.limits = policy.limits
        self.mode = Mode.COLD
        self.episodes = Episodes(policy.limits)
        self.witnesses = Witnesses(policy, build_utc_s, self.episodes)
        self.judge: Judge | None = None
        self.acquisition = Acquisition(policy.limits, masks_for(policy, enrolled=False)[0].offset_ns)
        self.dates = Dates(build_utc_s, policy.not_before_s)
        self.grid_ns: int | None = None
        self.assessment: Assessment | None = None
        self.probes = Probes()
        self.blame: Blame | None = None
        # A memory waits for boot and clocksource to be known; until then nothing can be fed.
        self.unidentified = False
        self._enough_since_ns: int | None = None
        self._heard_ns: int | None = None
        self._accepted_ns: int | None = None
        self._last_refused: Refused | None = None

    # ---- time -------------------------------------------------------------------------------------

    def deadline_ns(self) -> int | None:
        """The next raw instant at which time alone changes something."""
        if self.mode is Mode.HOLDOVER:
            return self.episodes.latches_ns()
        last_ns = self._last_ns()
        return None if last_ns is None else last_ns + self.limits.missing_after_ns

    def _last_ns(self) -> int | None:
        """The second whose successors are missed: the last one accepted, during the dwell the last heard."""
        if self.mode in (Mode.VETTED, Mode.DEGRADED):
            return self._accepted_ns
        return self._heard_ns if self.mode is Mode.ACQUIRING else None

    def on_time(self, raw_ns: int) -> list[Found]:
        """Let time pass: silence, and rejections that latch."""
        found: list[Found] = []
        last_ns = self._last_ns()
        if last_ns is not None and raw_ns - last_ns >= self.limits.missing_after_ns:
            if self.mode is Mode.ACQUIRING:
                self._restart()
                found = self._move(raw_ns, Trigger.SILENT, "silence")
            else:
                found = self._to_holdover(raw_ns)
        return found + self._latch(raw_ns, self.episodes.latch(raw_ns))

    def _latch(self, raw_ns: int, due: tuple[Trigger, str] | None) -> list[Found]:
        """Lock, after a last word on who is wrong (which may find that it was the raw counter)."""
        if due is None:
            return []
        return [*self._accuse(raw_ns, last_word=True), *self._move(raw_ns, *due)]

    def _to_holdover(self, raw_ns: int) -> list[Found]:
        refused = self._last_refused
        fresh = refused is not None and self._accepted_ns is not None and refused.raw_ns > self._accepted_ns
        return self._move(raw_ns, Trigger.MISSING, refused.reason if refused and fresh else "silence")

    def _accuse(self, raw_ns: int, last_word: bool = False) -> list[Found]:
        """Once in each episode: say who is wrong, and do what follows from it."""
        refused, blame, began = self._last_refused, self.blame, self.episodes.began_ns
        if self.episodes.accused or began is None or blame is None or refused is None:
            return []
        return self._convict(raw_ns, blame.rejected(raw_ns, refused, began, last_word))

    def _convict(self, raw_ns: int, accusation: Accuse | None) -> list[Found]:
        """What an accusation does to the mode."""
        if accusation is None:
            return []
        self.episodes.accused = True
        if accusation.source in ("receiver", "receiver+ntp"):
            return [accusation, *self._move(raw_ns, Trigger.ATTRIBUTED, in_words(accusation))]
        if accusation.source == "raw":
            return [accusation, *self.disrupt(raw_ns, in_words(accusation), rate_too=True)]
        if accusation.source == "ntp":
            self.episodes.pardon()
        return [accusation]

    # ---- seconds ----------------------------------------------------------------------------------

    def on_refused(self, refused: Refused) -> list[Found]:
        """The pairing refused something."""
        if REASONS[refused.reason].kind == "note":
            return [refused]
        return [refused, *self._refuse(refused)]

    def on_second(self, second: Second, fault: Fault | None, utc_confirmed: bool) -> list[Found]:
        """A candidate second; ``fault``: the receiver disqualifies itself."""
        raw_ns = second.edge.raw_ns
        leap = self.witnesses.leap
        found = self._move(raw_ns, Trigger.HEARD, "receiver heard")
        self._heard_ns = raw_ns
        si_ns = leap.si_ns(second.utc_s * NS_PER_S) + second.second60 * NS_PER_S + second.late_ns
        refused = self._first_refusal(second, si_ns, fault)
        if refused is None and self.mode is Mode.LOCKED:
            refused = Refused(raw_ns, "locked", 0, 1, second.utc_s)
        if refused is not None:
            return [*found, refused, *self._refuse(refused)]
        said = self.assessment = self.witnesses.assess(second, si_ns)
        if self.mode is Mode.ACQUIRING:
            decided = self._acquire(second, si_ns, said, utc_confirmed)
        else:
            decided = self._continue(second, si_ns, said)
        return [*found, *decided, *self.witnesses.news()]

    def _first_refusal(self, second: Second, si_ns: int, fault: Fault | None) -> Refused | None:
        """What disqualifies a second before any comparison."""
        raw_ns = second.edge.raw_ns
        if fault is not None:
            return Refused(raw_ns, *fault, second.utc_s)
        moved = None if self.judge is None else self.judge.moved_ns(raw_ns, si_ns)
        return self.dates.judge(second, self.witnesses.leap, moved)

    def _acquire(self, second: Second, si_ns: int, said: Assessment, utc_confirmed: bool) -> list[Found]:
        raw_ns = second.edge.raw_ns
        if self.judge is not None:
            # The gate of before the restart is still in force: a restart forgives nothing.
            refused = self.judge.judge(second, si_ns, said.supports_reanchor)
            if refused is not None:
                return [refused, *self._refuse(refused)]
        verdict = self.acquisition.consider(second, si_ns, self.witnesses.rate, said, utc_confirmed)
        if isinstance(verdict, Refused):
            self.grid_ns = raw_ns
            if not is_rejection(verdict.reason):
                self.witnesses.by_cesium_ns(second, si_ns, said, raw_ns)
            return [verdict, *self._refuse(verdict)]
        if self.unidentified:
            return [Refused(raw_ns, "identity", 1, 0, second.utc_s)]
        return self._first_feed(second, si_ns, said, verdict)

    def _first_feed(self, second: Second, si_ns: int, said: Assessment, ready: Ready) -> list[Found]:
        raw_ns = second.edge.raw_ns
        self.witnesses.rate = ready.rate
        if self.judge is None:
            self.judge = Judge(self.policy, Anchor(raw_ns, si_ns, ready.error_ns), ready.rate)
        self.witnesses.rtc.calibrate(raw_ns, si_ns, ready.error_ns, ready.rate)
        self.witnesses.further.phc.anchor(raw_ns, si_ns, ready.error_ns, ready.rate)
        self.blame = Blame(self.witnesses, self.judge)
        found = self._move(raw_ns, Trigger.DWELT, "dwell complete")
        return found + self._publish(second, si_ns, said)

    def _continue(self, second: Second, si_ns: int, said: Assessment) -> list[Found]:
        raw_ns, judge = second.edge.raw_ns, self.judge
        assert judge is not None  # every trusted mode has one
        refused = judge.judge(second, si_ns, said.supports_reanchor)
        if said.quorum_objects is not None and (refused is None or refused.reason in _RETURNS):
            refused = replace(said.quorum_objects, moved_ns=judge.moved_ns(raw_ns, si_ns))
        refused = refused or said.cesium_objects or said.further_objects
        if refused is not None:
            return [refused, *self._refuse(refused)]
        found = self._move(raw_ns, Trigger.RETURNED, "receiver returned within the gate")
        return found + self._count_witnesses(raw_ns, said) + self._publish(second, si_ns, said)

    def _count_witnesses(self, raw_ns: int, said: Assessment) -> list[Found]:
        """Degraded at once when a witness is lost; vetted again when it has been back for a while."""
        if said.agreeing < self.limits.witnesses:
            self._enough_since_ns, trigger = None, Trigger.WITNESS_LOST
        else:
            if self._enough_since_ns is None:
                self._enough_since_ns = raw_ns
            if raw_ns - self._enough_since_ns < _BACK_NS:
                return []
            trigger = Trigger.WITNESS_BACK
        if after(self.mode, trigger) is self.mode:
            return []  # as in nearly every second: no words are needed
        return self._move(raw_ns, trigger, said.in_words(self.limits.witnesses))

    def _publish(self, second: Second, si_ns: int, said: Assessment) -> list[Found]:
        raw_ns, judge, leap = second.edge.raw_ns, self.judge, self.witnesses.leap
        assert judge is not None
        by_cesium_ns = self.witnesses.by_cesium_ns(second, si_ns, said, judge.anchor.raw_ns)
        self.probes.watch(judge, raw_ns, judge.phase_ns(raw_ns, si_ns), second.utc_s)
        anchor = judge.anchor
        bound_ns = judge.accept(second, si_ns, said.quorum, by_cesium_ns)
        if judge.anchor is not anchor:
            self.witnesses.rtc.rebase()
        self.grid_ns = self._accepted_ns = raw_ns
        self.episodes.end()
        self.dates.fed_s = second.utc_s
        self.witnesses.receiver_kept(raw_ns, si_ns, judge.phase_ns(raw_ns, si_ns))
        utc_ns = leap.utc_ns(si_ns - second.late_ns) + second.late_ns
        published = Publish(raw_ns, utc_ns, second.edge.at_ns, leap.indicator(second.utc_s), bound_ns)
        drifting = self.blame.accepted(raw_ns, si_ns, second.edge.unc_ns) if self.blame is not None else None
        return [published, *self._convict(raw_ns, drifting)]

    # ---- refusals ---------------------------------------------------------------------------------

    def _refuse(self, refused: Refused) -> list[Found]:
        """What a refused second does to the state."""
        raw_ns, kind = refused.raw_ns, REASONS[refused.reason].kind
        self._last_refused = refused
        jumped = self._raw_jumped(refused)
        if jumped:
            return jumped
        if not is_rejection(refused.reason):
            return []
        if self.mode is Mode.ACQUIRING:
            if self.judge is not None:
                self.judge.gate.reject(raw_ns)  # a restart makes no lie heal by waiting
            self._restart()
            return []
        if self.mode in (Mode.COLD, Mode.LOCKED) or self.judge is None:
            return []
        self.probes.stray(self.judge, refused)
        self.judge.gate.reject(raw_ns)
        predicted_s = self.judge.predicted_ns(raw_ns) // NS_PER_S
        due = self.episodes.reject(raw_ns, predicted_s, kind == "violation", refused.reason)
        found = self._accuse(raw_ns) if self.mode is Mode.HOLDOVER else []
        return found + self._latch(raw_ns, due)

    def _raw_jumped(self, refused: Refused) -> list[Found]:
        """Where receiver and RTC jumped alike it was the raw counter: trust begins anew."""
        judge, moved = self.judge, refused.moved_ns
        if judge is None or moved is None:
            return []
        phase = judge.phase_ns(judge.last_raw_ns, judge.last_si_ns) + moved
        if not self.witnesses.raw_jumped(refused.raw_ns, phase, moved):
            return []
        told = f"the raw counter jumped: receiver and rtc moved {show_ns(moved)} against it"
        evidence: dict[str, object] = {"moved_ns": -moved, "witnesses": ["receiver", "rtc"]}
        return [Accuse(refused.raw_ns, "raw", evidence), *self.disrupt(refused.raw_ns, told)]

    # ---- modes ------------------------------------------------------------------------------------

    def _move(self, raw_ns: int, trigger: Trigger, reason: str) -> list[Found]:
        before, self.mode = self.mode, after(self.mode, trigger)
        if before is self.mode:
            return []
        if self.mode is Mode.LOCKED:
            self.episodes.end()
            self.grid_ns = None
        return [ModeChange(raw_ns, before, self.mode, reason)]

    def _restart(self) -> None:
        self.acquisition.reset()
        if self.witnesses.cesium is not None:
            self.witnesses.cesium.reset()
        self.grid_ns = None

    def _begin_anew(self, raw_ns: int) -> None:
        """Nothing that was accepted counts any more, but that time was at least this late."""
        self.dates.raise_floor(self.dates.next_s())
        self._restart()
        self.judge = self.blame = self._last_refused = self._accepted_ns = None
        self._heard_ns = raw_ns
        self.episodes.end()

    def disrupt(self, raw_ns: int, reason: str, rate_too: bool = False) -> list[Found]:
        """The raw counter lost its continuity: all that was counted on it is void (lemma L6)."""
        self._begin_anew(raw_ns)
        self.witnesses.forget_raw(rate_too)
        return self._move(raw_ns, Trigger.DISRUPTED, reason)

    def rearm(self, raw_ns: int, reason: str) -> list[Found]:
        """An operator takes responsibility: a lock ends, and trust begins anew from the dwell."""
        if self.mode is not Mode.LOCKED:
            return []
        self._begin_anew(raw_ns)
        self.episodes.starts_s = []
        return self._move(raw_ns, Trigger.REARMED, f"rearmed: {reason}")

    def lock(self, raw_ns: int, reason: str) -> list[Found]:
        """A lock from before the restart, or a state that was tampered with."""
        return self._move(raw_ns, Trigger.TAMPERED, reason)
