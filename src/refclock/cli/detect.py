"""``refclock detect``: which receivers are there, what they speak, and how to configure them."""

import argparse
import os
import sys

from refclock.cli.operator import printable
from refclock.detect.devices import Line, line_of, lines
from refclock.detect.enrolment import WAYS, default_way, enrolment, rules_file
from refclock.errors import ConfigError

EXAMPLE = "refclock detect --enroll gps0 /dev/ttyUSB0 --rules-dir /etc/udev/rules.d"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("devices", metavar="DEVICE", nargs="*", help="look at these lines only (all)")
    parser.add_argument(
        "--enroll", metavar="NAME",
        help="print the udev rule that makes the one DEVICE /dev/refclock/NAME; nothing is opened",
    )  # fmt: skip
    parser.add_argument(
        "--by", choices=WAYS,
        help="with --enroll: know it again by its serial number, or by where it is plugged in (serial, "
        "where it has one)",
    )  # fmt: skip
    parser.add_argument(
        "--rules-dir", metavar="DIR", help="with --enroll: write the rule into this directory"
    )


def main(args: argparse.Namespace) -> int:
    """0 when a receiver was found, 1 when none was, 2 for unusable arguments."""
    known = lines()
    if args.enroll is not None:
        return _enroll(args, known)
    if args.by or args.rules_dir:
        raise ConfigError("--by and --rules-dir belong to --enroll NAME; name the receiver with it.")
    chosen = [line_of(path, known) for path in args.devices] if args.devices else known
    for line in chosen:
        print("\n".join(described(line)))
    return int(not any(line.named for line in chosen))


def described(line: Line) -> list[str]:
    """What udev says of a line, for people."""
    alias = [os.path.basename(line.node)] if line.stable != line.node else []
    facts = [*alias, f"driver {line.driver}" if line.driver else "", line.ids, line.vendor, line.model]
    facts.append(f"serial {line.serial}" if line.serial else "no serial number" if line.ids else "")
    return [line.stable, "  " + ", ".join(printable(fact) for fact in facts if fact)]


def _enroll(args: argparse.Namespace, known: list[Line]) -> int:
    if len(args.devices) != 1:
        raise ConfigError("--enroll takes exactly one DEVICE, such as /dev/ttyUSB0.")
    line = line_of(args.devices[0], known)
    text = enrolment(line, args.enroll, args.by or default_way(line), known)
    if not args.rules_dir:
        print(text, end="")
        return 0
    path = os.path.join(args.rules_dir, rules_file(args.enroll))
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigError(
            f"{path}: {os.strerror(error.errno or 0)}; name a directory that you may write, such as "
            "/etc/udev/rules.d as root."
        ) from None
    print(f"{path}: written. It takes effect when the receiver is plugged in again, or with", file=sys.stderr)
    print("  udevadm control --reload && udevadm trigger --settle --action=add " + line.node, file=sys.stderr)
    return 0
