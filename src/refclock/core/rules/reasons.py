"""Every reason for which a second or an answer is refused: what kind it is, and the plain words for it.

Kinds: ``reject`` the source contradicts what is known (freezes the budget, counts as an episode, latches);
``violation`` a reject that touches date or numbering (locks sooner); ``absent`` there was nothing fit to
judge (a gap, not a lie); ``wait`` not yet; ``note`` about one edge or one answer, not about the second;
``alarm`` about the system clock, whatever is fed.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason's kind, its words, the unit of its value and limit, and what to do about it."""

    kind: str
    words: str
    unit: str
    mend: str = ""


_CABLE = "look at the receiver's antenna, its cable and its messages"
_OTHER_PHC = "name a card whose clock runs under [phc] device, or remove [phc]"
_WAIT = "nothing to do: it ends by itself"

REASONS = {
    "drift-mask": Reason(
        "reject", "the second lies farther from the accepted ones than the drift mask allows", "ns",
        "find out what moved (refclock names it once it knows); if the receiver is right, rearm",
    ),
    "edge-window": Reason("reject", "no pulse lay within its window around the predicted edge", "ns", _CABLE),
    "quorum": Reason(
        "reject", "the second lies farther from the NTP quorum than E_q", "ns",
        "compare the receiver and the servers with a third clock",
    ),
    "chrony": Reason(
        "reject", "the second lies farther from what chrony's authenticated sources share than E_q", "ns",
        "compare the receiver and the sources with a third clock; chronyc authdata names the sources",
    ),
    "realm": Reason(
        "reject", "the second lies outside what most of the realm's other KDCs say", "ns",
        "compare the KDCs with a third clock: refclock realm lists them",
    ),
    "label-conflict": Reason("reject", "two messages name the same pulse differently", "s", _CABLE),
    "label-continuity": Reason(
        "violation", "the label did not advance by the elapsed whole seconds", "s",
        "a leap second must be confirmed by a second source; otherwise check the receiver",
    ),
    "leap-unconfirmed": Reason(
        "violation", "the receiver labels a leap second that no second source confirms", "s",
        "compare with an unexpired leap-second file (dates.leap_file)",
    ),
    "date-jump": Reason(
        "violation", "the label's date jumped", "s",
        "a GPS week rollover shows as 619315200 s: update or replace the receiver; never correct it blindly",
    ),
    "date-floor": Reason(
        "violation", "the date lies before the floor (build date, or the last vetted time)", "s",
        "check the receiver for a week rollover",
    ),
    "date-ceiling": Reason("violation", "the date lies beyond the ceiling", "s", "check the receiver"),
    "not-monotone": Reason("reject", "the time is not later than the last that was accepted", "ns", _CABLE),
    "edge-ambiguous": Reason("absent", "more than one pulse lay within the window", "pulses", _CABLE),
    "edge-order": Reason("reject", "the pulse is not later than the one before it", "ns", _CABLE),
    "reanchor": Reason(
        "reject", "after a long silence the second fits neither holdover interval nor ledger", "ns",
        "rearm after checking the receiver against another clock",
    ),
    "rtc": Reason(
        "reject", "the second lies outside the RTC's interval", "ns",
        "set right whichever clock is wrong; enroll the RTC to narrow its interval",
    ),
    "edge-proof": Reason(
        "reject", "the labels name another pulse than the witnesses do", "s",
        "the messages are late, or the edge is another: check baud rate, message set and pps.edge",
    ),
    "edge-proof-spread": Reason(
        "reject", "the messages' arrival varies too much to prove which pulse they name", "ns",
        "raise the baud rate or switch off messages that are not needed",
    ),
    "edge-proof-phase": Reason(
        "reject", "the messages come at another time after their pulse than when the host was enrolled", "ns",
        "receiver, baud rate or message set changed: check them, and enroll again",
    ),
    "rate-disagrees": Reason(
        "reject", "the receiver's rate and the NTP quorum's disagree", "ppt", "check both",
    ),
    "no-edge": Reason("absent", "a label came without a pulse", "ns", "check the PPS wiring and /dev/ppsN"),
    "no-label": Reason("absent", "a pulse came that no message named", "ns", "check the serial line"),
    "receiver-invalid": Reason("absent", "the receiver itself says that its time is not valid", "", _CABLE),
    "validity-unknown": Reason(
        "absent", "no message says whether the time is valid", "", "enable RMC or GNS beside ZDA",
    ),
    "utc-unconfirmed": Reason(
        "absent", "the receiver's leap-second count is a firmware default", "",
        _WAIT + ", within 12.5 minutes",
    ),
    "gps-time": Reason(
        "absent", "the receiver labels in GPS time and does not say how far UTC is from it", "",
        "switch the receiver to UTC (docs/receivers.md says how), or wait for its almanac (12.5 minutes)",
    ),
    "local-time": Reason(
        "absent", "the receiver labels in a zone's or another system's time, and does not say how far UTC is "
        "from it", "", "switch the receiver to UTC (docs/receivers.md says how)",
    ),
    "not-read": Reason(
        "absent", "the receiver speaks a binary protocol that is recognised, but not read for time", "",
        "switch the receiver to NMEA (docs/receivers.md says how)",
    ),
    "unstated-time": Reason(
        "absent", "the receiver's messages do not say their time scale", "",
        'set the receiver to UTC, and then receiver.timescale = "utc" (docs/receivers.md)',
    ),
    "year-unknown": Reason(
        "absent", "the receiver names a day that neither this year nor the next has, and no year", "day",
        "check the receiver, and dates.not_before",
    ),
    "receiver-holdover": Reason(
        "absent", "the receiver has been without its reference for too long", "ns",
        "see why it has none; receiver_holdover_s is how long it may be",
    ),
    "antenna": Reason("absent", "the receiver reports an antenna fault", "", _CABLE),
    "jamming": Reason("absent", "the receiver reports critical jamming", "", "look for the transmitter"),
    "spoofing": Reason("absent", "the receiver reports signs of spoofing", "", "explain it before rearming"),
    "position": Reason(
        "absent", "the receiver says that its antenna has moved, which a fixed one does not", "m",
        "these may be somebody else's satellites: look for a transmitter; if you moved it, restart refclock",
    ),
    "pulse-unlocked": Reason("absent", "the receiver says that its pulse is not locked", "", _WAIT),
    "stamp-uncertain": Reason("absent", "the two clocks could not be read together closely", "ns", _WAIT),
    "clock-step": Reason(
        "absent", "somebody stepped the system clock; stamps from before it are unusable", "ns",
        "find who sets the clock beside chrony",
    ),
    "clock-rate": Reason(
        "alarm", "the system clock runs faster or slower against the counter than the profile allows", "ppt",
        "see who steers it (refclock doctor): maxslewrate and maxdrift in chrony.conf bound what chrony does",
    ),
    "slew-left": Reason(
        "alarm", "a chronyd that is gone left its slew in the kernel, and the clock runs away with it", "ppt",
        "start chronyd again: it takes the slew back",
    ),
    "clock-ahead": Reason(
        "alarm", "the system clock is ahead of the time", "ns",
        "do not set it back by hand: what has expired would be valid again; refclock setback leads through",
    ),
    "clock-behind": Reason(
        "alarm", "the system clock is behind the time", "ns",
        "see whether chronyd runs and slews it (refclock doctor); by more than its maxchange it never does: "
        "then set it forward, as docs/runbooks/clock-behind.md says; what has expired is taken meanwhile",
    ),
    "edge-stale": Reason("absent", "the pulse was fetched too late to be placed", "ns", _WAIT),
    "configure-refused": Reason(
        "note", "the receiver refused to send a message that it was asked for (class and id)", "",
        "nothing to do where the others suffice; a receiver without TIM-TP names no coming pulse",
    ),
    "configure-differs": Reason(
        "note", "the receiver did not keep what it was asked for (class and id)", "",
        "configure it by hand, or look for another program that does",
    ),
    "configure-silent": Reason(
        "note", "the receiver did not answer while it was being configured (class and id)", "",
        "see whether anything can be sent to it; else configure it by hand",
    ),
    "standard-unlocked": Reason(
        "absent", "the standard itself says that it is not locked", "", "read its own display or log"
    ),
    "standard-unknown": Reason(
        "absent", "the standard's line does not say whether it is locked", "",
        "see what is wrong with the line; or do without it: receiver.protocol = \"pps-only\"",
    ),
    "numbering": Reason(
        "wait", "too few witnesses are sharp enough to number the second of a pulse without label",
        "witnesses",
        "two of: three NTP servers or more, an RTC that is known to limits.rtc_error_ms = 200, [companion]",
    ),
    "numbering-conflict": Reason(
        "reject", "the witnesses number the pulse's second differently", "s",
        "find out which of NTP servers, RTC and second receiver is wrong",
    ),
    "numbering-phase": Reason(
        "reject", "the pulse does not lie where the witnesses say that a second begins", "ns",
        "synchronise the standard's pulse to UTC by hand; nothing here ever does",
    ),
    "numbering-lost": Reason(
        "absent", "after so long a silence the counter cannot number the pulses any more", "ns",
        "restart refclock: the dwell has them numbered anew",
    ),
    "locked": Reason("wait", "nothing is fed until an operator rearms", "", "refclock rearm --reason ..."),
    "dwell": Reason("wait", "agreement has not yet lasted long enough", "ns", _WAIT),
    "witnesses": Reason(
        "wait", "too few witnesses agree with the receiver", "witnesses", "see which are missing, and why",
    ),
    "reanchor-waits": Reason(
        "wait", "after a long silence a witness and four seconds more must agree with it", "ns",
        "if it lasts: see which witnesses are missing, and why",
    ),
    "edge-proof-unproven": Reason(
        "wait", "no witness is sharp enough to tell which pulse a label names", "ns",
        "add NTP servers, or enroll the RTC",
    ),
    "anchor-astray": Reason(
        "wait", "the pulse lies off most of those just before it, and all others would be judged by it", "ns",
        _WAIT,
    ),
    "identity": Reason(
        "wait", "boot and clocksource are not yet known, to which the memory of before is bound", "",
        "see why port sys0 is silent",
    ),
    "leap-second": Reason("wait", "a leap second has no POSIX name of its own and is not fed", "", _WAIT),
    "edge-extra": Reason("note", "a pulse beside the right one was left out", "ns", _CABLE),
    "ntp-lost": Reason("note", "the server did not answer", ""),
    "ntp-short": Reason("note", "the answer is shorter than an NTP packet", "bytes"),
    "ntp-origin": Reason("note", "the answer does not belong to our question: forged, or late", ""),
    "ntp-duplicate": Reason("note", "the answer came twice", ""),
    "ntp-kiss-of-death": Reason("note", "the server asks to be left alone (the value is its code)", ""),
    "ntp-mode": Reason("note", "the answer is not in server mode", ""),
    "ntp-version": Reason("note", "the answer's NTP version is neither 3 nor 4", ""),
    "ntp-unsynchronised": Reason("note", "the server says that it is not synchronised", ""),
    "ntp-stratum": Reason("note", "the stratum is out of range", ""),
    "ntp-zero-stamp": Reason("note", "a time stamp is missing from the answer", ""),
    "ntp-order": Reason("note", "the answer was sent before the question was received", "ns"),
    "ntp-reference-age": Reason("note", "the server's own last synchronisation is too old, or ahead", "ns"),
    "ntp-delay": Reason("note", "the round trip is negative or too long", "ns"),
    "ntp-distance": Reason("note", "the root distance is too great", "ns"),
    "kdc-lost": Reason("note", "the KDC did not answer", ""),
    "kdc-malformed": Reason("note", "the KDC's answer is no KRB-ERROR (wrong at this byte)", "bytes"),
    "kdc-no-time": Reason("note", "the KDC's answer carries no time (its message type)", ""),
    "kdc-version": Reason("note", "the KDC's answer is not of Kerberos 5", ""),
    "kdc-other-realm": Reason("note", "the KDC's answer is about another realm or service", ""),
    "kdc-echo": Reason("note", "the KDC's answer belongs to another question: forged, or late", ""),
    "kdc-unmatched": Reason("note", "the KDC's answer does not repeat the question: anybody's", ""),
    "kdc-duplicate": Reason("note", "the KDC's answer came twice", ""),
    "kdc-delay": Reason("note", "the KDC's round trip is negative or too long", "ns"),
    "rtc-step": Reason(
        "note", "the RTC was set or jumped; it is no witness any more", "ns",
        "set it right (hwclock --systohc --utc), then restart refclock, or enroll again",
    ),
    "rtc-follows-system": Reason("note", "the RTC follows the system clock and is no witness", ""),
    "phc-frozen": Reason("note", "the network card's clock stands still; it is no witness", "ns", _OTHER_PHC),
    "phc-rate": Reason("note", "the network card's clock is off by more than 500 ppm", "ns", _OTHER_PHC),
    "phc-step": Reason(
        "note", "the network card's clock was set, jumped or wandered; it is no witness any more", "ns",
        "find what sets it (ptp4l, phc2sys), or name another; enroll again",
    ),
    "phc-disciplined": Reason(
        "note", "something makes the network card's clock follow the system clock; it is no witness", "ns",
        "stop what disciplines it (ptp4l, phc2sys), or name another",
    ),
    "chrony-unauthenticated": Reason("note", "nothing vouches for this source of chrony's", ""),
    "chrony-distance": Reason("note", "chrony's source is silent, or too uncertain to say anything", "ns"),
}  # fmt: skip


def is_rejection(reason: str) -> bool:
    """True when the reason speaks against the source (not merely of its absence)."""
    return REASONS[reason].kind in ("reject", "violation")
