"""``refclock uninstall``: remove what install wrote and nobody edited."""

import argparse
from pathlib import Path

from refclock.cli.install import line, root_arguments
from refclock.install import remove

EXAMPLE = "refclock uninstall --dry-run"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    root_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Remove, and say what was removed and what stays."""
    deeds = list(remove(Path(args.root), args.dry_run))
    for deed in deeds:
        print(line(deed))
    if args.dry_run:
        print("\nDry run: that is what would be done. Nothing was removed.")
    elif not deeds:
        print("Nothing to remove: refclock install wrote nothing here.")
    else:
        print(
            "\nWhat is next:\n  1. systemctl daemon-reload && udevadm control --reload\n"
            "  2. take refclock's line out of chrony.conf\n"
            "  3. /var/lib/refclock (floor, lock, enrolled rates) and the user refclock stay as they are"
        )
    return 0
