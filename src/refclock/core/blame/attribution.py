"""Who is wrong? Where the receiver's time left its prediction, the others say with which they hold.

The prediction is the raw counter's. "ambiguous" is an answer; a guess is not.
"""

from dataclasses import dataclass

from refclock.core.seconds.interval import Interval
from refclock.model import Accuse
from refclock.units import NS_PER_S, show_ns


@dataclass(frozen=True, slots=True)
class Departure:
    """The receiver's time left the prediction.

    ``moved_ns`` is its time less the prediction (``predicted_ns``, SI ns at ``at_ns`` on the raw counter),
    which itself may be off by ``slack_ns``; ``took_ns`` is how long it took.
    """

    at_ns: int
    moved_ns: int
    took_ns: int
    predicted_ns: int
    slack_ns: int


def attribute(raw_ns: int, left: Departure, quorum: Interval | None, rtc: Interval | None) -> Accuse:
    """Name the source that is wrong, by what the quorum and the RTC said since the receiver departed."""
    predicted_ns, moved_ns, slack_ns = left.predicted_ns, left.moved_ns, left.slack_ns
    told_ns = predicted_ns + moved_ns
    with_raw, with_receiver = [], []
    for name, interval in (("ntp", quorum), ("rtc", rtc)):
        if interval is None:
            continue
        near_raw = interval.outside_ns(predicted_ns) <= slack_ns
        near_receiver = interval.outside_ns(told_ns) <= slack_ns
        if near_raw and not near_receiver:
            with_raw.append(name)
        elif near_receiver and not near_raw:
            with_receiver.append(name)
    evidence: dict[str, object] = {"moved_ns": moved_ns, "took_ns": left.took_ns}
    if with_raw and not with_receiver:
        source, witnesses = "receiver", ["raw", *with_raw]
    elif with_receiver and not with_raw:
        # Two sources left the raw counter together. If the RTC left it too, the counter is what moved.
        source = "raw" if len(with_receiver) == 2 else "ambiguous"
        witnesses = ["receiver", *with_receiver]
    elif with_raw == ["rtc"]:  # and the quorum with the receiver
        source, witnesses = "receiver+ntp", ["raw", "rtc"]
    else:
        source, witnesses = "ambiguous", []
    return Accuse(raw_ns, source, evidence | {"witnesses": witnesses})


def in_words(accusation: Accuse) -> str:
    """One line for people: ``receiver moved +3.20 ms in 41 s against raw, rtc and ntp``, or, of a server or
    a KDC, ``ntp:192.0.2.7:123 is off +1.00 s``."""
    evidence = accusation.evidence
    verb, moved = (
        ("is off", evidence["off_ns"]) if "off_ns" in evidence else ("moved", evidence.get("moved_ns", 0))
    )
    took = evidence.get("took_ns")
    within = ""
    if isinstance(took, int):
        within = f" in {took // NS_PER_S} s" if took >= NS_PER_S else " at once"
    named = evidence.get("witnesses")
    against = [str(one) for one in named] if isinstance(named, list) else []
    told = " against " + " and ".join(filter(None, [", ".join(against[:-1]), against[-1]])) if against else ""
    return f"{accusation.source} {verb} {show_ns(moved) if isinstance(moved, int) else moved}{within}{told}"
