"""Which tests may notice a mutant: those that run its line, or make use of what it binds."""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from mutation.graft import names
from mutation.mutants import MODULE, Mutant


@dataclass(slots=True)
class Covering:
    """Which tests run which line of which file (relative to the package), and how long each test takes."""

    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)


class Uses:
    """Where the names are used that a module or a class binds when it is imported: no test runs those
    lines, but what makes use of them."""

    def __init__(self, package: Path, tests: Path) -> None:
        self._tests = tests
        self._words: dict[str, frozenset[str]] = {}
        self._of: dict[str, set[tuple[str, int]]] = {}
        self._derived: dict[tuple[str, str], set[str]] = {}
        for path in sorted(package.rglob("*.py")):
            file, tree = path.relative_to(package).as_posix(), ast.parse(path.read_text("utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.Name):
                    self._of.setdefault(node.id, set()).add((file, node.lineno))
                elif isinstance(node, ast.Attribute):
                    self._of.setdefault(node.attr, set()).add((file, node.end_lineno or node.lineno))
            for statement in tree.body:
                if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
                    for name in names(statement, ast.Load):
                        self._derived.setdefault((file, name), set()).update(names(statement, ast.Store))

    def mentions(self, mutant: Mutant, test_file: str) -> bool:
        """Whether a file of tests itself uses what the mutant binds."""
        if mutant.kind in ("body", "defaults"):
            return False
        if test_file not in self._words:
            text = (self._tests / test_file).read_text("utf-8")
            self._words[test_file] = frozenset(re.findall(r"\w+", text))
        return bool(self._words[test_file] & self._names(mutant))

    def _names(self, mutant: Mutant) -> set[str]:
        where = {mutant.name.where.rpartition(".")[2]} if mutant.name.where != MODULE else set[str]()
        return where | mutant.bound

    def of(self, mutant: Mutant) -> Iterable[tuple[str, int]]:
        """The places where a mutant may be noticed."""
        file = mutant.name.file
        if mutant.kind in ("body", "defaults"):
            return {(file, line) for line in mutant.lines}
        waiting, known, found = self._names(mutant), set[str](), set[tuple[str, int]]()
        while waiting:
            name = waiting.pop()
            known.add(name)
            waiting |= self._derived.get((file, name), set()) - known
            found |= {one for one in self._of.get(name, set()) if one[0] == file or not name.startswith("_")}
        return found
