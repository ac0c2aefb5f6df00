"""One KDC host and all that tells it the time, as a stream of events in the order they were observed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from heapq import heappop, heappush

from refclock import __version__
from refclock.errors import ConfigError
from refclock.model import (
    STA_UNSYNC,
    Command,
    Event,
    NtpReply,
    PortChange,
    PpsEdge,
    RtcTick,
    SerialBytes,
    SerialSent,
    SystemClock,
)
from refclock.policy import CESIUM_PORT
from refclock.units import NS_PER_S, NS_PER_US, PPT_PER_PPB, S_PER_DAY
from refclock.world.arguments import WorldArguments, policy_text, port_table
from refclock.world.attacks import host_plan, parse_attack
from refclock.world.chance import Chance
from refclock.world.deeds import month_end
from refclock.world.labels import gps_leap_s
from refclock.world.oscillator import CLASSES, PROFILE_CLASS, RateNoise, grow_counter, knot_spacing_s
from refclock.world.receiver import Receiver
from refclock.world.rtc import BatteryClock, measured_ppt
from refclock.world.servers import POLL_S, Exchange, Servers
from refclock.world.sysclock import SystemTime

BUILD_S = 1_767_225_600  # 2026-01-01T00:00:00Z, the build date of a simulated refclock
_MAXERROR_US = 16_000_000  # what the kernel shows then
_TAI_LESS_GPS_S = 19
_FETCH_LEAST_NS, _FETCH_MOST_NS = 200 * NS_PER_US, 3_000 * NS_PER_US


@dataclass(frozen=True, slots=True)
class _Pulse:
    """The interrupt of a pulse at a true instant."""

    at_ns: int
    port: str = "pps0"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the daemon would ask of a receiver that speaks only then."""

    data: bytes


@dataclass(frozen=True, slots=True)
class _RtcSecond:
    rtc_s: int
    unc_ns: int


@dataclass(frozen=True, slots=True)
class _PortNews:
    port: str
    up: bool
    reason: str


@dataclass(frozen=True, slots=True)
class _Look:
    """The daemon looks at the kernel's clock; ``clocksource`` is set where that changes just then."""

    clocksource: str = ""


_Thing = bytes | _Asked | _Pulse | Exchange | _RtcSecond | _PortNews | _Look


