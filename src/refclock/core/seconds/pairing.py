"""Edge and label to second: which pulse does a message name? (docs/vetting.md, "Labels and dates")

A label of the previous pulse waits for nothing: its edge must lie in the second before its arrival, alone
in the window around the predicted edge. A label of the next pulse (TIM-TP) is kept for the edge that
follows. Missed and extra edges are counted, not guessed.
"""

from collections import deque
from dataclasses import dataclass

from refclock.core.seconds.health import ReceiverHealth
from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.naming import fraction_ns, named_second, names_no_pulse
from refclock.policy import Limits, Policy
from refclock.units import NS_PER_S, nearest_second, scale_up
from refclock.wire.report import Label

_MAX_WINDOW_NS = 400_000_000
# Without PPS, two labels closer than this belong to one burst.
_BURST_NS = NS_PER_S // 2
# A pulse this long after another one ends the time in which that could be named.
_A_SECOND_LATER_NS = 900_000_000
# A label whose byte on time ends its message may arrive this long before its pulse was fetched, or was due.
_ON_TIME_NS = 20_000_000
# After this long without a label of the previous pulse, labels of the next one speak alone.
_PREVIOUS_FOR_NS = 3 * NS_PER_S


@dataclass(slots=True)
class Edge:
    """A pulse: where it lay on the raw counter, and the kernel's CLOCK_REALTIME stamp of it."""

    raw_ns: int
    unc_ns: int
    at_ns: int
    next_label: Label | None = None
    named: int | None = None
    decided: bool = False
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Second:
    """A candidate: an edge with its label.

    ``utc_s`` is the label in POSIX seconds; ``late_ns`` is by how much the stamp is later than the second
    itself (cable and antenna delay less the quantisation error); ``phase_ns`` from edge to message.
    """

    edge: Edge
    utc_s: int
    second60: bool
    late_ns: int
    phase_ns: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that did not become a second, or a second that was refused.

    ``moved_ns`` is how far the receiver's time lies from the prediction, where that was the complaint.
    """

    raw_ns: int
    reason: str
    value: int
    limit: int
    utc_s: int | None = None
    mask: int | None = None
    moved_ns: int | None = None


def edge_window_ns(limits: Limits, rate: RawRate, passed_ns: int, least_ns: int) -> int:
    """The half-width of the window around a predicted edge, so long after the edge it is predicted from."""
    widened = least_ns + scale_up(abs(passed_ns), max(limits.mask1_rate_ppt, rate.unc_ppt))
    return min(widened, _MAX_WINDOW_NS)


class Pairing:
    """Pairs one receiver's labels with one PPS, or with the messages' own arrival where there is none."""

    def __init__(self, policy: Policy, has_pps: bool, health: ReceiverHealth) -> None:
        self._limits = policy.limits
        self._receiver = policy.receiver
        self._delay_ns = policy.pps.delay_ns if policy.pps else 0
        self._has_pps = has_pps
        self._health = health
        # How long after its pulse a label may come. Without PPS the pulse is the burst's own first message.
        self._reach_ns = NS_PER_S if has_pps else _BURST_NS
        self._edges: deque[Edge] = deque(maxlen=16)
        self._next: tuple[Label, int] | None = None
        self._grid_ns: int | None = None
        self._last_previous_ns: int | None = None
        self._arrival_message = ""
        self._last_sequence: int | None = None
        self._edgeless: int | None = None
        self._foreign: int | None = None
        self._waiting: tuple[Label, int] | None = None
        self._scales = ("utc", "unstated") if policy.receiver.timescale == "utc" else ("utc",)
        self.phase_ns: int | None = None  # from the last pulse that was named to its message
        self._foreign_ns: int | None = None
        self.extra_edges = 0
        self.missed_edges = 0

    def expect(self, raw_ns: int | None) -> None:
        """Predict further edges from this one, which was good; None forgets."""
        self._grid_ns = raw_ns

    def forget_edges(self) -> None:
        """The clock that stamped the pulses so far was stepped: their stamps are worthless."""
        self._edges.clear()
        self._waiting = None

    def off_grid(self, raw_ns: int, rate: RawRate) -> tuple[int, int]:
        """How far an instant lies from the nearest predicted edge, and the window's half-width there."""
        if self._grid_ns is None:
            return 0, _MAX_WINDOW_NS
        passed = rate.advance(raw_ns - self._grid_ns)
        off = passed - nearest_second(passed) * NS_PER_S
        least = self._limits.edge_window_ns
        if not self._has_pps:
            least = max(least, 2 * self._receiver.message_jitter_ns)
        return off, edge_window_ns(self._limits, rate, passed, least)

    def on_edge(self, edge: Edge, sequence: int, rate: RawRate) -> list[Second | Refused]:
        """A pulse came. Yields a second only where labels of the next pulse speak alone."""
        if self._edges and edge.raw_ns <= self._edges[-1].raw_ns:
            return [Refused(edge.raw_ns, "edge-order", edge.raw_ns - self._edges[-1].raw_ns, 1)]
        if self._last_sequence is not None:
            self.missed_edges += max(0, sequence - self._last_sequence - 1)
        self._last_sequence = sequence
        found = self._unnamed(edge.raw_ns)
        waited, self._waiting = self._waiting, None
        if waited is not None and abs(edge.raw_ns - waited[1]) > _ON_TIME_NS:
            found.append(self._no_edge(*waited))
            waited = None
        self._edges.append(edge)
        found += self._name_by_next(edge, rate)
        return found if waited is None else found + self._match(waited[0], max(waited[1], edge.raw_ns), rate)

    def _unnamed(self, raw_ns: int) -> list[Second | Refused]:
        """The pulse before this one, if no message named it: garbled, or the serial line fell silent."""
        last = self._edges[-1] if self._edges else None
        if last is None or last.decided or last.reported or last.next_label is not None:
            return []
        if self._last_previous_ns is None or raw_ns - last.raw_ns < _A_SECOND_LATER_NS:
            return []
        last.reported = True
        return [Refused(last.raw_ns, "no-label", raw_ns - last.raw_ns, NS_PER_S)]

    def _name_by_next(self, edge: Edge, rate: RawRate) -> list[Second | Refused]:
        """Where a label of the next pulse was heard, this is that pulse."""
        if self._next is None:
            return []
        label, arrival_ns = self._next
        off, window = self.off_grid(edge.raw_ns, rate)
        if not 0 <= edge.raw_ns - arrival_ns <= NS_PER_S or abs(off) > window:
            return []
        self._next = None
        edge.next_label = label
        since = self._last_previous_ns
        if since is not None and edge.raw_ns - since <= _PREVIOUS_FOR_NS:
            return []  # a label of the previous pulse will follow and confirm it
        return self._decide(edge, label, edge.raw_ns)

    def on_label(
        self, label: Label, raw_ns: int, real_ns: int, unc_ns: int, rate: RawRate
    ) -> list[Second | Refused]:
        """A label arrived; the stamp is that of the chunk with its first byte, or with the one on time."""
        if names_no_pulse(label):
            return []
        if label.timescale not in self._scales:
            return self._not_utc(label, raw_ns)
        if label.label_edge == "next":
            self._next = (label, raw_ns)
            return []
        self._last_previous_ns = raw_ns
        latest = self._edges[-1] if self._edges else None
        decided = latest is not None and latest.decided and 0 <= raw_ns - latest.raw_ns < self._reach_ns
        if latest is not None and decided and latest.named == named_second(label) + label.second60:
            return []  # a further message of the burst that named this edge, agreeing with it
        if not self._has_pps:
            self._arrive(label, raw_ns, real_ns, unc_ns)
        elif label.mark is not None and (latest is None or raw_ns - latest.raw_ns >= _BURST_NS):
            # It comes with its pulse, whose fetching may take longer.
            (before, self._waiting) = (self._waiting, (label, raw_ns))
            return [] if before is None else [self._no_edge(*before)]
        return self._match(label, raw_ns, rate)

    def _no_edge(self, label: Label, raw_ns: int) -> Refused:
        return Refused(raw_ns, "no-edge", self._since_edge(raw_ns), NS_PER_S, named_second(label))

    def _not_utc(self, label: Label, raw_ns: int) -> list[Second | Refused]:
        """A label of another time scale names nothing. It is complained of once for each of its seconds, and
        not at all beside labels in UTC (some receivers say both)."""
        since, before, self._foreign = self._last_previous_ns, self._foreign, label.utc_s
        if before == label.utc_s or (since is not None and raw_ns - since <= _PREVIOUS_FOR_NS):
            return []
        return [Refused(raw_ns, f"{label.timescale}-time", 0, 1)]

    def on_foreign(self, raw_ns: int) -> list[Second | Refused]:
        """The receiver speaks what is not read for time; complained of once a second, and not at all beside
        labels."""
        for before_ns, quiet_ns in ((self._last_previous_ns, _PREVIOUS_FOR_NS), (self._foreign_ns, NS_PER_S)):
            if before_ns is not None and raw_ns - before_ns < quiet_ns:
                return []
        self._foreign_ns = raw_ns
        return [Refused(raw_ns, "not-read", 0, 1)]

    def _arrive(self, label: Label, raw_ns: int, real_ns: int, unc_ns: int) -> None:
        """Without PPS the first message of a burst stands for the pulse, as late as configured."""
        last = self._edges[-1] if self._edges else None
        if last is not None and raw_ns - last.raw_ns < _BURST_NS:
            return
        if last is None or raw_ns - last.raw_ns > _PREVIOUS_FOR_NS:
            self._arrival_message = label.message
        # Always the same message: another one comes at another time after the second.
        if label.message == self._arrival_message:
            self._edges.append(Edge(raw_ns, unc_ns + self._receiver.message_jitter_ns, real_ns))

    def _match(self, label: Label, raw_ns: int, rate: RawRate) -> list[Second | Refused]:
        around = [edge for edge in self._edges if 0 <= raw_ns - edge.raw_ns < self._reach_ns]
        utc_s = named_second(label)
        if not around:
            if self._edgeless == utc_s:
                return []  # the second was refused at its first label
            self._edgeless = utc_s
            return [self._no_edge(label, raw_ns)]
        placed = [(edge, *self.off_grid(edge.raw_ns, rate)) for edge in around]
        inside = [edge for edge, off, window in placed if abs(off) <= window]
        refused: list[Second | Refused] = []
        if len(inside) == 1:
            (right,) = inside
            for edge, off, window in placed:
                if edge is not right and not edge.reported:
                    edge.reported = True
                    self.extra_edges += 1
                    refused.append(Refused(edge.raw_ns, "edge-extra", abs(off), window))
            return refused + self._decide(right, label, raw_ns)
        if all(edge.decided for edge in around):
            return []
        for edge in around:
            edge.decided = edge.reported = True
        if inside:
            return [Refused(inside[-1].raw_ns, "edge-ambiguous", len(inside), 1, utc_s)]
        if self._health.valid(raw_ns) is False:
            # It says itself that it has no time: a pulse gone astray is no lie then.
            return [Refused(around[-1].raw_ns, self._invalid(raw_ns), 0, 1, utc_s)]
        edge, off, window = min(placed, key=lambda one: abs(one[1]))
        return [Refused(edge.raw_ns, "edge-window", abs(off), window, utc_s, moved_ns=-off)]

    def _decide(self, edge: Edge, label: Label, raw_ns: int) -> list[Second | Refused]:
        """One edge, one label: a second, a refusal, or nothing where the edge had its decision."""
        utc_s = named_second(label)
        if label.valid is False:
            return self._not_valid(edge, self._invalid(raw_ns), utc_s)
        name = utc_s + label.second60
        heard = [edge.named] if edge.named is not None else []
        if edge.next_label is not None:
            heard.append(named_second(edge.next_label) + edge.next_label.second60)
        for other in heard:
            if other != name:
                known = edge.decided and edge.reported
                edge.decided = edge.reported = True
                return [] if known else [Refused(edge.raw_ns, "label-conflict", name - other, 0, utc_s)]
        edge.named = name
        if edge.decided:
            return []
        valid = self._health.valid(raw_ns)
        if not valid:
            reason = "validity-unknown" if valid is None else self._invalid(raw_ns)
            return self._not_valid(edge, reason, utc_s)
        edge.decided = True
        late_ns = self._delay_ns
        if not self._has_pps:
            late_ns = self._receiver.message_delay_ns + fraction_ns(label)
        told = edge.next_label if edge.next_label is not None else label
        if told.q_err_ps is not None and self._has_pps:
            # u-blox: the pulse comes qErr before the instant it should mark; added to the edge's time it
            # gives the true second (measured by A. Wallin, 2019, on an F9T).
            late_ns -= (told.q_err_ps + 500) // 1000
        self.phase_ns = raw_ns - edge.raw_ns
        return [Second(edge, utc_s, label.second60, late_ns, self.phase_ns)]

    def _invalid(self, raw_ns: int) -> str:
        """Why the receiver has no time: by its own words, where it says more than that."""
        return self._health.cause(raw_ns) or "receiver-invalid"

    def _not_valid(self, edge: Edge, reason: str, utc_s: int) -> list[Second | Refused]:
        """Refuse once for each edge; a later message of the same burst may still vouch for it."""
        if edge.reported or edge.decided:
            return []
        edge.reported = True
        return [Refused(edge.raw_ns, reason, 0, 1, utc_s)]

    def _since_edge(self, raw_ns: int) -> int:
        return raw_ns - self._edges[-1].raw_ns if self._edges else 0
