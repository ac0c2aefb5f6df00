"""What a run of the emulated world amounts to, said plainly and judged by the truth."""

import textwrap

from refclock.core.rules.reasons import REASONS
from refclock.stage.ledger import FULL_REACH, Ledger, milliseconds
from refclock.units import NS_PER_S, show_ns

_WIDTH = 80
_START_S = 3  # until the receiver is heard and the quorum stands


def verdict(
    ledger: Ledger, started_ns: int, dwell_s: int, failed: str, unverified: str
) -> tuple[bool, list[str]]:
    """Whether a run was good, and the lines that say why.

    Good: it did not end in ``failed``; chrony was reached, or an attack began before the dwell could be
    over and nothing was published; no second lay farther from the truth than its own bound; no measurement of
    chrony's lay farther than the widest of these bounds; the capture replays (``unverified`` is empty).
    """
    attacked = bool(ledger.attacks)
    early = ledger.attack_ns - started_ns < (dwell_s + _START_S) * NS_PER_S
    silent = early and not ledger.published
    honest = ledger.outside == 0 and ledger.chrony_ns <= max(1, ledger.widest_ns)
    good = not failed and not unverified and honest and (ledger.best_reach > 0 or silent)
    lines = [f"verdict: {'good' if good else 'NOT good'}"]
    told = [failed, _chrony(ledger, silent), _published(ledger)]
    if attacked:
        told += [_attacked(ledger, started_ns), f"accused: {'; '.join(ledger.accused) or 'nobody'}"]
    if unverified:
        told.append(f"the capture does NOT replay: {unverified}")
    elif not failed:
        told.append(f"the capture replays to the same {ledger.decisions} decisions, byte for byte")
    for text in filter(None, told):
        lines += textwrap.wrap(text, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return good, lines


def _chrony(ledger: Ledger, silent: bool) -> str:
    if ledger.measured_ns is None:
        return f"chrony heard nothing{', as it should: nothing was vetted' if silent else ''}"
    full = "" if ledger.best_reach == FULL_REACH else f" (its reach came to {ledger.best_reach:o} only)"
    measured, injected = milliseconds(ledger.measured_ns), milliseconds(ledger.injected_ns)
    return (
        f"chrony measured {measured}, injected were {injected}; "
        f"its worst measurement was {span(ledger.chrony_ns)} off{full}"
    )


def _published(ledger: Ledger) -> str:
    if not ledger.published:
        return "no second was published"
    told = f"{ledger.published} seconds published, the worst {span(ledger.worst_ns)} from the truth"
    if ledger.outside:
        return f"{told}; {ledger.outside} LIE BEYOND THEIR BOUND"
    return f"{told} (bounds up to {span(ledger.widest_ns)})"


def _attacked(ledger: Ledger, started_ns: int) -> str:
    """What became of the seconds from the first attack on."""
    began_s = max(0, ledger.attack_ns - started_ns) // NS_PER_S
    counted = [(reason, number) for reason, number in ledger.refused.most_common() if not waits(reason)]
    why = ", ".join(f"{reason} {number}" for reason, number in counted)
    told = f"since the attack ({began_s} s): {ledger.refused_seconds} seconds refused"
    told += f" ({why})" if why else ""
    if not ledger.passed:
        return f"{told}, none published"
    return f"{told}, {ledger.passed} published, the worst {span(ledger.worst_after_ns)} off"


def waits(reason: str) -> bool:
    """Whether nothing is wrong, only not yet good; a lock is no such thing."""
    return reason != "locked" and reason in REASONS and REASONS[reason].kind == "wait"


def span(size_ns: int) -> str:
    """A size for people, without a sign."""
    return show_ns(size_ns).lstrip("+")
