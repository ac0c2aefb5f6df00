"""One host at the level of seconds and answers: no bytes, and no time between the seconds that matter.

Everything passes the core's own doors: ``Bridge.step`` for answers, ticks, commands and looks at the clock,
``Vetting.on_second`` for candidate seconds.
"""

import json
import random

from refclock.core.bridge import Bridge
from refclock.core.seconds.pairing import Edge, Refused, Second
from refclock.model import (
    Accuse,
    Command,
    Decision,
    Mode,
    ModeChange,
    PpsEdge,
    Publish,
    RtcTick,
    SystemClock,
    Tick,
)
from refclock.policy import CESIUM_PORT
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, PPT_ONE
from search.checks import Oracle
from search.clocks import Counter, Liar, Server, Told, reach_ppt
from search.setting import Setting, policy_of

BUILD_S = 1_767_225_600  # 2026-01-01T00:00:00Z
BEGIN_S = 1_803_859_200  # 2027-03-01T00:00:00Z
UNC_NS = 500
_UNSYNC = 0x40
_TRUSTED = (Mode.VETTED, Mode.DEGRADED, Mode.HOLDOVER)
_JUDGED = (*_TRUSTED, Mode.ACQUIRING)


class Host:
    """Clocks, servers and receiver around a bridge; the attacker's handles are the public attributes."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        chance = self.chance = random.Random(setting.seed)
        self.policy = policy_of(setting)
        limits = self.policy.limits
        enrolled = setting.enrolled_unc_ppt > 0
        reach = reach_ppt(limits.raw_stability_ppt, enrolled=enrolled)
        begin_s = BEGIN_S if not setting.leap_in_s else _LEAP_S - setting.leap_in_s
        self.counter = Counter(setting.oscillator, setting.rate_ppt, reach, chance, begin_s * NS_PER_S)
        self.leap_at_s = _LEAP_S if setting.leap_in_s else None
        self.servers = [
            Server(f"s{number}:123", setting.path, number < setting.liars, chance)
            for number in range(setting.servers)
        ]
        self.offset_ns = 0  # of the receiver from true UTC, as it is
        self.ramp_ppt = 0
        self.label_s = 0
        self.frozen = False
        self.follow_ppt = 0  # the share of the receiver's error that the liars repeat
        self.liar = Liar()
        self.ntp = "ok"  # ok, silent, cut (the honest ones), late (on one way)
        self.late_ns = 0
        self.rtc_ns = 0
        self._rtc_rate_ppt = chance.randint(-8_000_000, 8_000_000)
        self._rtc_since_ns = self.counter.true_ns
        self.honest_ns = (0, 0)
        self.cesium = setting.profile == "kdc-cesium"
        self._cesium_ns = chance.randrange(NS_PER_S)
        self.boots = 1
        self.clocksource = "tsc"
        self._saved_under = (1, "tsc")
        self.number = 0
        self._asked_ns = self._ticked_ns = -(1 << 62)
        self._ramped_ns = self.counter.true_ns
        self.bridge = Bridge(self.policy, BUILD_S)
        self.oracle = Oracle(self.policy, setting.honest, BUILD_S)
        self.memory: dict[str, object] = {"floor_utc_ns": (begin_s - 3600) * NS_PER_S}
        if enrolled:
            wrong = chance.randint(-setting.enrolled_unc_ppt, setting.enrolled_unc_ppt)
            self.memory |= {
                "raw_rate_ppt": setting.rate_ppt + wrong,
                "raw_rate_unc_ppt": setting.enrolled_unc_ppt,
                "rtc_rate_ppt": self._rtc_rate_ppt,
                "rtc_rate_unc_ppt": 1_000_000,
            }
        self.start(self.memory)

    # ---- the daemon ---------------------------------------------------------------------------------

    def start(self, memory: dict[str, object]) -> None:
        """The daemon starts with a memory, which has been through its file."""
        self.bridge = Bridge(self.policy, BUILD_S)
        raw = self.counter.raw_ns
        self.take(self.bridge.step(Command(raw, raw, 0, "restore", json.loads(json.dumps(memory)))))
        self.look()
        if self.leap_at_s is not None:
            # The leap-second file, as the daemon loads it: both halves of a pair are in whole seconds.
            table = {"expires_s": _LEAP_S + 10**7, "steps": [[0, 37], [_LEAP_S, 38]]}
            raw = self.counter.raw_ns
            self.take(self.bridge.step(Command(raw, raw, 0, "leap-table", table)))
        self._asked_ns = self._ticked_ns = -(1 << 62)

    def change_source(self) -> None:
        """The kernel takes another counter, which nobody has enrolled."""
        self.clocksource = "hpet" if self.clocksource == "tsc" else "tsc"
        self.counter.steady(reach_ppt(self.policy.limits.raw_stability_ppt, enrolled=False))

    def look(self) -> None:
        """The daemon looks at the kernel's clock."""
        raw = self.counter.raw_ns
        identity = (self.clocksource, f"boot {self.boots}")
        self.take(self.bridge.step(SystemClock(raw, raw, 0, 0, 10_000, _UNSYNC, 16_000_000, 37, *identity)))

    def take(self, found: "list[Decision] | list[Refused | Decision]") -> None:
        """Hand what was decided to the oracle."""
        for one in found:
            if isinstance(one, Publish):
                self.oracle.publish(one, self.counter.true_ns, self._si_ns(one), self.bridge.vetting)
            elif isinstance(one, ModeChange):
                self.oracle.mode(one)
                if one.after is Mode.LOCKED:
                    self.save()
            elif isinstance(one, Accuse):
                self.oracle.accused.append(one.source)
            elif isinstance(one, Refused):
                self.oracle.refused(one, self.bridge.vetting.mode)

    def _si_ns(self, published: Publish) -> int:
        past = self.leap_at_s is not None and published.utc_ns >= self.leap_at_s * NS_PER_S
        return published.utc_ns + past * NS_PER_S

    def save(self) -> None:
        """The state file is written."""
        self.memory = self.bridge.memory()
        self.oracle.saved()
        self._saved_under = (self.boots, self.clocksource)

    def crash(self) -> None:
        """The daemon dies; what it last saved is taken up where boot and clocksource are still the same."""
        self.oracle.crashed()
        if self._saved_under != (self.boots, self.clocksource):
            self.oracle.begin_anew(self.counter.raw_ns)

    # ---- time ---------------------------------------------------------------------------------------

    def past_leap(self, si_ns: int) -> int:
        """1 after the run's leap second, by SI time; else 0."""
        return int(self.leap_at_s is not None and si_ns >= (self.leap_at_s + 1) * NS_PER_S)

    def go(self, true_ns: int) -> None:
        """Time passes up to an instant, with a bit of noise in the counter's rate."""
        passed = true_ns - self.counter.true_ns
        if passed > 0:
            self.counter.drift(passed // NS_PER_S)
            self.counter.advance(true_ns)

    def witness(self) -> None:
        """Ask the servers and look at the RTC, where it is time to."""
        now = self.counter.true_ns
        if now - self._asked_ns >= self.setting.poll_s * NS_PER_S:
            self._asked_ns = now
            self._ask()
        if self.setting.rtc and now - self._ticked_ns >= 16 * NS_PER_S:
            self._ticked_ns = now
            self._tick()

    def _ask(self) -> None:
        limits, counter = self.policy.limits, self.counter
        lie: int | None = self.liar.off_ns
        if self.liar.how == "honest":
            lie = None
        elif self.liar.how == "follow":
            lie = self.offset_ns * self.follow_ppt // PPT_ONE
        elif self.liar.how == "edge":
            lie = self.honest_ns[1 if self.liar.off_ns >= 0 else 0] - self.liar.off_ns // 100
        if self.ntp == "silent":
            return
        low, high = -(1 << 62), 1 << 62
        replies = []
        si_ns = counter.true_ns
        near = self.leap_at_s is not None and 0 < self.leap_at_s * NS_PER_S - si_ns <= 86_400 * NS_PER_S
        told = Told(-self.past_leap(si_ns) * NS_PER_S, int(near))
        for server in self.servers:
            if self.ntp == "cut" and not server.lying and server is not self.servers[-1]:
                continue
            self.number += 1
            late = self.late_ns if self.ntp == "late" else 0
            reply, (lo, hi) = server.answer(counter, self.number, late, lie, told)
            replies.append(reply)
            if not server.lying and reply.t4_raw_ns - reply.t1_raw_ns <= limits.ntp_delay_ns:
                low, high = max(low, lo), min(high, hi)
        if low <= high:
            self.honest_ns = low, high
        replies.sort(key=lambda one: one.t4_raw_ns)
        for reply in replies:
            self.take(self.bridge.step(reply))
        if replies:
            counter.advance(counter.true_ns + replies[-1].t4_raw_ns - replies[0].t1_raw_ns + NS_PER_MS)

    def _tick(self) -> None:
        """The RTC shows true UTC at first, then drifts by its rate; ``rtc_ns`` is what was done to it."""
        counter = self.counter
        age = counter.true_ns - self._rtc_since_ns
        off = age * self._rtc_rate_ppt // PPT_ONE + self.rtc_ns + 137 * NS_PER_MS
        rtc_s = (counter.true_ns + off) // NS_PER_S + 1
        tick_ns = rtc_s * NS_PER_S - off
        counter.advance(tick_ns)
        raw = counter.raw_ns
        self.take(self.bridge.step(RtcTick(raw, raw, 500 * NS_PER_US, "rtc0", rtc_s)))

    # ---- the receiver ----------------------------------------------------------------------------------

    def aim(self, every_s: int) -> int:
        """The SI second that the receiver names next, ``every_s`` later."""
        return -(-(self.counter.true_ns + every_s * NS_PER_S + self.offset_ns) // NS_PER_S)

    def second(self, every_s: int) -> None:
        """The witnesses speak, and the receiver names a second, ``every_s`` later.

        While it is being acquired a second must follow another soon, so it does.
        """
        mode = self.bridge.vetting.mode
        if mode in (Mode.COLD, Mode.ACQUIRING):
            every_s = min(every_s, self.policy.limits.missing_after_ns // NS_PER_S - 1)
        if every_s > 2:
            self.go(self.counter.true_ns + (every_s - 2) * NS_PER_S)
            every_s = 1
        self.witness()
        self._drift_away()
        named = self.aim(every_s)
        at_ns = named * NS_PER_S - self.offset_ns
        self._cesium_pulse(at_ns)
        self.go(at_ns)
        counter = self.counter
        raw = counter.raw_ns
        self.take(self.bridge.step(Tick(raw, raw, 0)))
        past = self.past_leap(named * NS_PER_S)
        leap60 = self.leap_at_s is not None and named == self.leap_at_s
        utc_s = named - past - leap60 + self.label_s
        edge = Edge(raw, UNC_NS, counter.true_ns)
        second = Second(edge, utc_s, bool(leap60 and not self.label_s), 0, 80 * NS_PER_MS)
        vetting = self.bridge.vetting
        self.take(vetting.on_second(second, None, True))

    def _cesium_pulse(self, before_ns: int) -> None:
        """The last pulse of the standard before an instant."""
        pulse_ns = before_ns - (before_ns - self._cesium_ns) % NS_PER_S
        if self.cesium and pulse_ns >= self.counter.true_ns:
            self.go(pulse_ns)
            self.number += 1
            raw = self.counter.raw_ns
            self.take(self.bridge.step(PpsEdge(raw, raw, 0, CESIUM_PORT, "assert", self.number, raw)))

    def _drift_away(self) -> None:
        now = self.counter.true_ns
        self.offset_ns += (now - self._ramped_ns) * self.ramp_ppt // PPT_ONE
        self._ramped_ns = now

    def silence(self, seconds: int) -> None:
        """No second; the witnesses go on, so does the daemon's timer."""
        self.go(self.counter.true_ns + max(0, seconds - 2) * NS_PER_S)
        self.witness()
        self._drift_away()
        raw = self.counter.raw_ns
        self.take(self.bridge.step(Tick(raw, raw, 0)))

    def edge_of_gate_ns(self, sign: int) -> int | None:
        """The farthest offset (ns, towards ``sign``) that would be admitted a moment from now: what an
        attacker who knows everything would choose. None before anything was trusted."""
        vetting = self.bridge.vetting
        judge = vetting.judge
        if judge is None or vetting.mode not in _JUDGED:
            return None
        counter = self.counter
        raw, truth = counter.raw_ns, counter.true_ns
        reach = self.policy.limits.quorum_error_ns * 4 + NS_PER_S
        phase0 = judge.phase_ns(raw, truth)
        low, high = 0, reach  # admitted, refused
        if judge.gate.judge(raw, phase0) is not None:
            return None
        while high - low > 200:
            middle = (low + high) // 2
            if judge.gate.judge(raw, phase0 + sign * middle) is None:
                low = middle
            else:
                high = middle
        quorum = vetting.witnesses.quorum_at(raw)
        if quorum is not None:
            most = self.policy.limits.quorum_error_ns + UNC_NS
            room = quorum.lo_ns + most - truth if sign > 0 else truth - (quorum.hi_ns - most)
            low = max(0, min(low, room - 2_000))
        return sign * max(0, low - 2_000)


# 2027-07-01T00:00:00Z follows a leap second, in the runs that have one.
_LEAP_S = 1_814_400_000
