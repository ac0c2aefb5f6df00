"""The mutants that may live on: bench/mutants.toml, each with the reason why nobody could notice it."""

import tomllib
from pathlib import Path

from mutation.mutants import Name


class ListError(Exception):
    """The list cannot be read; the text names the entry, and says what it should be."""


def read(path: Path) -> dict[Name, str]:
    """Every listed mutant with its reason. An entry may give several lines for ``becomes``."""
    found: dict[Name, str] = {}
    for number, entry in enumerate(tomllib.loads(path.read_text("utf-8")).get("mutant", []), start=1):
        unknown = set(entry) ^ {"file", "where", "was", "becomes", "why"}
        if unknown:
            raise ListError(f"{path.name}: entry {number}: {', '.join(sorted(unknown))}: missing, or unknown")
        becomes = entry["becomes"] if isinstance(entry["becomes"], list) else [entry["becomes"]]
        for one in becomes:
            name = Name(entry["file"], entry["where"], entry["was"], one)
            if name in found:
                raise ListError(f"{path.name}: entry {number} is there twice:\n{name}")
            found[name] = entry["why"]
    return found
