"""What is told at each step, in lines of at most 80 columns; only a command line, which begins with four
blanks, may be longer, so that it can be copied."""

import textwrap
from collections.abc import Sequence

from refclock.chrony.shipped import RATES
from refclock.policy import HARD_CAPS_PPT
from refclock.setback.caches import OURS, Cache
from refclock.setback.clock import Opinion
from refclock.setback.dependents import Dependent
from refclock.setback.keys import (
    DATABASE,
    DEFAULT_KEYTAB,
    Commands,
    Keys,
    is_cross_realm,
    read_keytab,
    without_old,
)
from refclock.setback.steps import STEPS, Options, Step, number
from refclock.units import NS_PER_MS, NS_PER_S, PPT_ONE, PPT_PER_PPM, printable, show_length

WIDTH = 80
_MARK = "    "
# Longer than this nobody wants to wait with the services down (said, never enforced).
_BEARABLE_S = 900

Lines = list[str]


def heading(step: Step) -> str:
    """A step's title."""
    return f"Step {number(step)} of {len(STEPS)}, {step.name}: {step.title}"


def said(text: str) -> Lines:
    """A paragraph."""
    return textwrap.wrap(printable(text), WIDTH)


def typed(*commands: str) -> Lines:
    """Command lines, set apart; what cannot be shown as it is, is shown as none."""
    shown = [one if one.isprintable() else f"# {one!a}" for one in commands]
    return ["", *(_MARK + one for one in shown), ""] if commands else []


def instead(opinion: Opinion, profile: str) -> Lines:
    """What may be done instead of setting the clock back."""
    slow, fast = slews(opinion.off_ns, profile)
    rates = " or ".join(f"{show_length(took)} at {rate * 100 / PPT_ONE:g} %" for rate, took in (slow, fast))
    return [
        *said(
            f"INSTEAD, and better where you can bear it: let the clock run slower until it is right, {rates} "
            f"(chrony's maxslewrate of docs/guide.md, and the cap of profile {profile}). Nothing goes back "
            "then, no key has to change, no service has to stop. chrony does so by itself, unless its "
            "maxchange ignores so much: take that line out meanwhile."
        ),
    ]


