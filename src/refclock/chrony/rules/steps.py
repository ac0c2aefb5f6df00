"""What could step the system clock: directives, options, leap seconds, somebody's hand."""

from collections.abc import Iterator

from refclock.chrony.effective import Effective, Wanted, arguments
from refclock.chrony.rule import Rule
from refclock.chrony.rules.wording import removal, replacement, shown, unless_explained
from refclock.finding import Finding

_NO_STEP = "6 26 29"

MAKESTEP = Rule(
    "makestep", _NO_STEP,
    "absent",
    "it steps either way, and each restart re-arms it",
)  # fmt: skip
INITSTEPSLEW = Rule(
    "initstepslew", _NO_STEP,
    "absent",
    "it may step back at each start",
)  # fmt: skip
COMMAND = Rule(
    "command line", _NO_STEP,
    "without `-q`, `-s`, `-x` and `-t`",
    "`-q` and `-s` step the clock either way; with `-x` nobody steers it, after `-t` nobody any more",
)  # fmt: skip
LEAPSECMODE = Rule(
    "leapsecmode", _NO_STEP,
    "`slew`",
    "`system`, the default, and `step` step back by 1 s at a leap second",
)  # fmt: skip
MANUAL = Rule(
    "manual", "6 26 37",
    "absent unless explained",
    "`chronyc settime` then moves the clock by hand",
    lenient=True,
)  # fmt: skip


def makestep(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``makestep THRESHOLD LIMIT``; a limit of 0 is none at all."""
    one = conf.last("makestep")
    if one is None:
        yield MAKESTEP.ok("absent")
        return
    values = list(arguments(one))
    limit = values[1] if len(values) == 2 else None
    if limit == 0:
        yield MAKESTEP.ok(f"{shown(one)}: never, with a limit of 0")
    elif "R" in conf.command.flags and limit is not None and limit > 0:
        yield MAKESTEP.warn(f"{shown(one)}: ignored, as long as chronyd is started with -R", removal(one))
    else:
        yield MAKESTEP.bad(
            wanted, f"{shown(one)}: steps the clock either way; each restart re-arms it", removal(one)
        )


def initstepslew(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``initstepslew``, the older form of makestep."""
    one = conf.last("initstepslew")
    if one is None:
        yield INITSTEPSLEW.ok("absent")
    elif "R" in conf.command.flags:
        yield INITSTEPSLEW.warn(f"{shown(one)}: ignored, as long as chronyd is started with -R", removal(one))
    else:
        yield INITSTEPSLEW.bad(wanted, f"{shown(one)}: may step back at each start", removal(one))


def command(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """chronyd's own options, as far as one is known."""
    line = conf.command
    if not line.text:
        return
    where = f"in {line.origin}"
    steps = {"q": "sets the clock once and ends", "s": "sets the clock from the RTC or the drift file's date"}
    found = [f"-{flag} {told}" for flag, told in steps.items() if flag in line.flags]
    if found:
        yield COMMAND.bad(
            wanted, f"`{line.text}`: {' and '.join(found)}: a step either way", f"leave it out {where}"
        )
    elif "x" in line.flags or "Q" in line.flags:
        yield COMMAND.bad(
            wanted, f"`{line.text}`: chronyd does not steer the clock, so nobody keeps it",
            f"leave {'-x' if 'x' in line.flags else '-Q'} out {where}, unless another chronyd steers it",
        )  # fmt: skip
    elif line.value("t") is not None:
        yield COMMAND.bad(
            wanted, f"`{line.text}`: chronyd ends after {line.value('t')} s", f"leave -t out {where}"
        )
    else:
        yield COMMAND.ok(f"`{line.text}` ({line.origin})")


def leapsecmode(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``leapsecmode``."""
    one = conf.last("leapsecmode")
    mode = one.words[0].lower() if one and one.words else "system"
    if one is not None and mode == "slew":
        yield LEAPSECMODE.ok(shown(one))
    elif one is not None and mode == "ignore":
        yield LEAPSECMODE.warn(
            f"{shown(one)}: the clock is 1 s off until its sources say so",
            replacement(one, "leapsecmode slew"),
        )
    else:
        told = shown(one) if one else "absent, so system"
        yield LEAPSECMODE.bad(
            wanted, f"{told}: the clock is stepped back by 1 s at a leap second",
            replacement(one, "leapsecmode slew"),
        )  # fmt: skip


def manual(conf: Effective, wanted: Wanted) -> Iterator[Finding]:
    """``manual``."""
    yield from unless_explained(MANUAL, "manual", "`chronyc settime` moves the clock by hand", conf, wanted)
