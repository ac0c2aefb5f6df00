"""What the operator's verbs share: telling the daemon something, and asking before something is done."""

import argparse
import json
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta

from refclock.cli.status import exchange
from refclock.errors import PortError
from refclock.policy import Policy
from refclock.units import NS_PER_S, printable

WIDTH = 80
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TRIES = 20
_PAUSE_S = 0.02


def yes_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--yes``."""
    parser.add_argument("--yes", action="store_true", help="do not ask")


def tell(path: str, request: dict[str, object]) -> int:
    """Tell the running daemon something and print its answer; returns the exit status.

    Who came too late (refclock.sinks.status) was not obeyed: the answer is then the status document, or
    none, and the line is said again. Raises PortError
    where no daemon answers.
    """
    line = json.dumps(request).encode() + b"\n"
    for _ in range(_TRIES):
        answer = exchange(path, line)
        if answer is not None and "refclock_answer" in answer:
            done, text = answer.get("done") is True, printable(answer.get("text"))
            print(textwrap.fill(text, WIDTH), file=sys.stdout if done else sys.stderr)
            return int(not done)
        time.sleep(_PAUSE_S)
    raise PortError(f"{path}: what answers there takes no commands; is it a refclock daemon of this version?")


def runs(policy: Policy) -> bool:
    """True when something answers on this configuration's socket."""
    try:
        return policy.status_socket is not None and exchange(policy.status_socket) is not None
    except PortError:
        return False


def agreed(yes: bool, question: str) -> bool:
    """True when the operator agrees: by ``--yes``, or by typing yes at a terminal."""
    if yes:
        return True
    if not sys.stdin.isatty():
        print("Not done: say --yes, or answer at a terminal.", file=sys.stderr)
        return False
    print(f"{question} [yes/no] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print("Nothing was changed.", file=sys.stderr)
    return False


def row(label: str, text: str, width: int = 14) -> str:
    """A label and its text, wrapped under itself."""
    lines = textwrap.wrap(printable(text), WIDTH - width) or [""]
    return "\n".join(f"{label if not index else '':<{width}}{line}" for index, line in enumerate(lines))


def at(posix_ns: int) -> str:
    """An instant as UTC; what lies outside the calendar as a number."""
    try:
        when = _EPOCH + timedelta(seconds=posix_ns // NS_PER_S)
    except OverflowError:
        return f"POSIX second {posix_ns // NS_PER_S}"
    return f"{when:%Y-%m-%d %H:%M:%S}Z"