def slews(off_ns: int, profile: str) -> list[tuple[int, int]]:
    """How long a clock that is ahead takes to be right if it is slowed down and never set: (rate in ppt, s)
    for the rate of the chrony.conf that refclock ships, and for the profile's hard cap."""
    rates = (RATES[profile].maxslewrate * PPT_PER_PPM, HARD_CAPS_PPT[profile])
    return [(rate, -(-off_ns * PPT_ONE // rate // NS_PER_S)) for rate in rates]


def stop(found: Sequence[Dependent], perhaps: Sequence[Dependent]) -> Lines:
    """How to stop what runs."""
    lines = (
        said("These live by the clock:")
        if found
        else said("Nothing that is known to live by the clock runs.")
    )
    lines += [line for one in reversed(found) for line in said(f"- {one}")]
    lines += typed(*(one.stop for one in reversed(found)))
    if any(one.unit for one in found):
        lines += said("A masked unit stays stopped over a reboot, and whoever asks for it.")
    if perhaps:
        lines += said(
            "These listen and can take tickets. Name those that do with --service at the beginning (sshd "
            "does where GSSAPIAuthentication is yes):"
        )
        lines += [line for one in perhaps for line in said(f"- {one}")]
    return lines


def set_clock(opinion: Opinion, steerers: Sequence[Dependent]) -> Lines:
    """How to set the clock."""
    if opinion.right:
        return said(f"The clock is {opinion}. Nothing is to be set.")
    seconds, rest = divmod(abs(opinion.off_ns), NS_PER_S)
    amount = f"{'-' if opinion.off_ns > 0 else '+'}{seconds}.{rest // NS_PER_MS:03d} seconds"
    too_far = "" if opinion.off_ns > 0 else ": it was set back too far"
    lines = said(
        f"The clock is {opinion}{too_far}. refclock sets no clock: run this yourself, all of it. The amount "
        "is relative, so it does not matter how long you take."
    )
    pauses = [one.pause for one in steerers]
    before, after = [stop for stop, _ in pauses], [start for _, start in pauses]
    lines += typed(*before, f"date --utc --set='{amount}'", *after)
    if any(one.name == "chronyd" for one in steerers):
        lines += said(
            "Where `chronyc tracking` says the same amount fast of NTP time, `chronyc makestep` will do."
        )
    return [
        *lines,
        *said(
            "The battery clock, if it is ahead too (`refclock status` names it), brings the wrong time back "
            "at the next boot: hwclock --systohc --utc, once the clock is right."
        ),
    ]


def keys(options: Options, states: Sequence[tuple[Keys, Keys | None, str]], wait_s: int | None) -> Lines:
    """How to change each key that must; ``states`` as Procedure.key_states gives them, ``wait_s`` how long
    the services would have to wait instead (None: nobody knows)."""
    if not states:
        return said(f"NO KEY WAS FOUND. Name this host's keytabs with --keytab ({DEFAULT_KEYTAB}).")
    lines = said("Old tickets and used authenticators end with the keys that they were made with:")
    for before, after, why in states:
        version = "gone" if after is None else f"version {after.newest}"
        state = why or f"done ({before.newest} -> {version})"
        lines += said(f"- {before.principal} in {before.place}: {state}")
    lines += typed(*_renewing(options, states))
    if any(is_cross_realm(before.principal) for before, _, why in states if why):
        lines += said(
            "A key between two realms is changed together with the other realm's administrators, or kept: "
            "--keep-key PRINCIPAL --reason ..."
        )
    lines += _about_keys(options, states)
    if wait_s is not None:
        verdict = "" if wait_s <= _BEARABLE_S else ", which is long"
        lines += said(
            f"OR WAIT: leave the services stopped for another {show_length(wait_s)}{verdict}, until the "
            "clock has passed the latest that they ever saw. To them it then never went back, and the keys "
            "may stay. Answer wait."
        )
    return lines


def _renewing(options: Options, states: Sequence[tuple[Keys, Keys | None, str]]) -> Lines:
    """The commands for all that is not changed yet, in their order."""
    commands = Commands(options.role, options.realm, options.admin)
    places: dict[str, str] = {}
    lines = []
    for before, after, why in states:
        first = places.setdefault(before.principal, before.place) == before.place
        if why:
            lines += commands.renew(before, first)
        if why and before.place != DATABASE and after is not None and after.newest > before.newest:
            entries = read_keytab(before.place)
            if by_hand := without_old(before.place, entries, {before.principal: before.newest}):
                lines += ["# or, where kadmin cannot take the old ones out:", by_hand]
    return lines


def _about_keys(options: Options, states: Sequence[tuple[Keys, Keys | None, str]]) -> Lines:
    lines = []
    if options.role == "kdc" and any(before.place == DATABASE for before, _, _ in states):
        lines += said(
            "With krbtgt's key all ticket-granting tickets end, and everybody logs in anew. Never -keepold: "
            "the old key is what must go. Other KDCs need the new ones before they serve (kprop). Tickets "
            "that this KDC gave out while it was ahead last longer than they should, on other hosts too, "
            "by as much as it was ahead; where that cannot be borne those hosts' keys must change as well."
        )
    elif options.role == "replica":
        lines += said(
            "On the realm's primary KDC krbtgt's key must change too, without -keepold, and come here by "
            "kprop before this KDC serves again. Nothing here can verify that:"
        )
        realm = options.realm
        lines += typed(
            Commands("server", realm, options.admin).query("cpw", "-randkey", f"krbtgt/{realm}@{realm}")
        )
    return lines


def caches(found: Sequence[Cache], wait_s: int) -> Lines:
    """What there is to keep or to clear."""
    if not found:
        return said("No replay cache was found. Nothing is to be done.")
    lines = said(
        "Keep them, unless you know better. MIT's refuse whatever they still hold, whatever the clock shows; "
        "an honest client is never refused by one. Cleared, they know nothing, and only the new keys protect."
    )
    lines += [line for one in found for line in said(f"- {one.path} ({one.kind})")]
    lines += [*said("To clear them:"), *typed(*(one.clear for one in found))]
    if any(one.kind == OURS for one in found):
        lines += said(
            "refclock's own also keeps the newest time that it forgot, and lets nobody in who is not later: "
            f"kept, it may turn honest clients away for {show_length(wait_s)}. With all keys changed, "
            "clear it."
        )
    return lines


def start(found: Sequence[Dependent], options: Options) -> Lines:
    """How to start again what was stopped, in order."""
    if not found:
        return said("No service was seen to run when this began. Start what you stopped.")
    lines = said("In this order; then it is verified that they listen, and that a KDC shows the right time.")
    first = ["refclock wait --timeout 600"] if any(one.unit for one in found) and not options.anchor else []
    return [*lines, *typed(*first, *(command for one in found for command in one.start))]
