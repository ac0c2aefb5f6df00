"""The generated parts of the manual pages, in macros of man(7), from the tables of the other documents."""

import argparse
import importlib
import re
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from refclock import BUILD_UTC_S, __version__, cli
from refclock.policy import LIMIT_ROWS, PROFILES

ROOT = Path(__file__).resolve().parents[1]
# mandoc's lint takes longer lines for carelessness.
_WIDTH = 78
# What groff or mandoc would otherwise show as something that cannot be pasted into a shell.
_LITERAL = str.maketrans({"\\": r"\e", "-": r"\-", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"})
_PROSE = str.maketrans({"\\": r"\e", "^": r"\(ha", "~": r"\(ti"})


def literal(text: str) -> str:
    """What is typed, or stands in a file, exactly so."""
    return text.translate(_LITERAL)


def prose(markdown: str) -> str:
    """A sentence or two: code and stress become bold, links their text."""
    plain = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", markdown.replace(r"\|", "|"))
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*)", plain)
    return "".join(
        rf"\fB{literal(part.strip('`*'))}\fR"
        if part[:1] == "`" or part[:2] == "**"
        else part.translate(_PROSE)
        for part in parts
    )


def filled(markdown: str) -> str:
    """Text lines, none of which a formatter can take for a request."""
    lines = []
    for one in re.split(r"(?<=\.) (?=[A-Z])", prose(markdown)):  # each sentence on a line of its own
        lines += textwrap.wrap(one, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return "".join(rf"\&{line}" + "\n" if line[:1] in ".'" else f"{line}\n" for line in lines)


def block(lines: list[str]) -> str:
    """Lines that stay as they are."""
    shown = (rf"\&{literal(line)}" if line[:1] in tuple(".'") else literal(line) for line in lines)
    return ".PP\n.nf\n" + "".join(f"{line}\n" for line in shown) + ".fi\n"


def tagged(tag: str, markdown: str, indent: str = "") -> str:
    """A term, which is roff already, and what it means."""
    return f".TP{indent}\n{tag}\n{filled(markdown)}"


def rows(document: str, heading: str) -> Iterator[list[str]]:
    """The cells of the first table below a heading of one of the documents."""
    text = (ROOT / "docs" / document).read_text("utf-8").partition(f"{heading}\n")[2]
    table = text[text.index("|") :].partition("\n\n")[0].splitlines()
    for line in table[2:]:
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def title(name: str, section: int) -> str:
    """The page's head: the day is the build's, as with everything else that a release says of itself."""
    day = datetime.fromtimestamp(BUILD_UTC_S, UTC).date()
    return f'.TH {name} {section} "{day}" "refclock {__version__}"\n'


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def exit_statuses() -> str:
    """What docs/verbs.md says of them."""
    return "".join(
        tagged(rf"\fB{status}\fR", sentence(meaning))
        for status, meaning in rows("verbs.md", "# The command line")
    )


def verbs(parser_of: Callable[[str], argparse.ArgumentParser | None]) -> str:
    """Each verb with its options and its example."""
    return "".join(_verb(name, told, parser_of(name)) for name, told in cli.VERBS.items())


def _verb(name: str, told: str, parser: argparse.ArgumentParser | None) -> str:
    page = f".SS {name}\n{filled(sentence(told))}"
    for action in parser._actions if parser is not None else ():
        if action.dest != "help":
            required = " (required)" if action.required and action.option_strings else ""
            meaning = sentence((action.help or "").replace("see below", _ATTACKS[name == "simulate"]))
            if action.choices is not None:
                meaning += f" One of {', '.join(f'`{one}`' for one in action.choices)}."
            page += tagged(_option(action) + required, meaning)
    example, _, rest = importlib.import_module(f"refclock.cli.{name}").EXAMPLE.strip().partition("\n\n")
    page += block([f"$ {line.strip()}" for line in example.splitlines()])
    # What follows an empty line explains; only here it does so at length.
    if name == "simulate":
        told = [line for line in rest.splitlines() if not line.startswith(" ")]
        page += ".PP\n" + filled(sentence(" ".join(told)))
        for line in rest.splitlines()[len(told) :]:
            attack, _, meaning = line.strip().partition("  ")
            page += tagged(rf"\fB{literal(attack)}\fR", sentence(meaning.strip()), " 22")
    return page


_ATTACKS = ("see simulate", "see below")


def _option(action: argparse.Action) -> str:
    shown = action.metavar if isinstance(action.metavar, str) else action.dest.upper().replace("_", "-")
    value = rf"\fI{literal(shown)}\fR"
    if not action.option_strings:
        return value
    if action.nargs == "?":
        value = f"[{value}]"
    return rf"\fB{literal(action.option_strings[-1])}\fR" + (f" {value}" if action.nargs != 0 else "")


def keys() -> str:
    """The keys of docs/configuration.md, section by section."""
    page, section = "", ""
    for key, default, meaning in rows("configuration.md", "## Keys"):
        table, dot, _ = key.strip("`").partition(".")
        if table != section:
            section = table
            page += f".SS {literal(f'[{table}]')}\n" if dot else ".SS Before the first section\n"
        if key.endswith(".KEY`"):
            page += filled(sentence(meaning.replace("see below", "LIMITS, below, has every key")))
            continue
        shown = "" if default == "none" else f" ({prose(default)})"
        page += tagged(prose(key) + shown, sentence(meaning))
    return page


def limits() -> str:
    """Every key of [limits], with the profiles' values."""
    page = ""
    for row in LIMIT_ROWS:
        values = ", ".join(
            f"{value} (`{profile}`)" for profile, value in zip(PROFILES, row.defaults, strict=True)
        )
        page += tagged(
            rf"\fB{literal(row.key)}\fR",
            f"{sentence(row.meaning)} Default: {values}; {row.low} to {row.high}; tighter is {row.tighter}.",
        )
    return page
