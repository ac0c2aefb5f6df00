"""``refclock detect``: which receivers are there, what they speak, and how to configure them."""

import argparse
import json
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from types import FrameType

from refclock.cli.operator import WIDTH, at
from refclock.detect.devices import Line, line_of, lines
from refclock.detect.enrolment import WAYS, default_way, enrolment, rules_file
from refclock.detect.examine import (
    ANSWERS,
    CONSOLE,
    HELD,
    REFUSED,
    SILENT,
    SPEAKS,
    UNKNOWN,
    Finding,
    configuration,
    examine,
)
from refclock.detect.report import document
from refclock.errors import ConfigError
from refclock.units import NS_PER_S, printable

EXAMPLE = """refclock detect
  refclock detect --probe /dev/ttyUSB0
  refclock detect --enroll gps0 /dev/ttyUSB0 --rules-dir /etc/udev/rules.d"""

_MEND = {
    SILENT: "silent. It speaks only when asked (try --probe, if nothing on this line can take harm), its "
    "speed is an odd one, or nothing is connected.",
    UNKNOWN: "speaks nothing that is known here. --probe may find out more, if nothing on this line can "
    "take harm.",
    CONSOLE: "left alone: it is this host's console.",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("devices", metavar="DEVICE", nargs="*", help="look at these lines only (all)")
    parser.add_argument(
        "--probe", action="store_true",
        help="also ask, with questions that change nothing: silent lines who they are, receivers their "
        "model; only where no line leads to something that takes unknown bytes amiss",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object (docs/detect.md)")
    parser.add_argument("--list", action="store_true", help="only list what udev knows; open nothing")
    parser.add_argument(
        "--enroll", metavar="NAME",
        help="print the udev rule that makes the one DEVICE /dev/refclock/NAME; nothing is opened",
    )  # fmt: skip
    parser.add_argument(
        "--by", choices=WAYS,
        help="with --enroll: know it again by its serial number, or by where it is plugged in (serial, "
        "where it has one)",
    )  # fmt: skip
    parser.add_argument("--rules-dir", metavar="DIR", help="with --enroll: write the rule there")


def main(args: argparse.Namespace) -> int:
    """0 when a receiver was found, 1 when none was, 2 for unusable arguments."""
    if args.enroll is not None:
        return _enroll(args)
    if args.by or args.rules_dir:
        raise ConfigError("--by and --rules-dir belong to --enroll NAME; name the receiver with it.")
    if args.list and args.probe:
        raise ConfigError("--list opens nothing, --probe must; give one of them.")
    known = lines()
    chosen = list(dict.fromkeys(line_of(path, known) for path in args.devices)) if args.devices else known
    if args.list:
        findings = [Finding(line, HELD if line.held else "listed", ", ".join(line.held)) for line in chosen]
    else:
        findings = _looked_at(chosen, args.probe)
    if args.json:
        print(json.dumps(document(findings), ensure_ascii=True))
    else:
        print("\n".join(told(finding) for finding in findings) or "No serial line was found.")
    return int(not any(one.receiver or (args.list and one.line.named) for one in findings))


def _looked_at(chosen: list[Line], ask: bool) -> list[Finding]:
    if os.geteuid() != 0:
        print("Not run as root: other users' programs that have a line open cannot be seen.", file=sys.stderr)
    # A line must be left as it was found whatever ends this: SIGTERM unwinds like Ctrl-C does.
    before = signal.signal(signal.SIGTERM, _unwind)
    progress = _Progress()
    try:
        return [examine(line, ask, progress.of(line.stable)) for line in chosen]
    finally:
        progress.clear()
        signal.signal(signal.SIGTERM, before)


def _unwind(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


class _Progress:
    """One line on a terminal, rewritten; nothing in a pipe."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def of(self, name: str) -> Callable[[str], None]:
        """What a look at this line tells its progress to."""
        return lambda text: self._show(f"{name}: {text}")

    def _show(self, text: str) -> None:
        if self._shown:
            print(f"\r\x1b[K{printable(text)[: WIDTH - 1]}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Leave a clean line."""
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def told(finding: Finding) -> str:
    """A finding for people."""
    line = finding.line
    alias = [os.path.basename(line.node)] if line.stable != line.node else []
    facts = [*alias, f"driver {line.driver}" if line.driver else "", line.ids, line.vendor, line.model]
    facts.append(f"serial {line.serial}" if line.serial else "no serial number" if line.ids else "")
    texts = [", ".join(fact for fact in facts if fact), *_outcome(finding)]
    shown = [printable(line.stable)]
    for text in texts:
        shown += textwrap.wrap(
            printable(text), WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
        )
    block = configuration(finding)
    return "\n".join([*shown, *(["", textwrap.indent(block, "    ")] if block else [])])


def _outcome(finding: Finding) -> list[str]:
    """What the look brought, one text a line."""
    if finding.outcome in _MEND:
        return [_MEND[finding.outcome]]
    if finding.outcome == HELD:
        return [f"not opened: in use by {finding.why}. {_release(finding.why)}"]
    if finding.outcome == REFUSED:
        return [f"not looked at: {finding.why}"]
    if finding.outcome not in (SPEAKS, ANSWERS):
        return []
    verb = "speaks" if finding.outcome == SPEAKS else "answers:"
    others = [one for one in finding.heard.families if one != finding.family]
    also = f" (and {', '.join(others)})" if others else ""
    texts = [f"{verb} {finding.title}{also} at {finding.setting}"]
    label = finding.heard.label
    if label is not None:
        word = {True: "valid", False: "not valid (no fix?)", None: "validity unsaid"}[label.valid]
        texts.append(f"says {at(label.utc_s * NS_PER_S)}, {word}")
    if finding.found is not None:
        answer = finding.found.answer
        parts = [answer.model, answer.serial and f"serial {answer.serial}"]
        parts += [answer.firmware and f"firmware {answer.firmware}"]
        parts += ["confirmed by a second question" if finding.found.confirmed else "not confirmed"]
        texts.append(", ".join(part for part in parts if part))
    return texts + ([f"note: {finding.advice}"] if finding.advice else [])


def _release(holders: str) -> str:
    """How to get a line back."""
    if "gpsd" in holders:
        return (
            "To have it read directly, stop gpsd (systemctl disable --now gpsd.socket gpsd.service) or take "
            "the device out of its configuration."
        )
    if "refclock" in holders:
        return "The daemon reads it: see refclock status."
    return "Stop that program, or take the device out of its configuration."


def _enroll(args: argparse.Namespace) -> int:
    known = lines()
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
    print(f"  udevadm control --reload && udevadm trigger --settle --action=add {line.node}", file=sys.stderr)
    return 0
