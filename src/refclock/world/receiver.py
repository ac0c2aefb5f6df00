"""A timing receiver: for each true second the pulses it gives and the bytes it sends, attacks applied.

Nothing here knows of events, captures or clocks: a live demonstration drives the same class in real time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, S_PER_WEEK
from refclock.world import encoders
from refclock.world.chance import Chance
from refclock.world.encoders import Civil, civil
from refclock.world.labels import Label, gps_leap_s, label_of

PERSONALITIES = {"nmea": 9600, "ubx": 38400, "mixed": 38400}  # and their usual baud rates
LEAP_S = 18  # GPS minus UTC since 2017-01-01
_FIRMWARE_BEHIND_S = 2  # what an old firmware has missed until the satellites tell it (12.5 min)
ALMANAC_S = 750
_HALF_S = NS_PER_S // 2
_QUANTUM_PS = 20_833  # one period of the 48 MHz clock that times the pulse
FIFO_BYTES = 12  # a 16550 wakes its reader at 8 or 14 bytes
_ANTENNA = {"ok": 2, "short": 3, "open": 4}


@dataclass(slots=True)
class Moment:
    """The receiver's state in one true second; attackers change it before it turns into pulses and bytes.

    ``second`` counts true SI seconds since the Unix epoch. ``shift_ns`` is how far the receiver's idea of
    time runs ahead of truth (pulse and label move together), ``label_s`` what is added to labels alone,
    ``edge_ns`` what delays the pulse alone, ``late_ns`` what delays the messages. ``extra_edges`` are
    further pulses (ns after the second), ``inject_s`` hostile messages, as seconds added to their label.
    ``reading`` is a date and time of day said in place of the label's; without ``says_60`` a leap second is
    called :59 once more; ``north_m`` is how far north of its true place the receiver claims to be. With
    ``gps_week`` a u-blox tells the time by NAV-TIMEGPS alone, so many weeks off.
    """

    second: int
    shift_ns: int = 0
    label_s: int = 0
    edge_ns: int = 0
    late_ns: int = 0
    fix: bool = True
    utc_known: bool = True
    leap_s: int = LEAP_S
    change: int = 0
    change_at_s: int | None = None
    pulse: bool = True
    silent: bool = False
    antenna: str = "ok"
    jamming: int = 1
    spoofing: int = 1
    extra_edges: list[int] = field(default_factory=list)
    inject_s: list[int] = field(default_factory=list)
    reading: Civil | None = None
    says_60: bool = True
    north_m: int = 0
    gps_week: int | None = None


@dataclass(frozen=True, slots=True)
class Emission:
    """What leaves the receiver around one true second: instants in ns relative to that second.

    ``chunks`` are as a UART delivers them: each instant is when the chunk's last byte has arrived.
    """

    edges: list[int]
    chunks: list[tuple[int, bytes]]


# What one second's messages are: those that name the pulse just passed, those that name the next one.
Burst = tuple[bytes, bytes]


class Attacker(Protocol):
    """What the receiver asks of an attack; both are called for every second, active or not."""

    def receiver(self, moment: Moment) -> None: ...

    def burst(self, moment: Moment, burst: Burst) -> Burst: ...


class Receiver:
    """One receiver of a given personality. Ask it for consecutive seconds."""

    def __init__(
        self,
        personality: str,
        chance: Chance,
        attacks: Sequence[Attacker] = (),
        *,
        baud: int | None = None,
        start_s: int = 0,
        cold_s: int = 0,
        leap_at_s: int | None = None,
    ) -> None:
        """``cold_s``: no fix for so long after ``start_s`` (true second), then the firmware's own leap count
        until the almanac has arrived; 0 is a receiver that has been on for days."""
        self.attacks: list[Attacker] = list(attacks)
        self.baud = PERSONALITIES[personality] if baud is None else baud
        self.latency_ns = chance.between(60 * NS_PER_MS, 150 * NS_PER_MS)
        self._says: Callable[[Label, Moment], list[bytes]] = {
            "nmea": self._nmea, "ubx": self._ubx, "mixed": self._mixed,
        }[personality]  # fmt: skip
        self._announces = personality != "nmea"
        self._chance = chance
        self._start_s, self._cold_s, self._leap_at_s = start_s, cold_s, leap_at_s
        # Of the days before a leap second of this world, which may be one that history had.
        self._leap_s = gps_leap_s((start_s if leap_at_s is None else leap_at_s) - 1)
        self._byte_ns = 10 * NS_PER_S // self.baud
        self._tick_ps = chance.between(1_000, 9_000)
        self._line_free_ns = 0
        self._last: tuple[int, int] | None = None

    @property
    def first_chunk_ns(self) -> int:
        """How long after the second the first chunk of a burst is there, on average."""
        return self.latency_ns + FIFO_BYTES * self._byte_ns

    def moment(self, second: int) -> Moment:
        """The receiver's state in a true second, attacks applied."""
        moment = Moment(second, leap_s=self._leap_s)
        if self._leap_at_s is not None:
            moment.leap_s += second >= self._leap_at_s
            if second < self._leap_at_s:
                moment.change, moment.change_at_s = 1, self._leap_at_s
        age = second - self._start_s
        if self._cold_s and age < self._cold_s + ALMANAC_S:
            moment.fix = moment.pulse = age >= self._cold_s
            moment.utc_known = False
            moment.label_s = _FIRMWARE_BEHIND_S
            moment.leap_s -= _FIRMWARE_BEHIND_S
            moment.change, moment.change_at_s = 0, None
        for attack in self.attacks:
            attack.receiver(moment)
        return moment

    def second(self, second: int) -> Emission:
        """The pulses and chunks of one true second."""
        moment = self.moment(second)
        edges: list[int] = []
        chunks: list[tuple[int, bytes]] = []
        if moment.silent:
            self._last = None
            for attack in self.attacks:
                attack.burst(moment, (b"", b""))
            return Emission(edges, chunks)
        for own_second, offset_ns in self._own_seconds(moment):
            if moment.pulse:
                edges.append(offset_ns + moment.edge_ns - self._q_err_ps(own_second) // 1000)
            label = self._label(own_second, moment)
            base_ns = second * NS_PER_S + offset_ns + moment.late_ns
            ahead = (
                self._announcement(own_second, moment) if self._announces and moment.gps_week is None else b""
            )
            burst = (b"".join(self._messages(label, moment)), ahead)
            for attack in self.attacks:
                burst = attack.burst(moment, burst)
            latency_ns = self.latency_ns + self._chance.normal(5 * NS_PER_MS)
            chunks += self._deliver(burst[0], base_ns + latency_ns, second, pieces=self._chance.between(3, 4))
            chunks += self._deliver(burst[1], base_ns + latency_ns + 480 * NS_PER_MS, second, pieces=1)
        edges += moment.extra_edges
        edges.sort()
        return Emission(edges, chunks)

    def _label(self, own_second: int, moment: Moment) -> Label:
        """What the receiver calls one of its own seconds."""
        label = label_of(own_second, self._leap_at_s, moment.label_s)
        if label.second60 and not moment.says_60:
            label = Label(label.posix_s, False, civil(label.posix_s))
        return label if moment.reading is None else replace(label, when=moment.reading)

    def _own_seconds(self, moment: Moment) -> list[tuple[int, int]]:
        """The receiver's own seconds that begin nearest to this true second, with their offsets in ns.

        One, as a rule; where its time glides past half a second, none or two.
        """
        whole, rest = divmod(moment.shift_ns + _HALF_S, NS_PER_S)
        own, offset_ns = moment.second + whole, _HALF_S - rest
        last, self._last = self._last, (own, moment.shift_ns)
        if last is not None and abs(moment.shift_ns - last[1]) < _HALF_S:
            if own == last[0]:
                return []
            if own == last[0] + 2:
                return [(own - 1, offset_ns - NS_PER_S + moment.shift_ns - last[1]), (own, offset_ns)]
        return [(own, offset_ns)]

    def _q_err_ps(self, own_second: int) -> int:
        """The sawtooth: how early the pulse comes because its clock has 48 MHz, in ps.

        The sign as A. Wallin measured it on a u-blox F9T in 2019: pulse plus qErr is the true second.
        """
        return own_second * self._tick_ps % _QUANTUM_PS - _QUANTUM_PS // 2

    def _messages(self, label: Label, moment: Moment) -> list[bytes]:
        messages = self._says(label, moment)
        for ahead_s in moment.inject_s:
            posix_s = label.posix_s + ahead_s
            # Between the good ones, as somebody with a second transmitter on the line would.
            messages[1:1] = self._says(Label(posix_s, False, civil(posix_s)), moment)[:2]
        return messages

    def _nmea(self, label: Label, moment: Moment) -> list[bytes]:
        when = label.when
        bias_ns = self._chance.between(-500_000, 500_000)
        said = [
            encoders.rmc(when, moment.fix, moment.north_m),
            encoders.gga(when, moment.fix, self._satellites(moment), moment.north_m),
            encoders.zda(when),
            encoders.pubx_time(when, label.posix_s, moment.leap_s, not moment.utc_known, bias_ns),
        ]
        if moment.change_at_s is not None:
            event = civil(moment.change_at_s)
            status = 2 if moment.utc_known else 1
            future_s = moment.leap_s + moment.change
            said.append(encoders.furuno_time(when, status, event, moment.leap_s, future_s))
        return said

    def _ubx(self, label: Label, moment: Moment) -> list[bytes]:
        if moment.gps_week is not None:
            return self._ubx_gps(label, moment, moment.gps_week)
        when, posix_s, leap_s, fix = label.when, label.posix_s, moment.leap_s, moment.fix
        t_acc_ns = self._chance.between(12, 30) if fix else 0xFFFFFFFF
        nano = self._chance.normal(300)
        seen = self._satellites(moment)
        known = (7 if moment.utc_known else 3) if fix else 0
        said = [
            encoders.nav_pvt(
                when,
                posix_s,
                leap_s,
                fix=fix,
                valid=7 if fix else 0,
                t_acc_ns=t_acc_ns,
                nano=nano,
                satellites=seen,
                north_m=moment.north_m,
            ),
            encoders.nav_timeutc(when, posix_s, leap_s, valid=known, t_acc_ns=t_acc_ns, nano=nano),
            encoders.nav_status(posix_s, leap_s, fix, moment.spoofing, moment.second - self._start_s + 900),
        ]
        if moment.second % 4 == 0:
            change, event_s = moment.change, moment.change_at_s
            said.append(encoders.nav_timels(posix_s, leap_s, moment.utc_known, change, event_s))
        if moment.second % 10 == 0:
            noise = self._chance.between(80, 110)
            said.append(encoders.mon_hw(_ANTENNA[moment.antenna], moment.jamming, noise))
        return said

    def _ubx_gps(self, label: Label, moment: Moment, weeks: int) -> list[bytes]:
        posix_s, leap_s = label.posix_s + weeks * S_PER_WEEK, moment.leap_s
        valid = (7 if moment.utc_known else 3) if moment.fix else 0
        return [
            encoders.nav_timegps(posix_s, leap_s, valid=valid, f_tow_ns=self._chance.normal(300)),
            encoders.nav_status(posix_s, leap_s, moment.fix, moment.spoofing, moment.second - self._start_s),
        ]

    def _mixed(self, label: Label, moment: Moment) -> list[bytes]:
        return self._nmea(label, moment) + self._ubx(label, moment)

    def _announcement(self, own_second: int, moment: Moment) -> bytes:
        """TIM-TP for the next pulse; a leap second has no time of week of its own, so nothing names it."""
        coming = label_of(own_second + 1, self._leap_at_s, moment.label_s)
        if coming.second60:
            return b""
        return encoders.tim_tp(coming.posix_s, self._q_err_ps(own_second + 1), moment.utc_known, moment.fix)

    def _satellites(self, moment: Moment) -> int:
        return self._chance.between(9, 12) if moment.fix else 0

    def _deliver(self, data: bytes, at_ns: int, second: int, pieces: int) -> list[tuple[int, bytes]]:
        """The chunks of one burst that the receiver begins to send at ``at_ns``, over a line that one byte
        at a time can pass."""
        if not data:
            return []
        begin_ns = max(at_ns, self._line_free_ns)
        chance, size = self._chance, len(data)
        cuts = [size] if pieces == 1 else self._cuts(size, pieces - 1)
        chunks, done, here_ns = [], 0, second * NS_PER_S
        free_ns = begin_ns
        for cut in cuts:
            # The reader wakes a little after the last byte: interrupt, buffer, scheduler.
            free_ns = max(free_ns, begin_ns + cut * self._byte_ns + chance.between(50, 900) * NS_PER_US)
            chunks.append((free_ns - here_ns, data[done:cut]))
            done = cut
        self._line_free_ns = free_ns
        return chunks

    def _cuts(self, size: int, pieces: int) -> list[int]:
        """Where the reader's wake-ups cut a burst: early, when the UART's FIFO first fills to its mark, and
        then in ``pieces`` of about equal length."""
        first = min(size, self._chance.between(FIFO_BYTES - 4, FIFO_BYTES + 4))
        each = (size - first) // pieces
        cuts = {first + each * number + self._chance.below(each // 8 + 1) for number in range(1, pieces)}
        return sorted({first, size, *(min(cut, size) for cut in cuts)})
