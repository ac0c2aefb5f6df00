"""``refclock explain``: the last refusals in plain words, and what to do about each."""

import argparse
import json
import textwrap
from collections.abc import Iterator

from refclock.capture import CaptureReader
from refclock.cli.operator import WIDTH, at, row
from refclock.cli.replay import bridge_for, own_policy, replay
from refclock.cli.status import ask, socket_arguments, socket_path
from refclock.units import NS_PER_S, printable, show, show_ns

EXAMPLE = "refclock explain --config /etc/refclock/receiver.toml"

Fields = dict[str, object]
_LOCKED = "find out who was right; then refclock rearm --reason ... trusts the receiver anew"
_DATES = ("date-floor", "date-ceiling")


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    socket_arguments(parser)
    parser.add_argument("--capture", metavar="FILE", help="explain what a replay of this capture refuses")
    parser.add_argument("--all", action="store_true", help="waiting, and single answers of servers, too")
    parser.add_argument("--json", action="store_true", help="the groups of refusals, for programs")


def main(args: argparse.Namespace) -> int:
    """Print them; 1 when there is no daemon to ask."""
    document = _replayed(args.capture) if args.capture else ask(socket_path(args))
    if args.json:
        print(json.dumps(document.get("refusals", [])))
    else:
        print("\n".join(told(document, everything=args.all)))
    return 0


def _replayed(path: str) -> Fields:
    with CaptureReader(path) as reader:
        bridge = bridge_for(reader.header, own_policy(reader))
        last_ns = 0
        for decision in replay(reader, bridge):
            last_ns = decision.raw_ns
    return bridge.view(last_ns)


def told(document: Fields, everything: bool = False, rejections_only: bool = False) -> list[str]:
    """A status document's refusals for people, at most 80 columns wide."""
    lines = [row("mode", f"{document.get('mode')}: {document.get('mode_reason')}")]
    kinds = ("reject", "violation") if rejections_only else ("reject", "violation", "absent", "alarm")
    refusals = document.get("refusals")
    groups = [one for one in refusals if isinstance(one, dict)] if isinstance(refusals, list) else []
    shown = [one for one in groups if everything or one.get("kind") in kinds or one.get("accused")]
    accused = document.get("last_accusation")
    if accused and all(one.get("accused") != accused for one in shown):
        lines.append(row("accused", str(accused)))
    if document.get("mode") == "locked":
        lines.append(row("what to do", _LOCKED))
    if not shown:
        lines += ["", "No second was refused for what it said."]
        lines += [f"There were {_count(groups)}."] if groups else []
    for group in shown:
        lines += ["", *_group(group)]
    if shown and len(groups) > len(shown):
        lines += ["", f"Left out: {_count([one for one in groups if one not in shown])}."]
    return lines


def _count(groups: list[Fields]) -> str:
    names = sorted({printable(one.get("reason")) for one in groups})
    return f"{', '.join(names)} (refclock explain --all)"


def _group(group: Fields) -> Iterator[str]:
    first, last = _number(group, "first_real_ns"), _number(group, "last_real_ns")
    count, unit = _number(group, "count"), str(group.get("unit"))
    when = f"{at(first)} by the system clock"
    if count > 1:
        when += f", {count} times in {_length((last - first) // NS_PER_S)}"
    yield textwrap.fill(printable(f"{group.get('reason')}: {group.get('words')}"), WIDTH)
    yield row("  when", when)
    value, limit = _number(group, "worst_value"), _number(group, "limit")
    if group.get("reason") in _DATES:
        yield row("  found", f"{at(value * NS_PER_S)}, limit {at(limit * NS_PER_S)}")
    elif unit:
        mask = f" of mask {group['mask']}" if group.get("mask") else ""
        most = "up to " if count > 1 else ""
        limit_shown = show(limit, unit).lstrip("+")
        yield row("  found", f"{most}{show(value, unit)}, limit {limit_shown}{mask}")
    utc = group.get("utc_ns")
    if isinstance(utc, int):
        yield row("  label", f"the receiver said {at(utc)}")
    yield from _witnesses(group)
    if group.get("accused"):
        yield row("  accused", str(group["accused"]))
    if group.get("mend"):
        yield row("  what to do", str(group["mend"]))


def _witnesses(group: Fields) -> Iterator[str]:
    """Who said what, against the time that the counter carried on from the last accepted second."""
    rows = group.get("witnesses")
    parts = []
    for one in rows if isinstance(rows, list) else []:
        state, name = printable(one.get("state")), printable(one.get("name"))
        low, high = one.get("lo_ns"), one.get("hi_ns")
        if name.startswith(("ntp:", "kdc:", "chrony:")) and state != "falseticker":
            continue  # their majority speaks for them
        where = ""
        if isinstance(low, int) and isinstance(high, int):
            where = f" ({show_ns(low)} to {show_ns(high)})"
        detail = f": {printable(one['detail'])}" if state == "no opinion" and one.get("detail") else ""
        with_whom = " with the counter" if where and "agrees" in state else ""
        parts.append(f"{name} {state}{with_whom}{where}{detail}")
    if parts:
        yield row("  witnesses", "; ".join(parts))


def _number(group: Fields, key: str) -> int:
    value = group.get(key)
    return value if isinstance(value, int) else 0


def _length(seconds: int) -> str:
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"
