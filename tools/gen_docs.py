"""Writes into the documents what the code already knows: tables, the diagram of the modes, transcripts; and
the chrony.conf of each profile.

    .venv/bin/python tools/gen_docs.py            writes
    .venv/bin/python tools/gen_docs.py --check    exits 1 when a document is out of date

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``, behind ``.\\"`` in
a manual page; all else in the documents is written by hand. ``tests/unit/test_docs.py`` compares.
"""

import argparse
import contextlib
import importlib
import importlib.util
import io
import os
import re
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import manpages

from refclock import cli
from refclock.chrony.examining import HOST_RULES
from refclock.chrony.rule import Rule
from refclock.chrony.rules.table import RULES
from refclock.chrony.shipped import Present, complete
from refclock.core.rules.modes import TABLE, Trigger
from refclock.core.rules.reasons import REASONS
from refclock.model import Mode
from refclock.policy import HARD_CAPS_PPT, LIMIT_ROWS, PROFILES, LimitRow
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, PPT_PER_PPM
from refclock.wire.families import FAMILIES

ROOT = Path(__file__).resolve().parents[1]
# The manual pages are made from parts of the documents before them.
DOCUMENTS = (
    "README.md", "docs/configuration.md", "docs/doctor.md", "docs/guide.md", "docs/receivers.md",
    "docs/verbs.md", "docs/vetting.md",
    "docs/man/refclock.8", "docs/man/refclock.toml.5",
)  # fmt: skip

_PART = re.compile(
    r"(?P<head><!-- generated: (?P<name>[a-z0-9-]+) -->\n)(?P<body>.*?)"
    r"(?P<tail>(?:\.\\\" )?<!-- end of (?P=name) -->)",
    re.S,
)

# The one in README: a world in which the receiver steps by 100 ms, and what is made of it.
TRANSCRIPT = (
    "refclock simulate --duration 1h --attack step:+100ms@40m --out step.jsonl",
    "refclock replay step.jsonl --summary",
)


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def modes() -> str:
    """The transition table as a diagram."""
    triggers: dict[tuple[Mode, Mode], list[str]] = {}
    for (before, trigger), after in TABLE.items():
        triggers.setdefault((before, after), []).append(trigger.name.lower().replace("_", " "))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Mode.COLD.value}"]
    for (before, after), names in triggers.items():
        lines.append(f"    {before.value} --> {after.value}: {', '.join(names)}")
    return "\n".join([*lines, "```"]) + "\n"


def triggers() -> str:
    """What each trigger means."""
    rows = [(trigger.name.lower().replace("_", " "), trigger.value) for trigger in Trigger]
    return _rows(("trigger", "when"), rows)


def reasons() -> str:
    """Every reason, in the order of the code, which groups them."""
    rows = [
        (f"`{name}`", reason.kind, reason.unit or "-", reason.words, reason.mend or "-")
        for name, reason in REASONS.items()
    ]
    return _rows(("reason", "kind", "unit", "what it says", "what to do"), rows)


def _ppm(ppt: int) -> str:
    """A rate for people: percent, ppm, or parts in 10^12."""
    for size, name in ((10_000 * PPT_PER_PPM, "%"), (PPT_PER_PPM, "ppm")):
        if ppt >= size:
            return f"{ppt // size} {name}" if ppt % size == 0 else f"{ppt / size:g} {name}"
    return f"{ppt}e-12"


def _human(row: LimitRow, value: int) -> str:
    """A default for people, in the largest unit in which it is whole."""
    if row.key.endswith("_ppt"):
        return _ppm(value)
    if row.scale == 1:
        return str(value)
    for size, name in ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "us")):
        if value * row.scale % size == 0:
            return f"{value * row.scale // size} {name}"
    return f"{value * row.scale} ns"


def limits() -> str:
    """Every limit in units for people: the rules' view."""
    rows = [
        ("hard cap, in the code", *(_ppm(HARD_CAPS_PPT[one]) for one in PROFILES), "fastest rate ever fed")
    ]
    for row in LIMIT_ROWS:
        rows.append((f"`{row.key}`", *(_human(row, value) for value in row.defaults), row.meaning))
    return _rows(("limit", *PROFILES, "meaning"), rows)


def limit_keys() -> str:
    """Every limit in the unit of its key: the configuration's view."""
    rows = [
        (
            f"`{row.key}`",
            *(str(value) for value in row.defaults),
            f"{row.low} to {row.high}",
            row.tighter,
            row.meaning,
        )
        for row in LIMIT_ROWS
    ]
    return _rows(("key", *PROFILES, "range", "tighter is", "meaning"), rows)


def verbs() -> str:
    """One line for each verb."""
    rows = [(f"[`{name}`](docs/verbs.md#refclock-{name})", told) for name, told in cli.VERBS.items()]
    return _rows(("verb", "what it does"), rows)


def parser_of(verb: str) -> argparse.ArgumentParser | None:
    """A verb's parser as refclock.cli.main makes it; None for a verb whose module is not there yet."""
    if importlib.util.find_spec(f"refclock.cli.{verb}") is None:
        return None
    parser = argparse.ArgumentParser(prog=f"refclock {verb}")
    importlib.import_module(f"refclock.cli.{verb}").arguments(parser)
    return parser


def _option(action: argparse.Action) -> tuple[str, str]:
    value = action.metavar if isinstance(action.metavar, str) else (action.dest or "").upper()
    if action.choices is not None:
        value = "{" + ",".join(map(str, action.choices)) + "}"
    if action.nargs == "?" and action.option_strings:
        value = f"[{value}]"
    if not action.option_strings:
        return f"`{value}`", action.help or ""
    shown = action.option_strings[-1] + (f" {value}" if action.nargs != 0 else "")
    return f"`{shown}`" + (" (required)" if action.required else ""), action.help or ""


