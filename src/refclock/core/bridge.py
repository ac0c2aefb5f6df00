"""The only public door of the core: events in, decisions out, and when to be woken.

Nothing here reads a clock: time is what the events say. The same events give the same decisions.
"""

from collections.abc import Callable, Mapping, Sequence

from refclock.core.asking.configurer import Configurer
from refclock.core.asking.poller import Poller
from refclock.core.effect.watch import SystemWatch
from refclock.core.seconds.health import ReceiverHealth
from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.line import Line
from refclock.core.seconds.pairing import Edge, Pairing, Refused, Second
from refclock.core.seconds.standard import Standard
from refclock.core.seconds.timeline import Timeline
from refclock.core.telling.diary import Diary
from refclock.core.telling.rows import witness_rows
from refclock.core.telling.view import view
from refclock.core.trust import memory
from refclock.core.trust.established import system_off_ns
from refclock.core.trust.numbering import counted, namers
from refclock.core.trust.vetting import Vetting
from refclock.model import (
    Command,
    Decision,
    Event,
    KdcReply,
    Mode,
    NtpReply,
    PhcReading,
    PortChange,
    PpsEdge,
    RtcTick,
    SerialBytes,
    SerialSent,
    SourceReport,
    SystemClock,
    Withhold,
)
from refclock.policy import CESIUM_PORT, CHRONYD_PORT, COMPANION_PORT, RECEIVER_PORT, Policy
from refclock.units import NS_PER_S, S_PER_DAY
from refclock.wire.families import PPS_ONLY, dialogue_of
from refclock.wire.report import Foreign, Label, LeapInfo

# An edge fetched later than this cannot be placed well on the raw counter.
_MAX_EDGE_AGE_NS = 2 * NS_PER_S
_LONGEST_REASON = 200


