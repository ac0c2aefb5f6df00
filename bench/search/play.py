"""Playing a plan against the core, and what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

from refclock.model import Command, Mode
from refclock.units import NS_PER_S, S_PER_WEEK
from search.checks import Worst
from search.clocks import Liar
from search.host import Host
from search.plan import Move, Plan
from search.setting import COARSE_S

_SAMPLES = 14  # seconds that are simulated of one move, however long it lasts
_SPARE = 3  # seconds of a dwell beside those that must suffice
_BUDGET = 700  # seconds in one run
# What may end a lock, or might by mistake.
_AWAKENING = {"restart", "crash", "reboot", "clocksource", "rearm"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run. ``fitness`` are the measures that evolution raises."""

    plan: Plan
    worst: Worst
    tightest: Worst
    published: int
    violations: tuple[str, ...]
    fed: bool
    mode: Mode

    @property
    def fitness(self) -> tuple[int, int]:
        """The worst admitted error (ns); the share of the published bound that was used (10**-6)."""
        return self.worst.error_ns, self.tightest.error_ns * 1_000_000 // max(1, self.tightest.bound_ns)


class Player:
    """Carries out moves on a host."""

    def __init__(self, plan: Plan, budget: int = _BUDGET) -> None:
        self.plan = plan
        self.host = Host(plan.setting)
        self._left = budget
        # Written hourly, and whenever the mode changed: a crash loses what came since.
        self._saved_ns = self.host.counter.true_ns

    def run(self) -> Outcome:
        """Acquire, then move by move; stops at the first violation."""
        host = self.host
        self.dwell()
        for at, move in enumerate(self.plan.moves):
            if not host.oracle.published:
                break  # never acquired, for want of witnesses mostly
            if host.bridge.vetting.mode is Mode.LOCKED and not _AWAKENING & {
                one.name for one in self.plan.moves[at:]
            }:
                break  # nothing that follows could make it feed again
            self.move(move)
            if host.oracle.violations or self._left <= 0:
                break
        self.samples(3, 1)
        oracle = host.oracle
        return Outcome(
            self.plan, oracle.worst, oracle.tightest, oracle.published, tuple(oracle.violations[:3]),
            oracle.published > 0, host.bridge.vetting.mode,
        )  # fmt: skip

    def samples(self, count: int, every_s: int, before: Callable[[], None] | None = None) -> None:
        """So many seconds, so far apart."""
        host = self.host
        for _ in range(count):
            if self._left <= 0 or host.oracle.violations:
                return
            self._left -= 1
            if before is not None:
                before()
            mode = host.bridge.vetting.mode
            host.second(every_s)
            now = host.counter.true_ns
            if host.bridge.vetting.mode is not mode or now - self._saved_ns >= 3600 * NS_PER_S:
                host.save()
                self._saved_ns = now

    def spread(self, seconds: int, before: Callable[[], None] | None = None) -> None:
        """A few seconds, spread over a stretch of time."""
        # Little can be learnt from a host that feeds nothing.
        most = {Mode.LOCKED: 2, Mode.ACQUIRING: 4, Mode.COLD: 4}.get(self.host.bridge.vetting.mode, _SAMPLES)
        count = min(most, max(1, seconds))
        self.samples(count, max(1, seconds // count), before)

    def dwell(self) -> None:
        """Seconds until the receiver is trusted, as many as that should take."""
        limits = self.host.policy.limits
        warm = self.host.bridge.vetting.witnesses.rate.enrolled
        needed_ns = limits.dwell_warm_ns if warm else limits.dwell_cold_ns
        step_s = min(COARSE_S, limits.missing_after_ns // NS_PER_S - 1)
        again = 0
        for _ in range(needed_ns // NS_PER_S // step_s + _SPARE):
            vetting = self.host.bridge.vetting
            if vetting.mode not in (Mode.COLD, Mode.ACQUIRING) or self._left <= 0:
                return
            refused = self.host.oracle.rejections
            self.samples(1, step_s)
            # Every rejection begins the dwell anew: what is refused three times will be again.
            again += self.host.oracle.rejections > refused
            if again > 2:
                return

    def move(self, move: Move) -> None:
        """Carry out one move."""
        getattr(self, "_" + move.name.replace("-", "_"))(move)

    # ---- the receiver -----------------------------------------------------------------------------------

    def _wait(self, move: Move) -> None:
        self.spread(move.seconds)

    def _step(self, move: Move) -> None:
        self.host.offset_ns += move.a
        self.spread(move.seconds)

    def _ramp(self, move: Move) -> None:
        self.host.ramp_ppt = move.a
        self.spread(move.seconds)
        self.host.ramp_ppt = 0

    def _saw(self, move: Move) -> None:
        host, base = self.host, self.host.offset_ns
        began_ns = host.counter.true_ns

        def swing() -> None:
            within = (host.counter.true_ns - began_ns) // NS_PER_S % move.b * 4
            height = within if within <= move.b else 2 * move.b - within
            height = height if within <= 3 * move.b else within - 4 * move.b
            host.offset_ns = base + move.a * height // move.b

        self.spread(move.seconds, swing)
        host.offset_ns = base

    def _gap(self, move: Move) -> None:
        times = 1 if move.seconds < 600 else 3
        for _ in range(times):
            self.host.silence(move.seconds // times)
            self._left -= 1
        self.samples(2, 1)

    def _gap_jump(self, move: Move) -> None:
        self.host.silence(move.seconds)
        self.host.offset_ns += move.a
        self.samples(2, 1)

    def _freeze(self, move: Move) -> None:
        host = self.host
        named = host.aim(1)

        def hold() -> None:
            host.label_s = named - host.aim(1)

        self.spread(move.seconds, hold)
        host.label_s = 0

    def _label(self, move: Move) -> None:
        self.host.label_s += move.a
        self.spread(move.seconds)
        self.host.label_s -= move.a

    def _date(self, move: Move) -> None:
        self.host.label_s += move.a * S_PER_WEEK
        self.spread(move.seconds)
        self.host.label_s -= move.a * S_PER_WEEK

    def _probe(self, move: Move) -> None:
        """Be rejected for a while, then come back."""
        self.host.offset_ns += move.a
        self.spread(move.seconds)
        self.host.offset_ns -= move.a
        self.samples(2, 1)

    def _hug(self, move: Move) -> None:
        """Stay as far out as is admitted, or at such a share of it."""
        host, sign = self.host, -1 if move.a < 0 else 1

        def reach() -> None:
            edge = host.edge_of_gate_ns(sign)
            if edge is not None:
                host.offset_ns = edge * move.b // 10**12

        self.spread(move.seconds, reach)

    def _home(self, _move: Move) -> None:
        """Back to the truth, from wherever it went."""
        self.host.offset_ns = 0
        self.samples(4, 20)

    def _cesium(self, move: Move) -> None:
        """The standard's pulse fails, or comes again."""
        self.host.cesium = move.a > 0 and self.plan.setting.profile == "kdc-cesium"

    # ---- the witnesses ----------------------------------------------------------------------------------

    def _ntp_ok(self, _move: Move) -> None:
        self.host.ntp = "ok"

    def _ntp_silent(self, _move: Move) -> None:
        self.host.ntp = "silent"

    def _ntp_cut(self, _move: Move) -> None:
        self.host.ntp = "cut"

    def _ntp_late(self, move: Move) -> None:
        self.host.ntp, self.host.late_ns = "late", move.a

    def _lie(self, move: Move) -> None:
        self.host.liar = Liar("offset", move.a)

    def _lie_edge(self, move: Move) -> None:
        self.host.liar = Liar("edge", move.a)

    def _follow(self, move: Move) -> None:
        self.host.liar, self.host.follow_ppt = Liar("follow"), move.b

    def _rtc(self, move: Move) -> None:
        self.host.rtc_ns += move.a
        self.host.oracle.counterfeit = True

    # ---- the host ---------------------------------------------------------------------------------------

    def _restart(self, move: Move) -> None:
        """An orderly restart of the daemon."""
        self.host.save()
        self._begin(move.seconds)

    def _crash(self, move: Move) -> None:
        """The daemon dies and comes back with what it last saved."""
        self.host.crash()
        self._begin(move.seconds)

    def _begin(self, seconds: int) -> None:
        host = self.host
        host.go(host.counter.true_ns + seconds * NS_PER_S)
        host.start(host.memory)
        self.dwell()

    def _reboot(self, move: Move) -> None:
        host = self.host
        host.save()
        host.go(host.counter.true_ns + move.seconds * NS_PER_S)
        host.counter.reboot()
        host.boots += 1
        host.oracle.begin_anew(host.counter.raw_ns)
        host.start(host.memory)
        self.dwell()

    def _clocksource(self, _move: Move) -> None:
        host = self.host
        host.change_source()
        host.oracle.begin_anew(host.counter.raw_ns)
        host.look()
        self.dwell()

    def _rearm(self, move: Move) -> None:
        """A naive operator rearms after a while, whatever the evidence says."""
        host = self.host
        host.silence(move.seconds)
        if host.bridge.vetting.mode is Mode.LOCKED:
            raw = host.counter.raw_ns
            host.oracle.rearmed(raw)
            host.take(host.bridge.step(Command(raw, raw, 0, "rearm", {"reason": "it looked well"})))
            host.save()
            self.dwell()


def play(plan: Plan) -> Outcome:
    """Play a plan from its beginning."""
    return Player(plan).run()


def minimal(outcome: Outcome) -> Outcome:
    """The same violation with as few moves as dropping them one by one leaves."""
    lemma = outcome.violations[0].split(":")[0]
    best = outcome
    at = 0
    while at < len(best.plan.moves):
        fewer = Plan(best.plan.setting, best.plan.moves[:at] + best.plan.moves[at + 1 :])
        tried = play(fewer)
        if tried.violations and tried.violations[0].split(":")[0] == lemma:
            best = tried
        else:
            at += 1
    return best
