"""``refclock museum``: real time failures, replayed, with the verdict that each must get."""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import refclock
from refclock.capture import CaptureReader
from refclock.cli.replay import bridge_for, own_policy, replay
from refclock.cli.summary import Summary, expectations, unmet
from refclock.cli.verdict import VERDICTS, Verdict
from refclock.errors import CaptureError, ConfigError
from refclock.units import NS_PER_MS, NS_PER_S, show_ns

EXAMPLE = "refclock museum\n  refclock museum --exhibit furuno-2022"
_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.xz")
_WIDTH = 90
_HEADINGS = ("exhibit", "verdict", "after", "worst admitted error", "as required")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One exhibit's replay. ``after_ns`` is the time from the incident's beginning to the verdict;
    ``worst_ns`` the worst error of all seconds fed (None: none was); ``failed`` what was not as required.
    """

    name: str
    required: str
    verdict: str
    after_ns: int | None
    worst_ns: int | None
    published: int
    failed: list[str]


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's options."""
    parser.add_argument("directory", nargs="?", metavar="DIR", help="where the exhibits are")
    parser.add_argument(
        "--exhibit", action="append", default=[], metavar="NAME", help="this one, with its story; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def main(args: argparse.Namespace) -> int:
    """Show the museum; 0 all as required, 1 otherwise."""
    paths = exhibits(Path(args.directory) if args.directory else None)
    if unknown := [name for name in args.exhibit if name not in paths]:
        raise ConfigError(f"no exhibit is called {', '.join(unknown)}; there are {', '.join(paths)}.")
    chosen = {name: path for name, path in paths.items() if not args.exhibit or name in args.exhibit}
    outcomes, stories = [], []
    progress = sys.stderr.isatty()
    for number, (name, path) in enumerate(chosen.items(), 1):
        if progress:
            print(f"\r\x1b[K{number} of {len(chosen)}: {name}", end="", file=sys.stderr, flush=True)
        outcome, story = visit(path)
        outcomes.append(outcome)
        stories.append(story)
    if progress:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=2))
    else:
        if args.exhibit:
            print("\n\n".join(stories), end="\n\n")
        print(table(outcomes))
    return int(any(outcome.failed for outcome in outcomes))


def exhibits(directory: Path | None = None) -> dict[str, Path]:
    """The exhibits by name. Raises ConfigError where there are none."""
    found = directory or Path(refclock.__file__).resolve().parents[2] / "hw-fixtures" / "incidents"
    paths = {}
    for path in sorted(found.glob("*.jsonl*")):
        name, dot, rest = path.name.partition(".")
        if dot + rest in _SUFFIXES:
            paths[name] = path
    if not paths:
        raise ConfigError(
            f"no exhibits in {found}. They come with the source, not with an installed package: get "
            "hw-fixtures/incidents from there and name it, as in `refclock museum DIR`."
        )
    return paths


def visit(path: Path) -> tuple[Outcome, str]:
    """Replay one exhibit: what came out, and its story for people. Raises CaptureError."""
    with CaptureReader(str(path)) as reader:
        shown = reader.header.get("exhibit")
        if not isinstance(shown, dict) or shown.get("verdict") not in VERDICTS:
            raise CaptureError(
                f"{path}:1: not an exhibit: its header does not say which verdict is required."
            )
        begins = shown.get("begins_utc_ns")
        bridge = bridge_for(reader.header, own_policy(reader))
        summary = Summary(reader.header)
        verdict = Verdict(reader.header, begins if isinstance(begins, int) else None)
        for decision in replay(reader, bridge):
            summary.add(decision)
            verdict.add(decision)
        summary.finish(bridge, reader)
        failed = unmet(expectations(reader), summary)
    if verdict.word != shown["verdict"]:
        failed.insert(0, f"verdict {verdict.word}, required {shown['verdict']}")
    if verdict.backwards:
        failed.append(f"{verdict.backwards} seconds fed that were not later than the one before")
    if reader.footer is None:
        failed.append("truncated: no footer")
    name = path.name.partition(".")[0]
    outcome = Outcome(
        name,
        str(shown["verdict"]),
        verdict.word,
        verdict.after_ns,
        summary.worst_ns,
        summary.published,
        failed,
    )
    simulated = "simulated" if reader.header.get("simulated") is True else "recorded"
    story = [
        *_folded(f"{shown.get('title')} ({shown.get('date')}; {simulated})"),
        *_folded(f"{shown.get('what happened')} {shown.get('source')}"),
        *_folded(f"Required: {shown.get('required')}."),
        *(_folded(str(shown["note"])) if "note" in shown else []),
        "",
        summary.table(),
    ]
    return outcome, "\n".join(story)


def _folded(text: str) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def table(outcomes: list[Outcome]) -> str:
    """The table, at most 90 columns wide; what was not as required stands below its exhibit."""
    rows = [_row(*_HEADINGS)]
    for one in outcomes:
        worst = "nothing fed" if one.worst_ns is None else show_ns(one.worst_ns).lstrip("+")
        rows.append(_row(one.name, one.verdict, _seconds(one.after_ns), worst, "NOT" if one.failed else "ok"))
        rows += [f"    {line}" for failure in one.failed for line in _folded(failure)]
    right = sum(not one.failed for one in outcomes)
    return "\n".join([*rows, f"{right} of {len(outcomes)} as required"])


def _row(name: str, verdict: str, after: str, worst: str, right: str) -> str:
    return f"{name:<28}{verdict:<10}{after:>10}  {worst:>22}  {right}"


def _seconds(after_ns: int | None) -> str:
    if after_ns is None:
        return "-"
    return f"{after_ns // NS_PER_S}.{after_ns % NS_PER_S // (100 * NS_PER_MS)} s"
