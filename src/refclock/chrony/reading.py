"""Reads chrony's configuration: what ``chronyd -p`` prints of it, with the places that the lines come from.

chronyd itself is asked, for it knows its own directives, and refuses what it cannot read. It prints neither
where a line stands nor what included it, and not what the files of a ``sourcedir`` hold; that much is read
here. Without chronyd the files are all there is."""

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from refclock.chrony import program
from refclock.chrony.commandline import CommandLine
from refclock.chrony.effective import Effective
from refclock.chrony.program import Answer, Version
from refclock.errors import ConfigError
from refclock.wire.chronyconf import Directive, parse_line, parse_text

# Debian's and its kin's, then Fedora's; the first is also chrony's own choice when it is built there.
DEFAULT_FILES = ("/etc/chrony/chrony.conf", "/etc/chrony.conf")
_MAX_SIZE = 1 << 20
_MAX_DEPTH = 10  # chrony stops there, too
_MAX_FILES = 1000
_INCLUDING = ("include", "confdir")
_PRINTS = (4, 0)
_DENIED = "Permission denied"
_AT_LINE = re.compile(r"at line ([0-9]{1,6})")


class UnreadableError(ConfigError):
    """The configuration may not be read by this user, or is not there."""


@dataclass(slots=True)
class _Files:
    """What the files hold. ``plain`` are the directives with inclusions carried out, ``written`` all of
    them. ``endless``: reading was given up, as inclusions come to no end."""

    plain: list[Directive] = field(default_factory=list)
    written: list[Directive] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    endless: bool = False

    def read(self, path: str, depth: int = 0) -> None:
        if self.endless:
            return
        if len(self.names) >= _MAX_FILES:
            self._give_up(f"{path}: more than {_MAX_FILES} files, one included by the other")
            return
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                text = file.read(_MAX_SIZE)
        except OSError as error:
            self.trouble.append(f"{path}: {error.strerror}")
            return
        self.names.append(path)
        for one in parse_text(text, path):
            self.written.append(one)
            if one.name not in _INCLUDING:
                self.plain.append(one)
            elif depth >= _MAX_DEPTH:
                self._give_up(f"{one.place}: files include each other more than {_MAX_DEPTH} deep")
                return
            else:
                for name in _included(one):
                    self.read(name, depth + 1)

    def _give_up(self, why: str) -> None:
        self.trouble.append(why)
        self.endless = True

    def sources(self) -> list[Directive]:
        """What the ``*.sources`` files of every ``sourcedir`` add."""
        found: list[Directive] = []
        for one in self.plain:
            if one.name == "sourcedir":
                for path in _first_of_each_name(one.words, "*.sources"):
                    inner = _Files()
                    inner.read(path, _MAX_DEPTH)
                    found += inner.plain
                    self.names += inner.names
                    self.trouble += inner.trouble
        return found


def _included(one: Directive) -> list[str]:
    if one.name == "include":
        return [path for pattern in one.words for path in sorted(glob.glob(pattern))]
    return _first_of_each_name(one.words, "*.conf")


def _first_of_each_name(directories: Sequence[str], pattern: str) -> list[str]:
    """The files of several directories by name; a name counts in the first directory that has it
    (chrony.conf(5), confdir)."""
    found: dict[str, str] = {}
    for directory in directories:
        for path in glob.glob(os.path.join(glob.escape(directory), pattern)):
            found.setdefault(os.path.basename(path), path)
    return [found[name] for name in sorted(found)]


def default_file() -> str:
    """The file that chronyd reads where none is named, as far as its existence tells."""
    return next((path for path in DEFAULT_FILES if os.path.lexists(path)), DEFAULT_FILES[0])


