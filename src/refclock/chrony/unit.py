"""chrony's systemd unit, read from its files as ``systemctl cat`` would show it (systemd.unit(5),
systemd.exec(5)).

The files are read, and the manager is not asked: they are what the next start is made from, and they are
there in an image, too."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

UNIT_DIRECTORIES = (
    "etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system",
    "lib/systemd/system",
)  # fmt: skip
CHRONY_UNITS = ("chrony.service", "chronyd.service")
_MAX_SIZE = 1 << 18
_PREFIXES = "@-:+!"
_VARIABLE = re.compile(r"\$\{(\w+)\}|^\$(\w+)$")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: its name, its files, and the values of each key of [Service], the empty ones carried out."""

    name: str
    files: tuple[str, ...]
    service: dict[str, tuple[str, ...]]
    environment: dict[str, str]

    def last(self, key: str) -> str:
        """The value of a key that has one."""
        values = self.service.get(key, ())
        return values[-1] if values else ""

    def yes(self, key: str) -> bool:
        """Whether a switch is on."""
        return self.last(key).lower() in ("yes", "true", "on", "1")

    @property
    def command(self) -> tuple[str, ...]:
        """ExecStart=, with the variables of its environment put in; empty where there is none."""
        words: list[str] = []
        for word in _split(self.last("ExecStart").lstrip(_PREFIXES)):
            whole = _VARIABLE.fullmatch(word)
            if whole and whole[2]:
                words += _split(self.environment.get(whole[2], ""))
            else:
                words.append(
                    _VARIABLE.sub(lambda found: self.environment.get(found[1] or found[2], ""), word)
                )
        return tuple(words)


def chrony_unit(root: Path) -> Unit | None:
    """The host's unit for chronyd; None where there is none, or it is masked."""
    return next((unit for name in CHRONY_UNITS if (unit := read_unit(root, name)) is not None), None)


def read_unit(root: Path, name: str) -> Unit | None:
    """A unit with its drop-ins. None where there is none, it is masked, or it may not be read."""
    main = next((path for path in _candidates(root, name) if path.is_symlink() or path.exists()), None)
    if main is None or not main.is_file():
        return None
    dropins: dict[str, Path] = {}
    for directory in UNIT_DIRECTORIES:
        for path in sorted((root / directory / f"{name}.d").glob("*.conf")):
            dropins.setdefault(path.name, path)
    files = [main, *(dropins[key] for key in sorted(dropins))]
    service: dict[str, list[str]] = {}
    for path in files:
        for key, value in _assignments(path):
            if value:
                service.setdefault(key, []).append(value)
            else:
                service[key] = []
    told = {key: tuple(values) for key, values in service.items()}
    return Unit(name, tuple(str(path) for path in files), told, _environment(root, told))


def enabled(root: Path) -> set[str]:
    """The names of units that are there, and that another one wants or requires: they start by themselves."""
    names = {
        link.name
        for directory in UNIT_DIRECTORIES
        for kind in ("wants", "requires")
        for link in (root / directory).glob(f"*.{kind}/*")
    }
    return {name for name in names if _is_there(root, name)}


def _is_there(root: Path, name: str) -> bool:
    """A removed package leaves links behind; an instance's unit is its template's."""
    template = re.sub(r"@.*\.", "@.", name)
    return any(path.is_file() for one in {name, template} for path in _candidates(root, one))


def _candidates(root: Path, name: str) -> list[Path]:
    return [root / directory / name for directory in UNIT_DIRECTORIES]


def _assignments(path: Path) -> Iterator[tuple[str, str]]:
    try:
        text = path.read_text("utf-8", "replace")[:_MAX_SIZE]
    except OSError:
        return
    section = ""
    for line in re.sub(r"\\\n", " ", text).splitlines():
        bare = line.strip()
        if bare.startswith("[") and bare.endswith("]"):
            section = bare
        elif section == "[Service]" and "=" in bare and not bare.startswith(("#", ";")):
            key, _, value = bare.partition("=")
            yield key.strip(), value.strip()


def _environment(root: Path, service: dict[str, tuple[str, ...]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for value in service.get("Environment", ()):
        found |= dict(word.split("=", 1) for word in _split(value) if "=" in word)
    for value in service.get("EnvironmentFile", ()):
        try:
            text = (root / value.lstrip("-").lstrip("/")).read_text("utf-8", "replace")[:_MAX_SIZE]
        except OSError:
            continue
        for line in text.splitlines():
            key, equals, rest = line.strip().partition("=")
            if equals and not key.startswith(("#", ";")):
                found[key.strip()] = " ".join(_split(rest))
    return found


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an open quote
        return text.split()
