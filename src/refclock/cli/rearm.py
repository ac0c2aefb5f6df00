"""``refclock rearm``: end a lock, after looking at what led to it."""

import argparse

from refclock.cli.explain import told
from refclock.cli.operator import agreed, tell, yes_argument
from refclock.cli.status import ask, socket_arguments, socket_path
from refclock.errors import ConfigError

EXAMPLE = 'refclock rearm --reason "antenna cable replaced, compared with the KDC next door"'


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why it may be trusted again; logged")
    socket_arguments(parser)
    yes_argument(parser)


def main(args: argparse.Namespace) -> int:
    """Print the evidence, ask, rearm; 1 when that was refused or not agreed to."""
    if not args.reason.strip():
        raise ConfigError("--reason: say why; it is what the log will hold.")
    path = socket_path(args)
    document = ask(path)
    print("\n".join(told(document, rejections_only=True)))
    if document.get("mode") != "locked":
        return tell(path, {"verb": "rearm", "reason": args.reason})  # which will say that there is no lock
    print()
    if not agreed(args.yes, "Trust the receiver anew, from the dwell on?"):
        return 1
    return tell(path, {"verb": "rearm", "reason": args.reason})