class Bridge:
    """One receiver's vetting.

    ``build_utc_s`` is the program's build date (POSIX s): no date before it is believed. ``has_pps`` says
    whether a PPS port is configured; without one a message's own arrival stands for the pulse.
    """

    def __init__(self, policy: Policy, build_utc_s: int, has_pps: bool | None = None) -> None:
        self.policy = policy
        self.vetting = Vetting(policy, build_utc_s)
        self.effect = SystemWatch(policy.limits)
        self._has_pps = policy.pps is not None if has_pps is None else has_pps
        self._edge_kind = policy.pulse.edge if policy.pulse else "assert"
        self._pulse_port = CESIUM_PORT if policy.cesium_is_primary and policy.cesium else None
        self._cesium_edge_kind = policy.cesium.edge if policy.cesium else "assert"
        self._listen_anew()
        # Ticks and notes do no more than let time pass.
        self._handlers: dict[type, Callable[..., Sequence[Refused | Decision]]] = {
            SerialBytes: self._on_bytes,
            PpsEdge: self._on_pps,
            NtpReply: self.vetting.witnesses.on_ntp,
            RtcTick: self.vetting.witnesses.on_rtc,
            PhcReading: self.vetting.witnesses.on_phc,
            SourceReport: self.vetting.witnesses.on_source,
            KdcReply: self.vetting.witnesses.on_kdc,
            SystemClock: self._on_system,
            Command: self._on_command,
            SerialSent: self._on_sent,
            PortChange: self._on_port,
        }
        self._ports: dict[str, str] = {}
        self._latest_ns = -(1 << 63)
        self._identity: memory.Identity | None = None
        self._memory: Mapping[str, object] | None = None
        self.diary = Diary()

    def _listen_anew(self) -> None:
        """Forget what the receiver said and when: at the start, and when the raw counter begins anew."""
        limits = self.policy.limits
        self.health = ReceiverHealth(limits.position_m, limits.receiver_holdover_ns)
        self._timeline = Timeline()
        self.pairing = Pairing(self.policy, self._has_pps, self.health)
        settings, companion = self.policy.receiver, self.policy.companion
        self.standard: Standard | None = None
        if settings.pulse_only:
            self.standard = Standard(self.policy, self.health, self.vetting.witnesses.leap)
        self._line = None if settings.protocol in PPS_ONLY else Line(settings.protocol)
        dialogue = dialogue_of(settings.protocol)
        self.poller = None if dialogue is None else Poller(dialogue, RECEIVER_PORT)
        self.configurer = Configurer(RECEIVER_PORT) if settings.configure else None
        self._companion_line = None if companion is None else Line(companion.protocol)
        self._stepped_ns: int | None = None
        self.effect.begin_anew()

    def step(self, event: Event) -> list[Decision]:
        """Take one event; returns what is decided because of it, in order."""
        found: list[Refused | Decision] = []
        if event.raw_ns < self._latest_ns - NS_PER_S:
            found += self.vetting.disrupt(event.raw_ns, "the raw counter went backwards")
            self._listen_anew()
            self._latest_ns = event.raw_ns
        self._latest_ns = max(self._latest_ns, event.raw_ns)
        if not isinstance(event, RtcTick):  # its stamp is that of a tick seen earlier
            stepped = self._timeline.observe(event) or self.effect.set_ns(event)
            if stepped:
                self._stepped_ns = self.vetting.witnesses.further.chrony.stepped_ns = event.raw_ns
                (self.standard or self.pairing).forget_edges()
                found.append(Refused(event.raw_ns, "clock-step", stepped, 0))
            rate = self.vetting.witnesses.rate
            found += self.effect.observe(event, stepped, rate, lambda: system_off_ns(self.vetting, event))
        found += self.vetting.on_time(event.raw_ns)
        if self.poller is not None:
            found += self.poller.on_time(event.raw_ns)
        if self.configurer is not None:
            found += self.configurer.on_time(event.raw_ns)
        handler = self._handlers.get(type(event))
        if handler is not None:
            found += handler(event)
        return [self._note(one) for one in found] if found else []

    def wake_at(self) -> int | None:
        """When (raw ns) a Tick should come at the latest, or None."""
        due = [self.vetting.deadline_ns(), self.effect.wake_at()]
        due += [one.wake_at() for one in (self.poller, self.configurer) if one is not None]
        return min((one for one in due if one is not None), default=None)

    def view(self, raw_ns: int) -> dict[str, object]:
        """The state for people and monitors, as JSON-able values (docs/status.md)."""
        told = view(self.vetting, self.diary, raw_ns, self.system_ns(raw_ns))
        pulses = self.standard or self.pairing
        edges = {"extra_edges": pulses.extra_edges, "missed_edges": pulses.missed_edges}
        counters = {**self.diary.counters, **edges}
        return told | {"system": self.effect.fields(raw_ns), "counters": counters}

    def memory(self) -> dict[str, object]:
        """What must survive a restart."""
        kept = memory.remember(self.vetting, self._identity, self.diary.mode_reason)
        # A restart before the boot was identified forgives nothing either.
        return kept | memory.raw_based(self._memory) if self._memory is not None else kept

    def system_ns(self, raw_ns: int) -> int | None:
        """What the system clock shows at a reading of the raw counter, by the last event; None before it."""
        return self._timeline.system_ns(raw_ns)

    def _mine(self, kind: str, port: str) -> bool:
        """Whether a port is the receiver's. A bridge vets one: the first port of a kind that speaks."""
        return self._ports.setdefault(kind, port) == port

    def _on_bytes(self, event: SerialBytes) -> list[Refused | Decision]:
        witnesses = self.vetting.witnesses
        if event.port == COMPANION_PORT and self._companion_line is not None:
            for report, arrival in self._companion_line.feed(event):
                witnesses.companion.hear(report, arrival.raw_ns, arrival.unc_ns, witnesses.leap)
            return []
        if self._line is None or not self._mine("serial", event.port):
            return []
        found: list[Refused | Decision] = []
        if self.configurer is not None:
            found += self.configurer.on_bytes(event.data, event.raw_ns)
        for report, arrival in self._line.feed(event):
            self.health.hear(report, arrival.raw_ns)
            for further in () if self.poller is None else self.poller.on_report(report):
                self.health.hear(further, arrival.raw_ns)
            if isinstance(report, Label) and self.standard is None:
                found += self._vet(self._paired(report, arrival, witnesses.rate))
            elif isinstance(report, Foreign):
                found += self._vet(self.pairing.on_foreign(arrival.raw_ns))
            elif isinstance(report, LeapInfo):
                witnesses.leap.announce(report.change, report.at_s)
        return found

    def _on_sent(self, event: SerialSent) -> tuple[()]:
        if self.poller is not None and event.port == RECEIVER_PORT:
            self.poller.on_sent(event.data, event.raw_ns)
        return ()

    def _on_port(self, event: PortChange) -> tuple[()]:
        if event.port == CHRONYD_PORT:
            self.effect.on_chronyd(event.up)
        for one in (self.poller, self.configurer):
            if one is not None and event.port == RECEIVER_PORT:
                one.begin_anew(event.raw_ns, event.up)
        return ()

    def _paired(self, label: Label, arrival: SerialBytes, rate: RawRate) -> list[Second | Refused]:
        dated = self.vetting.dates.dated(label)
        if dated is None:
            return [Refused(arrival.raw_ns, "year-unknown", label.utc_s // S_PER_DAY + 1, 365)]
        return self.pairing.on_label(dated, arrival.raw_ns, arrival.real_ns, arrival.unc_ns, rate)

    def _on_pps(self, event: PpsEdge) -> list[Refused | Decision]:
        cesium = self.vetting.witnesses.cesium if event.port == CESIUM_PORT else None
        if event.edge != (self._edge_kind if cesium is None else self._cesium_edge_kind):
            return []
        limit = self.policy.limits.stamp_unc_ns
        if event.unc_ns > limit:
            return [Refused(event.raw_ns, "stamp-uncertain", event.unc_ns, limit)]
        age = event.real_ns - event.at_ns
        if not 0 <= age <= _MAX_EDGE_AGE_NS:
            return [Refused(event.raw_ns, "edge-stale", age, _MAX_EDGE_AGE_NS)]
        placed = self._timeline.place(event, event.at_ns)
        if self._stepped_ns is not None and placed.raw_ns < self._stepped_ns:
            return []  # stamped before the step that was reported: its place cannot be told
        if cesium is not None:
            cesium.on_edge(placed)
            return []
        if event.port != (self._pulse_port or event.port) or not self._mine("pps", event.port):
            return []
        if self.poller is not None:
            self.poller.on_pulse(placed.raw_ns)
        edge = Edge(placed.raw_ns, placed.unc_ns, event.at_ns)
        if self.standard is not None:
            told, rate = namers(self.vetting, edge.raw_ns), self.vetting.witnesses.rate
            return self._vet(self.standard.on_edge(edge, event.seq, rate, counted(self.vetting), told))
        if not self._has_pps:
            # A capture whose header is silent about its ports: there is a pulse after all.
            self._has_pps = True
            self.pairing = Pairing(self.policy, True, self.health)
        return self._vet(self.pairing.on_edge(edge, event.seq, self.vetting.witnesses.rate))

    def _vet(self, heard: list[Second | Refused]) -> list[Refused | Decision]:
        found: list[Refused | Decision] = []
        if self.vetting.mode in (Mode.COLD, Mode.ACQUIRING):
            self.health.place.settle()
        for one in heard:
            if isinstance(one, Second):
                raw_ns = one.edge.raw_ns
                found += self.vetting.on_second(
                    one, self.health.fault(raw_ns), self.health.utc_confirmed(raw_ns) is True
                )
            else:
                found += self.vetting.on_refused(one)
        (self.standard or self.pairing).expect(self.vetting.grid_ns)
        return found

    def _on_system(self, event: SystemClock) -> list[Refused | Decision]:
        identity = memory.Identity(event.boot_id, event.clocksource, event.suspended_ms)
        found: list[Refused | Decision] = [*self.vetting.witnesses.on_system(event)]
        changed = self._identity.changed(identity) if self._identity is not None else ""
        if changed:
            # A rate that was measured on one counter says nothing of another's.
            found += self.vetting.disrupt(event.raw_ns, changed, rate_too=changed == memory.ANOTHER_COUNTER)
        self._identity = identity
        if self._memory is not None:
            memory.take_up(self.vetting, self._memory, identity)
            self._memory = None
            self.vetting.unidentified = False
        return found

    def _on_command(self, event: Command) -> list[Refused | Decision]:
        if event.verb == "restore":
            self._memory = event.args
            return list(memory.restore(self.vetting, event.raw_ns, event.args))
        if event.verb == "rearm":
            return list(
                self.vetting.rearm(event.raw_ns, _plain(event.args.get("reason")) or "no reason given")
            )
        if event.verb == "enroll":
            return list(memory.enroll(self.vetting, event.raw_ns, event.args))
        if event.verb == "leap-table":
            self._load_leap_table(event.args)
        return []

    def _load_leap_table(self, args: Mapping[str, object]) -> None:
        expires, steps = args.get("expires_s"), args.get("steps")
        if isinstance(expires, int) and isinstance(steps, list):
            pairs = [
                (one[0], one[1])
                for one in steps
                if isinstance(one, list) and [type(x) for x in one] == [int, int]
            ]
            self.vetting.witnesses.leap.load_table(expires, pairs)

    def _note(self, one: Refused | Decision) -> Decision:
        """Enter a decision in the diary; a refusal becomes one here."""
        if isinstance(one, Refused):
            utc_ns = None if one.utc_s is None else one.utc_s * NS_PER_S
            one = Withhold(one.raw_ns, one.reason, one.value, one.limit, utc_ns, one.mask)
        at_ns = one.raw_ns
        self.diary.note(one, self.system_ns(at_ns) or 0, lambda: witness_rows(self.vetting, at_ns))
        return one


def _plain(text: object) -> str:
    """An operator's words as one printable line: a capture may hold anything."""
    return "".join(one if one.isprintable() else " " for one in str(text or "")[:_LONGEST_REASON]).strip()
