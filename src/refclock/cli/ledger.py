"""``refclock ledger``: who felt for the limits, and what is left of the budget."""

import argparse
import json

from refclock.cli.operator import at, row
from refclock.cli.status import ask, socket_arguments, socket_path
from refclock.units import NS_PER_S, PPT_PER_PPM, show_ns

EXAMPLE = "refclock ledger --config /etc/refclock/receiver.toml"

Fields = dict[str, object]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    socket_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the same, for programs")


def main(args: argparse.Namespace) -> int:
    """Print the ledger; 1 when there is no daemon to ask."""
    document = ask(socket_path(args))
    if args.json:
        print(json.dumps({key: document.get(key) for key in ("probes", "budget")}))
    else:
        print("\n".join(told(document)))
    return 0


def told(document: Fields) -> list[str]:
    """The ledger for people, at most 80 columns wide."""
    lines = []
    probes, budget = document.get("probes"), document.get("budget")
    if isinstance(probes, dict):
        lines += _probes(probes)
    if not isinstance(budget, dict):
        return [*lines, row("budget", "none yet: no second was accepted since trust began anew")]
    earned = f"earned over {_hours(budget.get('earned_ns'))}"
    frozen = "frozen: a receiver is being rejected, and time heals nothing"
    lines.append(row("budget", frozen if budget.get("frozen") else earned))
    masks = budget.get("masks")
    for number, mask in enumerate(masks if isinstance(masks, list) else [], 1):
        lines.append(row(f"mask {number}", _mask(mask)))
    spent = budget.get("reanchored")
    count = len(spent) if isinstance(spent, list) else 0
    left, year = _ns(budget, "reanchor_left_ns"), _ns(budget, "reanchor_year_ns")
    return [
        *lines,
        row(
            "re-anchored",
            f"{count} time{'s' * (count != 1)}; {_span(left)} of {_span(year)} left for this year",
        ),
    ]


def _probes(probes: Fields) -> list[str]:
    count = probes.get("count")
    if not count:
        return [row("probes", "none: never was more than half of mask 1's offset in use")]
    last = probes.get("last_utc_s")
    when = at(last * NS_PER_S) if isinstance(last, int) else "unknown"
    beyond = f"{probes.get('refused')} of them beyond all of it and refused"
    return [
        row("probes", f"{count} excursion{'s' * (count != 1)} beyond half of mask 1's offset, {beyond}"),
        row("  amplitude", f"{_span(_ns(probes, 'worst_ns'))} in use at most"),
        row("  variation", f"{_span(_ns(probes, 'variation_ns'))} travelled in all of them together"),
        row("  last", f"{when} by the receiver's label"),
    ]


def _mask(mask: Fields) -> str:
    rate = _ns(mask, "rate_ppt")
    shown = f"{rate // PPT_PER_PPM} ppm" if rate % PPT_PER_PPM == 0 else f"{rate} ppt"
    up, down = _ns(mask, "up_ns"), _ns(mask, "down_ns")
    return f"{_span(_ns(mask, 'offset_ns'))} and {shown}: room for {show_ns(up)} and {show_ns(-down)} now"


def _ns(fields: Fields, key: str) -> int:
    value = fields.get(key)
    return value if isinstance(value, int) else 0


def _span(size_ns: int) -> str:
    return show_ns(size_ns).lstrip("+")


def _hours(size_ns: object) -> str:
    seconds = size_ns // NS_PER_S if isinstance(size_ns, int) else 0
    return f"{seconds // 3600} h {seconds // 60 % 60} min"