def read_file(path: str, command: CommandLine | None = None) -> Effective:
    """The configuration that begins in a file. Raises ConfigError for a file that cannot be read, or that
    chronyd refuses, and PortError where chronyd does not answer."""
    files = _Files()
    files.read(path)
    if not files.names:
        raise UnreadableError(
            f"{files.trouble[0]}; name chrony's configuration with --chrony-conf, or be root."
        )
    version, chronyd = _asked(files)
    directives = files.plain
    if chronyd:
        directives = _placed(_printed_file(chronyd, path, files, version), files.plain)
    return Effective(
        path,
        (*directives, *files.sources()),
        tuple(files.written),
        command or CommandLine(),
        version,
        tuple(files.names),
        tuple(files.trouble),
    )


def read_command(command: CommandLine) -> Effective:
    """What a command line has chronyd read: its directives where it has any, else its file, else the default
    one. Raises ConfigError and PortError."""
    if not command.directives:
        return read_file(command.file or default_file(), command)
    files = _Files(list(command.directives), list(command.directives))
    version, chronyd = _asked(files)
    if chronyd:
        files.plain = _placed(_printed_lines(chronyd, "the command line", files, version), files.plain)
    return Effective(
        "the command line",
        (*files.plain, *files.sources()),
        tuple(files.written),
        command,
        version,
        tuple(files.names),
        tuple(files.trouble),
    )


def _asked(files: _Files) -> tuple[Version | None, str | None]:
    """The installed chronyd's version, and the program where it can be asked to print."""
    chronyd = program.find("chronyd")
    version = program.version(chronyd) if chronyd else None
    if chronyd is None:
        files.trouble.append("chronyd is not installed, so the files alone were read, without its own check")
    elif version is not None and version < _PRINTS:
        told = f"chronyd {program.written(version)} cannot print what it reads (4.0 can)"
        files.trouble.append(f"{told}, so the files alone were read")
        return version, None
    return version, chronyd


def _printed_file(chronyd: str, path: str, files: _Files, version: Version | None) -> list[Directive]:
    """What ``chronyd -p`` prints of a file."""
    answer = program.run([chronyd, "-p", "-f", path])
    if answer.well or _DENIED not in answer.trouble:
        return _printed(answer, path, version)
    if files.trouble:
        raise UnreadableError(f"{files.trouble[0]}; be root to read it.")
    # AppArmor and SELinux keep chronyd to its own directories, whoever asks. We could read the file.
    return _printed_lines(chronyd, path, files, version)


def _printed_lines(chronyd: str, origin: str, files: _Files, version: Version | None) -> list[Directive]:
    """What ``chronyd -p`` prints of directives on its command line."""
    answer = program.run([chronyd, "-p", *(one.text for one in files.plain)])
    number = _AT_LINE.search(answer.trouble)
    if number and 0 < int(number[1]) <= len(files.plain):
        place = files.plain[int(number[1]) - 1].place
        answer = replace(answer, trouble=_AT_LINE.sub(f"in {place}", answer.trouble))
    return _printed(answer, origin, version)


def _printed(answer: Answer, origin: str, version: Version | None) -> list[Directive]:
    if not answer.well:
        told = next((line for line in reversed(answer.trouble.splitlines()) if line.strip()), "nothing")
        told = told.partition("Fatal error : ")[2] or told
        name = f"chronyd {program.written(version)}" if version else "chronyd"
        raise ConfigError(
            f"{origin}: {name} refuses it: {told}; it would not start. Mend that line, or see which version "
            "of chrony brought the directive or option (chrony.conf(5))."
        )
    return [one for line in answer.text.splitlines() if (one := parse_line(line)) is not None]


def _placed(printed: Sequence[Directive], found: Sequence[Directive]) -> list[Directive]:
    """What chronyd prints, each with the place of the first line of that text that is not taken yet."""
    left = list(found)
    placed = []
    for one in printed:
        twin = next((other for other in left if (other.name, other.words) == (one.name, one.words)), None)
        if twin is not None:
            left.remove(twin)
        placed.append(
            one if twin is None else replace(one, file=twin.file, line=twin.line, reason=twin.reason)
        )
    return placed
