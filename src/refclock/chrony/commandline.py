"""chronyd's command line (chronyd(8)): which options, which file, which directives instead of a file."""

from dataclasses import dataclass

from refclock.wire.chronyconf import Directive, parse_line

# Options of chrony 4.3 and later that take a value.
_VALUED = "fFlLPtu"


@dataclass(frozen=True, slots=True)
class CommandLine:
    """``flags`` are option letters; ``values`` those that take one, the last one's value. ``directives``
    take the place of the file. ``text`` is all of it, for people, and ``origin`` where it was found; both
    are empty where no command line is known."""

    flags: frozenset[str] = frozenset()
    values: tuple[tuple[str, str], ...] = ()
    directives: tuple[Directive, ...] = ()
    text: str = ""
    origin: str = ""

    def value(self, letter: str) -> str | None:
        """What was given with an option; None where it was not given."""
        return dict(self.values).get(letter)

    @property
    def file(self) -> str | None:
        """The configuration file that it names."""
        return self.value("f")


def parse(argv: tuple[str, ...], origin: str) -> CommandLine:
    """A command line, the program first. Each word behind the options is a directive of its own, as getopt(3)
    finds them, which looks for options among and behind them, too, up to ``--``."""
    flags: set[str] = set()
    values: list[tuple[str, str]] = []
    lines: list[str] = []
    words = list(argv[1:])
    while words:
        word = words.pop(0)
        if word == "--":
            lines += words
            break
        if word.startswith("--"):
            flags.add({"--version": "v", "--help": "h"}.get(word, word))
        elif word.startswith("-") and len(word) > 1:
            for at, letter in enumerate(word[1:], 2):
                if letter in _VALUED:
                    value = word[at:] or (words.pop(0) if words else "")
                    values.append((letter, value))
                    break
                flags.add(letter)
        else:
            lines.append(word)
    parsed = (parse_line(line, "the command line") for line in lines)
    return CommandLine(
        frozenset(flags),
        tuple(values),
        tuple(one for one in parsed if one is not None),
        " ".join(argv),
        origin,
    )
