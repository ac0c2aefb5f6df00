"""chrony's configuration, as text (chrony.conf(5)): one directive a line, words apart by white space.

Comments take whole lines, beginning with ``!``, ``;``, ``#`` or ``%``; there are none behind a directive.
Names of directives and of options may be written in capitals."""

from dataclasses import dataclass
from itertools import pairwise

_COMMENTS = ("!", ";", "#", "%")
_BLANK = " \t\n\v\f\r"


@dataclass(frozen=True, slots=True)
class Directive:
    """A line: its name in small letters, the words behind it as they stand, and where it is from.

    ``file`` is empty where that is not known, and ``line`` then 0. ``reason`` is what the comment right above
    it says to the doctor (``explanation``).
    """

    name: str
    words: tuple[str, ...]
    file: str = ""
    line: int = 0
    reason: str = ""

    @property
    def text(self) -> str:
        """The directive as one would write it."""
        return " ".join((self.name, *self.words))

    @property
    def place(self) -> str:
        """Where it stands, for people: file and line, as far as they are known."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def has(self, option: str) -> bool:
        """Whether the option is among its words."""
        return any(word.lower() == option for word in self.words)

    def option(self, name: str) -> str | None:
        """The word behind an option; the last one's where it is given twice, None where it is not given."""
        found = None
        for word, value in pairwise(self.words):
            if word.lower() == name:
                found = value
        return found


def parse_line(line: str, file: str = "", number: int = 0, reason: str = "") -> Directive | None:
    """A line's directive; None for a comment or an empty line."""
    words = line.strip(_BLANK).split()
    if not words or words[0].startswith(_COMMENTS):
        return None
    return Directive(words[0].lower(), tuple(words[1:]), file, number, reason)


def parse_text(text: str, file: str = "") -> tuple[Directive, ...]:
    """Every directive of a file, in order."""
    found, reason = [], ""
    for number, line in enumerate(text.splitlines(), 1):
        one = parse_line(line, file, number, reason)
        if one is not None:
            found.append(one)
        reason = explanation(line)
    return tuple(found)


def explanation(line: str) -> str:
    """What a comment ``# refclock doctor: WHY`` says of the line below it; empty for any other line."""
    bare = line.strip(_BLANK).lstrip("".join(_COMMENTS)).strip(_BLANK)
    head, colon, why = bare.partition(":")
    return why.strip(_BLANK) if colon and head.lower() == "refclock doctor" else ""