class World:
    """A host's clocks, its receiver, servers and attackers. ``events`` can be walked through once."""

    def __init__(self, arguments: WorldArguments) -> None:
        """Raises ConfigError for arguments that make no world."""
        arguments.check()
        self.arguments = arguments
        seed, duration_ns = arguments.seed, arguments.duration_ns
        chance = Chance(seed, "host")
        self.start_ns = start_ns = arguments.start_s * NS_PER_S + chance.below(NS_PER_S)
        self.end_ns = start_ns + duration_ns
        self.leap_at_s = self._leap_second()
        self.attacks = [parse_attack(text, start_ns, duration_ns, seed) for text in arguments.attacks]
        for attack in self.attacks:
            if attack.start_ns >= self.end_ns:
                raise ConfigError(f"attack {attack.text!r}: begins after the end; name an earlier time.")
        self._plan = plan = host_plan(self.attacks)
        kind, spacing_s = CLASSES[PROFILE_CLASS[arguments.profile]], knot_spacing_s(duration_ns)
        noise = RateNoise(kind, Chance(seed, "raw rate"), spacing_s)
        self.raw_rate_ppt = noise.constant_ppt
        # Up for longer than the world lasts: after a reboot the counter stays below what it has shown.
        up_ns = duration_ns + S_PER_DAY * NS_PER_S + chance.below(9 * S_PER_DAY * NS_PER_S)
        self.counter = grow_counter(
            noise, start_ns=start_ns, end_ns=self.end_ns, spacing_s=spacing_s, raw_ns=up_ns,
            changes=plan.rates, outages=plan.outages,
        )  # fmt: skip
        self.system = SystemTime(
            self.counter, Chance(seed, "system clock"), start_ns=start_ns, rate_ppt=self.raw_rate_ppt,
            steps=plan.steps, slews=plan.slews, outages=plan.outages, leap_at_s=self.leap_at_s,
            careful=arguments.profile == "kdc-cesium",
        )  # fmt: skip
        self.receiver = Receiver(
            arguments.receiver, Chance(seed, "receiver"), self.attacks, baud=arguments.baud,
            start_s=arguments.start_s, cold_s=arguments.cold_s, leap_at_s=self.leap_at_s,
        )  # fmt: skip
        self.servers = Servers(arguments.servers, seed, start_ns, self.attacks, self.leap_at_s)
        self.rtc = BatteryClock(seed, start_ns, self.attacks, arguments.pulse_only)
        self._stamps, self._pulses = Chance(seed, "stamps"), Chance(seed, "pulses")
        self._seq = chance.between(1_000, 400_000)
        self._seqs: dict[str, int] = {}
        self._cesium_phase_ns = Chance(seed, "cesium").below(NS_PER_S // 3)
        self._boot_id = _uuid(chance)
        self._clocksource = "tsc"
        self._chance = chance
        self._pending: list[tuple[int, int, _Thing]] = []
        self._number = 0

    def _leap_second(self) -> int | None:
        if not self.arguments.leap_second:
            return None
        at_s = month_end(self.arguments.start_s)
        if at_s * NS_PER_S >= self.end_ns:
            raise ConfigError(
                "leap second: no month ends within this world; start it shortly before one, as in "
                "--start 2027-06-30T23:00:00Z, and let it last longer."
            )
        return at_s

    def enrolment(self) -> dict[str, object]:
        """What an earlier enrolment measured: UTC runs (1 + raw_rate) against the counter, the RTC
        (1 + rtc_rate) against UTC."""
        chance = Chance(self.arguments.seed, "enrolment")
        raw_unc_ppt = CLASSES[PROFILE_CLASS[self.arguments.profile]].enrolled
        rtc_unc_ppt = CLASSES["rtc-crystal"].enrolled
        return {
            "raw_rate_ppt": measured_ppt(self.raw_rate_ppt, raw_unc_ppt, chance),
            "raw_rate_unc_ppt": raw_unc_ppt,
            "rtc_rate_ppt": measured_ppt(self.rtc.rate_ppt, rtc_unc_ppt, chance),
            "rtc_rate_unc_ppt": rtc_unc_ppt,
            "floor_utc_ns": self.start_ns - 3600 * NS_PER_S,
        }

    def header(self) -> dict[str, object]:
        """The capture's first line: host, policy and ports, and the truth that no real host knows."""
        arguments, baud = self.arguments, self.receiver.baud
        return {
            "refclock_capture": 1,
            "version": __version__,
            "simulated": True,
            "host": {"name": "simulated", "build_utc_s": BUILD_S},
            "policy": policy_text(arguments, baud, self.receiver.first_chunk_ns),
            "ports": port_table(arguments, baud),
            "truth": {
                "utc_at_raw": self.counter.utc_at_raw(),
                "leap": [] if self.leap_at_s is None else [[self.leap_at_s, 1]],
            },
            "world": {
                **asdict(arguments),
                "attacks": list(arguments.attacks),
                "oscillators": {
                    "raw": {"class": PROFILE_CLASS[arguments.profile], "rate_ppt": self.raw_rate_ppt},
                    "rtc": {"class": "rtc-crystal", "rate_ppt": self.rtc.rate_ppt},
                    "real": {"against": "raw", "rate_ppt": self.system.rate_ppt},
                },
            },
            "licence": "Apache-2.0",
        }

    def events(self) -> Iterator[Event]:
        """All events in the order the host observed them; memory does not grow with the duration."""
        if self.arguments.enrolled:
            yield Command(*self._stamp(self.start_ns), "restore", self.enrolment())
        self._enter_plan()
        look_ns = self.start_ns
        for second in range(self.start_ns // NS_PER_S, self.end_ns // NS_PER_S + 3):
            horizon_ns = second * NS_PER_S
            while look_ns < horizon_ns + NS_PER_S:
                self._push(look_ns, _Look())
                look_ns += POLL_S * NS_PER_S
            self._gather(second)
            # A pulse may come half a second before its second, and one more a second before that.
            yield from self._release(min(horizon_ns - 2 * NS_PER_S, self.end_ns))

    def _push(self, at_ns: int, thing: _Thing) -> None:
        if at_ns >= self.start_ns:
            self._number += 1
            heappush(self._pending, (at_ns, self._number, thing))

    def _enter_plan(self) -> None:
        for at_ns, name in self._plan.clocksources:
            self._push(at_ns, _Look(name))
        for outage in self._plan.outages:
            if outage.raw_after_ns is not None:
                own = ("gps0", self.arguments.pulse_port)
                ports = [port for port in port_table(self.arguments, 0) if port in own]
                for port in ports:
                    self._push(outage.start_ns - 1, _PortNews(port, False, "host goes down"))
                self._push(outage.end_ns, _Look())
                for port in ports:
                    self._push(outage.end_ns, _PortNews(port, True, "host came up"))

    def _gather(self, second: int) -> None:
        """Push everything that begins in or around one true second."""
        emission, base_ns = self.receiver.second(second), second * NS_PER_S
        if self.arguments.pps:
            for edge_ns in emission.edges:
                self._pulse(base_ns + edge_ns, self.arguments.pulse_port)
        if self.arguments.cesium:
            # A primary standard neither drifts nor hears of attacks; nobody set its phase.
            self._pulse(base_ns + self._cesium_phase_ns, CESIUM_PORT)
        for at_ns, data in emission.chunks:
            self._push(base_ns + at_ns, data)
        for after_ns, asked in self.receiver.polls:
            self._push(base_ns + after_ns, _Asked(asked))
            for at_ns, data in self.receiver.hears(base_ns + after_ns, asked):
                self._push(at_ns, data)
        self.servers.until(base_ns + NS_PER_S, lambda exchange: self._push(exchange.seen_ns, exchange))
        while self.arguments.rtc and self.rtc.next_ns < base_ns:
            seen_ns, rtc_s, unc_ns = self.rtc.tick()
            self._push(seen_ns, _RtcSecond(rtc_s, unc_ns))

    def _pulse(self, edge_ns: int, port: str) -> None:
        """A pulse, stamped after the interrupt's latency: some hundred ns, now and then a few us."""
        chance = self._pulses
        late_ns = 900 + abs(chance.normal(300)) + (chance.below(3_000) if chance.below(400) == 0 else 0)
        pulse = _Pulse(edge_ns + late_ns, port)
        self._push(pulse.at_ns + chance.between(_FETCH_LEAST_NS, _FETCH_MOST_NS), pulse)

    def _release(self, before_ns: int) -> Iterator[Event]:
        pending = self._pending
        while pending and pending[0][0] < before_ns:
            at_ns, _, thing = heappop(pending)
            if not self._absent(at_ns):
                event = self._event(at_ns, thing)
                if event is not None:
                    yield event

    def _absent(self, at_ns: int) -> bool:
        return any(outage.start_ns <= at_ns < outage.end_ns for outage in self._plan.outages)

    def _stamp(self, at_ns: int) -> tuple[int, int, int]:
        """RAW, REALTIME and the half-width of their bracket at a true instant."""
        raw_ns = self.counter.raw_at(at_ns)
        unc_ns = self._stamps.between(50, 900)
        error_ns = self._stamps.between(-unc_ns, unc_ns) // 2
        return raw_ns, self.system.real_at(at_ns, raw_ns) + error_ns, unc_ns

    def _event(self, at_ns: int, thing: _Thing) -> Event | None:
        """What the daemon makes of a thing at a true instant; None where the host was away meanwhile."""
        raw_ns, real_ns, unc_ns = self._stamp(at_ns)
        if isinstance(thing, bytes):
            return SerialBytes(raw_ns, real_ns, unc_ns, "gps0", thing)
        if isinstance(thing, _Asked):
            return SerialSent(raw_ns, real_ns, unc_ns, "gps0", thing.data)
        if isinstance(thing, _Pulse):
            if self._absent(thing.at_ns):
                return None
            self._seqs[thing.port] = seq = self._seqs.get(thing.port, self._seq) + 1
            stamp_ns = self.system.real_at(thing.at_ns, self.counter.raw_at(thing.at_ns))
            return PpsEdge(raw_ns, real_ns, unc_ns, thing.port, "assert", seq, stamp_ns)
        if isinstance(thing, Exchange):
            if self._absent(thing.sent_ns) or self._absent(thing.back_ns):
                return None
            t1_ns, t4_ns = self.counter.raw_at(thing.sent_ns), self.counter.raw_at(thing.back_ns)
            return NtpReply(
                raw_ns, real_ns, unc_ns, "ntp0", thing.peer, thing.cookie, t1_ns, t4_ns, thing.data
            )
        if isinstance(thing, _RtcSecond):
            return RtcTick(raw_ns, real_ns, thing.unc_ns, "rtc0", thing.rtc_s)
        if isinstance(thing, _PortNews):
            return PortChange(raw_ns, real_ns, unc_ns, thing.port, thing.up, thing.reason)
        self._clocksource = thing.clocksource or self._clocksource
        return self._look(at_ns, (raw_ns, real_ns, unc_ns))

    def _look(self, at_ns: int, stamp: tuple[int, int, int]) -> SystemClock:
        if any(outage.end_ns == at_ns and outage.raw_after_ns is not None for outage in self._plan.outages):
            # The first look after a boot.
            self._boot_id, self._clocksource, self._seq = _uuid(self._chance), "tsc", 0
            self._seqs.clear()
        freq_ppb = self.system.rate_ppt // PPT_PER_PPB
        tai_s = _TAI_LESS_GPS_S + gps_leap_s(at_ns // NS_PER_S)
        return SystemClock(
            *stamp, freq_ppb, 10_000, STA_UNSYNC, _MAXERROR_US, tai_s, self._clocksource, self._boot_id
        )


def _uuid(chance: Chance) -> str:
    digits = chance.hexadecimal(128)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
