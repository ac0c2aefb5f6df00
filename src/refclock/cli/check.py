"""``refclock check``: judge a configuration and this host before the first start. It changes nothing."""

import argparse
import textwrap
from collections.abc import Iterable

from refclock.cli.configfile import config_argument, read_config
from refclock.cli.findings import examine
from refclock.finding import FAIL, WARN, Finding
from refclock.units import printable

EXAMPLE = "refclock check --config /etc/refclock/receiver.toml"
_WIDTH = 80
_VERDICT, _WHAT, _CLAUSE = 5, 20, 9


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    config_argument(parser)


def main(args: argparse.Namespace) -> int:
    """Print the table; 1 when something fails."""
    policy = read_config(args.config)[1]
    verdicts = []
    for finding in examine(policy, args.config):
        verdicts.append(finding.verdict)
        print("\n".join(rows([finding])), flush=True)
    failures, warnings = verdicts.count(FAIL), verdicts.count(WARN)
    print(f"\n{count(failures, 'failure')}, {count(warnings, 'warning')}")
    return int(failures > 0)


def rows(findings: Iterable[Finding], clauses: bool = False) -> list[str]:
    """Findings as aligned lines of at most 80 columns: verdict, with ``clauses`` the draft's, what,
    finding, and below how to mend it."""
    lines = []
    for finding in findings:
        what, found = printable(finding.what), printable(finding.found)
        left = f"{finding.verdict:<{_VERDICT}} "
        if clauses:
            left += f"{finding.clause or '-':<{_CLAUSE}} "
        room = _WIDTH - len(left) - _WHAT - 1
        if len(what) > _WHAT:
            lines.append(left + what)
            head = ""
        else:
            head = left + what
        texts = textwrap.wrap(found, room, break_on_hyphens=False)
        if finding.mend:
            texts += textwrap.wrap(
                printable(finding.mend),
                room,
                initial_indent="-> ",
                subsequent_indent="   ",
                break_on_hyphens=False,
            )
        for text in texts:
            lines.append(f"{head:<{len(left) + _WHAT}} {text}")
            head = ""
    return lines


def count(number: int, word: str) -> str:
    """So many of something, for people."""
    return f"{number or 'no'} {word}{'s' * (number != 1)}"