def verb_pages() -> str:
    """Each verb with its options and its example."""
    pages = []
    for name, told in cli.VERBS.items():
        page = f"## refclock {name}\n\n{told[0].upper()}{told[1:]}.\n\n"
        parser = parser_of(name)
        if parser is None:
            pages.append(page + "Not there yet.\n")
            continue
        shown = [action for action in parser._actions if action.dest != "help"]
        if shown:
            page += _rows(("argument", "meaning"), [_option(action) for action in shown]) + "\n"
        example = importlib.import_module(f"refclock.cli.{name}").EXAMPLE
        # What follows an empty line explains; simulate's list of attacks has a table of its own.
        pages.append(f"{page}```sh\n{example.strip().partition(chr(10) * 2)[0]}\n```\n")
    return "\n".join(pages)


def attacks() -> str:
    """The attacks that a simulated world knows."""
    from refclock.world import attack_table  # noqa: PLC0415  # the one generator that needs the world

    rows = []
    for line in attack_table().splitlines():
        written, _, meaning = line.strip().partition("  ")
        rows.append((f"`{written}`", meaning.strip()))
    return _rows(("attack, with the amount taken where none is written", "what it does"), rows)


def families() -> str:
    """The families of receivers, from the table that the program reads."""
    rows = [
        (
            f"`{family.name}`", family.title, "yes" if family.checked else "no",
            f"{family.baud} {family.framing}", family.label_edge if "time" in family.says else "-",
            family.timescale.replace("utc", "UTC").replace("gps", "GPS") if "time" in family.says else "-",
            ", ".join(family.says) or "nothing", family.advice or "-",
        )
        for family in sorted(FAMILIES.values(), key=lambda family: family.name)
    ]  # fmt: skip
    head = ("name", "what", "checksum", "usual line", "edge", "time scale", "tells", "to do")
    return _rows(head, rows)


def _rule_rows(rules: tuple[Rule, ...]) -> str:
    rows = [
        (one.name, one.clause, one.must, one.why, one.verdict("kdc"), one.verdict("appserver"))
        for one in rules
    ]
    return _rows(("row", "clause", "what must hold", "else", "KDC", "application server"), rows)


def chrony_rules() -> str:
    """What `refclock doctor` asks of chrony's configuration."""
    return _rule_rows(tuple(rule for rule, _ in RULES))


def host_rules() -> str:
    """What it asks of the host and of the chronyd that runs."""
    return _rule_rows(HOST_RULES)


def shipped(profile: str, name: str) -> str:
    """The chrony.conf that is installed for a receiver of that name."""
    return complete(profile, Present(ways=(f"/run/chrony.refclock.{name}.sock",)))


def chrony_kdc() -> str:
    """The KDC's, as the guide shows it."""
    return f"```\n{shipped('kdc', 'receiver')}```\n"


def transcript() -> str:
    """What the commands of TRANSCRIPT print, run here and now in a directory of their own."""
    out, home = io.StringIO(), Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        try:
            for command in TRANSCRIPT:
                out.write(f"$ {command}\n")
                with contextlib.redirect_stdout(out):
                    cli.main(command.split()[1:])
        finally:
            os.chdir(home)
    return f"```console\n{out.getvalue()}```\n"


PARTS: dict[str, Callable[[], str]] = {
    "attacks": attacks,
    "chrony-kdc": chrony_kdc,
    "chrony-rules": chrony_rules,
    "families": families,
    "host-rules": host_rules,
    "limits": limits,
    "limit-keys": limit_keys,
    "man-exit-status": manpages.exit_statuses,
    "man-keys": manpages.keys,
    "man-limits": manpages.limits,
    "man-title-5": lambda: manpages.title("REFCLOCK.TOML", 5),
    "man-title-8": lambda: manpages.title("REFCLOCK", 8),
    "man-verbs": lambda: manpages.verbs(parser_of),
    "modes": modes,
    "reasons": reasons,
    "transcript": transcript,
    "triggers": triggers,
    "verb-pages": verb_pages,
    "verbs": verbs,
}


def renewed(text: str) -> str:
    """A document's text with its generated parts made anew. Raises KeyError for a part of unknown name."""
    return _PART.sub(lambda found: found["head"] + PARTS[found["name"]]() + found["tail"], text)


# Files that are made as a whole, and what makes them.
FILES: dict[str, Callable[[], str]] = {
    f"src/refclock/install/files/chrony/{profile}.conf": partial(shipped, profile, "@NAME@")
    for profile in PROFILES
}


def main() -> int:
    """Write, or with --check compare; returns the exit status."""
    parser = argparse.ArgumentParser(description="Write the generated parts of the documents.")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 when something is out of date")
    check = parser.parse_args().check
    stale = []
    for name in DOCUMENTS:
        path = ROOT / name
        before = path.read_text("utf-8")
        after = renewed(before)
        if after != before:
            stale.append(name)
            if not check:
                path.write_text(after, "utf-8")
    for name, made in FILES.items():
        path = ROOT / name
        if not path.is_file() or path.read_text("utf-8") != made():
            stale.append(name)
            if not check:
                path.write_text(made(), "utf-8")
    for name in stale:
        print(f"{name}: {'out of date; run tools/gen_docs.py' if check else 'written'}", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    raise SystemExit(main())
