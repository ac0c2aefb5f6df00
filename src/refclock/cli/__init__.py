"""The command line: one file per verb, imported only when its verb is called."""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence

from refclock import __version__
from refclock.errors import RefclockError

# A disk that standard output goes to, and that takes no more.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))

# verb: what it does. Each lives in refclock.cli.<verb> and offers EXAMPLE, arguments(parser), main(args).
VERBS = {
    "run": "vet a receiver's seconds and hand them to chrony (the daemon)",
    "detect": "find receivers, and what to configure for them",
    "check": "judge a configuration and this host before the first start",
    "doctor": "judge chrony's configuration, what runs beside it, and its live state",
    "status": "ask the running daemon what it trusts, and why",
    "now": "the time, how well it is known, and what it rests on",
    "wait": "until the time is established, for units that services depend on",
    "explain": "the last refusals in plain words, and what to do about each",
    "ledger": "who felt for the limits, and what is left of the budget",
    "rearm": "end a lock, after a look at what led to it",
    "enroll": "measure this host's rates, show them, and store them",
    "confirm": "put limits in force that a configuration loosens",
    "setback": "the guided procedure for a clock that is ahead; sets nothing itself",
    "realm": "ask the realm's KDCs for their clocks, and say which one strays",
    "record": "write what the ports say into a capture, deciding nothing",
    "replay": "decide a capture again, bit for bit",
    "scrub": "write a capture anew, without the antenna's position",
    "decode": "print every labelled second found in a receiver's byte stream",
    "simulate": "write a capture of a simulated world, attackers included",
    "museum": "replay real time failures, with the verdict that each must get",
    "install": "put units, rules and a configuration in place, and say what is next",
    "uninstall": "remove what install wrote and nobody edited",
    "segment": "as root: make chrony's shared memory and give it to the daemon's user",
    "demo": "watch the whole chain work, and refuse an attack, on this machine",
}


def _overview() -> str:
    lines = ["usage: refclock VERB [OPTION]...", "", "Vetted time from a hardware receiver for chrony.", ""]
    lines += [f"  {verb:<10}{summary}" for verb, summary in VERBS.items()]
    lines += ["", "  refclock VERB --help   explains one verb, with an example", "  refclock --version"]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status (0 well, 1 found wanting, 2 unusable input)."""
    for name, mode in _STREAMS:
        # Closed by whoever started us: what is opened next would take its place.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  # until the end
    try:
        status = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # The reader of our output left; there is nobody to tell.
        _say_no_more()
        return 0
    except OSError as error:
        if error.errno not in _FULL or error.filename is not None:
            raise
        _say_no_more()
        print(f"refclock: what was found cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _say_no_more() -> None:
    """Keep the interpreter from trying again at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"refclock {__version__}")
        return 0
    if words[0] not in VERBS:
        known = ", ".join(VERBS)
        print(f"refclock: {words[0]!r} is not a verb; the verbs are {known}.", file=sys.stderr)
        return 2
    verb = importlib.import_module(f"refclock.cli.{words[0]}")
    parser = argparse.ArgumentParser(
        prog=f"refclock {words[0]}",
        description=VERBS[words[0]],
        epilog=f"example:\n  {verb.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.arguments(parser)
    try:
        return int(verb.main(parser.parse_args(words[1:])))
    except RefclockError as error:
        print(f"refclock {words[0]}: {error}", file=sys.stderr)
        return error.exit_status
