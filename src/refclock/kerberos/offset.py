"""The KDC's time without a synchronised clock: how far it is from this host's uptime clock."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from refclock.bounded import BoundedTime, suspended_ns
from refclock.errors import NotVettedError
from refclock.kerberos.asking import Kdc, Reading, ask_kdcs
from refclock.kerberos.nonces import ACTIVE, WINDOW_S
from refclock.kerberos.realm import agreed
from refclock.kerberos.uptime import Mark, UptimeClock
from refclock.units import NS_PER_MS, NS_PER_S, PPT_ONE, scale_up

# What the draft finds reasonable for an application server (clauses 22, 30 and 31).
MAX_RATE_PPT = PPT_ONE // 10
# How far an uptime clock may stray by itself: 500 ppm, far more than a quartz does.
_STRAY_PPT = 500_000_000
_TOLERANCE_NS = NS_PER_S


class OffsetRefusedError(NotVettedError):
    """The KDCs' new answer leaves what the old one allows, and is not believed."""


@dataclass(frozen=True, slots=True)
class _Known:
    """The KDC's time less the uptime clock's lay in between at the mark."""

    low_ns: int
    high_ns: int
    mark: Mark
    peers: tuple[str, ...]


class KdcOffset:
    """The offset of a realm's time to this host's uptime clock, asked for by AS-REQ (wire.krb5).

    Clause 1 (numbers as in docs/requirements.md): whoever keeps such an offset must check it. It is kept
    against the uptime clock, so a step of the system clock changes nothing (clause 2); it is void after a
    reboot (clause 3). The time it gives never goes back, and no new answer moves it faster than
    ``max_rate_ppt`` allows for the time since the last one (clauses 26 and 29): such an answer is refused
    and the old offset stays. There is no switch for that.

    Clause 21: ``wait_ns`` says when to ask again, by default each 60 s, as often as NonceWindow makes a
    nonce.

    Nobody vouches for a KDC's answer. One that does not repeat our random digits is not used, and most of the
    KDCs must agree within a second; the first answer is believed, for there is nothing to compare it with.
    """

    def __init__(
        self,
        realm: str,
        kdcs: Sequence[Kdc],
        uptime: UptimeClock | None = None,
        *,
        poll_s: int = WINDOW_S // ACTIVE,
        max_age_s: int = 2 * WINDOW_S,
        max_rate_ppt: int = MAX_RATE_PPT,
    ) -> None:
        """Raises ValueError for a rate that is looser than 10 %."""
        if not 0 <= max_rate_ppt <= MAX_RATE_PPT:
            raise ValueError(f"expected a rate of up to {MAX_RATE_PPT} parts in 10^12, found {max_rate_ppt}")
        self._realm, self._kdcs = realm, list(kdcs)
        self._uptime = uptime or UptimeClock()
        self._poll_ns, self._max_age_ns = poll_s * NS_PER_S, max_age_s * NS_PER_S
        self._max_rate_ppt = max_rate_ppt
        self._known: _Known | None = None
        self._told_ns: int | None = None
        self._lock = threading.Lock()

    def refresh(self, timeout_ms: int = 2000) -> None:
        """Ask all KDCs; it takes some seconds. Raises NotVettedError where most of them do not answer and
        agree, OffsetRefusedError where what they say leaves what is possible; the old offset stays then.
        """
        readings = ask_kdcs(self._realm, self._kdcs, timeout_ms)
        self.take(readings, suspended_ns())

    def take(self, readings: Sequence[Reading], ahead_ns: int) -> None:
        """What the KDCs said, with respect to a counter that the uptime clock is ahead of by so much.

        Raises as ``refresh``.
        """
        mark = self._uptime.mark()
        usable = [one.at(mark.at_ns - ahead_ns) for one in readings if one.matched and not one.trouble]
        most = agreed(usable, _TOLERANCE_NS)
        if len(most) <= len(self._kdcs) // 2:
            troubles = {f"{one.peer}: {one.trouble or 'does not agree'}" for one in readings}
            raise NotVettedError(
                f"{self._realm}: {len(most)} of {len(self._kdcs)} KDCs answer and agree: no majority "
                f"({'; '.join(sorted(troubles))}); see `refclock realm`."
            )
        found = most[0].shifted(ahead_ns)
        low_ns, high_ns = found.low_ns, found.high_ns
        with self._lock:
            allowed = self._reach(mark, self._max_rate_ppt)
            if allowed is not None:
                if high_ns < allowed[0] or low_ns > allowed[1]:
                    off_ns = allowed[0] - high_ns if high_ns < allowed[0] else low_ns - allowed[1]
                    raise OffsetRefusedError(
                        f"{self._realm}: the KDCs' time moved {off_ns // NS_PER_MS} ms farther than its rate "
                        "allows; find out why (`refclock realm`) before you begin anew with a new KdcOffset."
                    )
                low_ns, high_ns = max(low_ns, allowed[0]), min(high_ns, allowed[1])
            self._known = _Known(low_ns, high_ns, mark, tuple(one.peer for one in most))

    def now(self) -> BoundedTime:
        """The realm's time. Raises NotVettedError before the first answer, when the last one is too old, and
        after a reboot."""
        with self._lock:
            mark = self._uptime.mark()
            known, reach = self._known, self._reach(mark, _STRAY_PPT)
            if known is None or reach is None:
                raise NotVettedError(f"{self._realm}: no KDC was asked in this boot; call refresh() first.")
            age_ns = mark.at_ns - known.mark.at_ns
            if age_ns > self._max_age_ns:
                raise NotVettedError(
                    f"{self._realm}: the KDCs were last heard {age_ns // NS_PER_S} s ago; call refresh()."
                )
            earliest_ns, latest_ns = (mark.at_ns + one for one in reach)
            utc_ns = (earliest_ns + latest_ns) // 2
            if self._told_ns is not None:
                utc_ns = max(utc_ns, self._told_ns)
            self._told_ns = utc_ns
        chain = tuple(f"kdc:{peer}" for peer in known.peers)
        return BoundedTime(utc_ns, earliest_ns, max(latest_ns, utc_ns), "kdc-offset", chain)

    def wait_ns(self) -> int:
        """For how long there is no need to ask again; 0: ask now."""
        since = None if self._known is None else self._uptime.since(self._known.mark)
        return 0 if since is None else max(0, self._poll_ns - since)

    def _reach(self, mark: Mark, rate_ppt: int) -> tuple[int, int] | None:
        """Where the offset may be by now, at such a rate; None when nothing is known in this boot."""
        known = self._known
        if known is None or known.mark.boot != mark.boot:
            return None
        moved_ns = scale_up(max(0, mark.at_ns - known.mark.at_ns), rate_ppt)
        return known.low_ns - moved_ns, known.high_ns + moved_ns
