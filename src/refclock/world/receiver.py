"""A timing receiver: for each true second the pulses it gives and the bytes it sends, attacks applied.

Nothing here knows of events, captures or clocks: a live demonstration drives the same class in real time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US
from refclock.world.chance import Chance
from refclock.world.encoders import civil
from refclock.world.labels import Label, gps_leap_s, label_of
from refclock.world.moment import Attacker, Moment
from refclock.world.voices.table import VOICES
from refclock.world.voices.voice import Now

_FIRMWARE_BEHIND_S = 2  # what an old firmware has missed until the satellites tell it (12.5 min)
ALMANAC_S = 750
_HALF_S = NS_PER_S // 2
_QUANTUM_PS = 20_833  # one period of the 48 MHz clock that times the pulse
FIFO_BYTES = 12  # a 16550 wakes its reader at 8 or 14 bytes
_REMEMBERED = 3  # seconds; a live stage asks for the next one a little before this one is over


@dataclass(frozen=True, slots=True)
class Emission:
    """What leaves the receiver around one true second: instants in ns relative to that second.

    ``chunks`` are as a UART delivers them: each instant is when the chunk's last byte has arrived.
    """

    edges: list[int]
    chunks: list[tuple[int, bytes]]


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
        row = VOICES[personality]
        self.baud = row.baud if baud is None else baud
        self.latency_ns = chance.between(60 * NS_PER_MS, 150 * NS_PER_MS)
        self._voice = row.make(chance, start_s)
        self._chance = chance
        self._start_s, self._cold_s, self._leap_at_s = start_s, cold_s, leap_at_s
        # Of the days before a leap second of this world, which may be one that history had.
        self._leap_s = gps_leap_s((start_s if leap_at_s is None else leap_at_s) - 1)
        # A start bit and a stop bit; the parity bit besides.
        self._byte_ns = (10 + (row.framing[:2] in ("8O", "8E"))) * NS_PER_S // self.baud
        self._jitter_ns = 5 * NS_PER_MS
        if self._voice.on_time is not None:
            self.latency_ns, self._jitter_ns = -self._voice.on_time * self._byte_ns, 50 * NS_PER_US
        self._tick_ps = chance.between(1_000, 9_000)
        self._line_free_ns = 0
        self._last: tuple[int, int] | None = None
        self._recent: dict[int, tuple[int, int, Moment]] = {}

    @property
    def first_chunk_ns(self) -> int:
        """How long after the second the first chunk of a burst is there (or the one with the byte on time,
        which is among the last), on average."""
        if self._voice.on_time:
            return 2 * self._byte_ns
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
            self._recent.clear()
            for attack in self.attacks:
                attack.burst(moment, (b"", b""))
            return Emission(edges, chunks)
        for own_second, offset_ns in self._own_seconds(moment):
            self._remember(second, own_second, offset_ns, moment)
            if moment.pulse:
                edges.append(offset_ns + moment.edge_ns - self._q_err_ps(own_second) // 1000)
            label = self._label(own_second, moment)
            base_ns = second * NS_PER_S + offset_ns + moment.late_ns
            burst = (b"".join(self._messages(label, moment)), self._announcement(own_second, moment))
            for attack in self.attacks:
                burst = attack.burst(moment, burst)
            latency_ns = self.latency_ns + self._chance.normal(self._jitter_ns)
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
        messages = self._voice.says(label, moment)
        for ahead_s in moment.inject_s:
            posix_s = label.posix_s + ahead_s
            # Between the good ones, as somebody with a second transmitter on the line would.
            messages[1:1] = self._voice.says(Label(posix_s, False, civil(posix_s)), moment)[:2]
        return messages

    def _announcement(self, own_second: int, moment: Moment) -> bytes:
        """What is said of the next pulse."""
        coming = label_of(own_second + 1, self._leap_at_s, moment.label_s)
        return self._voice.announces(coming, self._q_err_ps(own_second + 1), moment)

    @property
    def polls(self) -> tuple[tuple[int, bytes], ...]:
        """What a host must ask in each second: ns after the true second, and the bytes."""
        return self._voice.polls

    @property
    def listens(self) -> bool:
        """It hears what is written to it."""
        return bool(self._voice.polls) or self._voice.listens

    def hears(self, at_ns: int, data: bytes) -> list[tuple[int, bytes]]:
        """The host wrote ``data``, whose last byte arrived at true ns ``at_ns``. The chunks of the answers,
        with the true instants (ns) of their last bytes; none while the receiver is silent."""
        begun = [one for one in self._recent.values() if one[0] <= at_ns]
        if not begun:
            return []
        pulse_ns, own_second, moment = max(begun, key=lambda one: one[0])
        coming = label_of(own_second + 1, self._leap_at_s, moment.label_s)
        now = Now(self._label(own_second, moment), coming, at_ns - pulse_ns, moment)
        chunks = []
        for delay_ns, answer in self._voice.hears(data, now):
            chunks += self._deliver(answer, at_ns + delay_ns, 0, pieces=1)
        return chunks

    def _remember(self, second: int, own_second: int, offset_ns: int, moment: Moment) -> None:
        """What `hears` answers from: the last seconds that were asked for."""
        if self.listens:
            self._recent[own_second] = (second * NS_PER_S + offset_ns, own_second, moment)
            while len(self._recent) > _REMEMBERED:
                del self._recent[next(iter(self._recent))]

    def _deliver(self, data: bytes, at_ns: int, second: int, pieces: int) -> list[tuple[int, bytes]]:
        """The chunks of one burst that the receiver begins to send at ``at_ns`` (true ns), over a line that
        one byte at a time can pass; their instants count from true ``second``."""
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
