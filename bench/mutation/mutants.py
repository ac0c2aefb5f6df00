"""What a mutant is, and all the mutants of one module.

A mutant is known by its function and by what one statement said before and after, both as `ast.unparse`
writes them: the name stays true when lines move. Two mutants that read alike count as one.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mutation.operators import changes, with_field

MODULE = "<module>"
_LONG, _ABOUT = 120, 40
_BODIES = ("body", "orelse", "finalbody")
# A path from the module down to a statement: which list of statements, and where in it.
_Path = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A mutant's name. ``file`` is relative to the package, ``where`` a qualified name or ``<module>``."""

    file: str
    where: str
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.file}: {self.where}\n    - {self.was}\n    + {self.becomes}"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one change.

    ``kind`` tells how it gets into a running program: the ``body`` of a function, its ``defaults``, a
    ``class`` or the ``module`` itself. ``lines`` are those whose execution may notice it; ``first_line`` is
    that of the function with its decorators; ``bound`` are the names that the statement binds.
    """

    name: Name
    kind: str
    lines: frozenset[int]
    first_line: int
    bound: frozenset[str]
    tree: ast.Module


def mutants(path: Path, package: Path) -> Iterator[Mutant]:
    """Every mutant of a module, in the order of its text."""
    tree = ast.parse(path.read_text("utf-8"))
    file, seen = path.relative_to(package).as_posix(), set[Name]()
    for place in _places(tree, MODULE, "module", 0, ()):
        was = _headline(place.statement)
        for changed in changes(place.statement, place.fresh):
            name = Name(file, place.where, *_apart(was, _headline(changed)))
            if name.was == name.becomes or name in seen:
                continue
            seen.add(name)
            whole = _replaced(tree, place.path, changed)
            assert isinstance(whole, ast.Module)
            yield Mutant(name, place.kind, place.lines, place.first_line, place.bound, whole)


@dataclass(frozen=True, slots=True)
class _Place:
    """A statement that may be changed, and what its mutants will say of themselves."""

    statement: ast.stmt
    where: str
    kind: str
    first_line: int
    path: _Path
    fresh: bool
    bound: frozenset[str]
    lines: frozenset[int]


def _places(node: ast.AST, where: str, kind: str, first: int, path: _Path) -> Iterator[_Place]:
    bound = set[str]()
    if isinstance(node, ast.FunctionDef):
        bound = {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
    for field in _BODIES:
        for index, child in enumerate(getattr(node, field, ())):
            here = (*path, (field, index))
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                yield from _inside(child, where, here)
            elif not _idle(child):
                binds = _binds(child)
                fresh = isinstance(child, ast.Assign) and bool(binds) and not binds & bound
                bound |= binds
                yield _Place(child, where, kind, first, here, fresh, frozenset(binds), _own_lines(child))
                yield from _places(child, where, kind, first, here)


def _inside(child: ast.FunctionDef | ast.ClassDef, where: str, here: _Path) -> Iterator[_Place]:
    inner = child.name if where == MODULE else f"{where}.{child.name}"
    if isinstance(child, ast.ClassDef):
        yield from _places(child, inner, "class", 0, here)
        return
    first = min([child.lineno, *(one.lineno for one in child.decorator_list)])
    body = frozenset(range(child.body[0].lineno, (child.end_lineno or child.lineno) + 1))
    yield _Place(child, inner, "defaults", first, here, False, frozenset(), body)
    yield from _places(child, inner, "body", first, here)


def _idle(node: ast.AST) -> bool:
    """What changes nothing when it is changed, or is there for a type checker alone."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.AnnAssign(value=None):
            return True
    return not isinstance(node, ast.stmt)


def _binds(statement: ast.stmt) -> set[str]:
    """The plain names that a statement's own text binds."""
    targets = getattr(statement, "targets", None) or [getattr(statement, "target", None)]
    return {
        one.id
        for target in targets
        if target is not None
        for one in ast.walk(target)
        if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
    }


def _own_lines(statement: ast.stmt) -> frozenset[int]:
    """The lines of a statement without those of the statements in it."""
    body = getattr(statement, "body", None)
    end = body[0].lineno - 1 if body else statement.end_lineno or statement.lineno
    return frozenset(range(statement.lineno, max(end, statement.lineno) + 1))


def _headline(statement: ast.stmt) -> str:
    """A statement's own text in one line."""
    bare = statement
    for field in _BODIES:
        if getattr(bare, field, None):
            bare = with_field(bare, field, [ast.Expr(ast.Constant(...))] if field == "body" else [])
    if isinstance(bare, ast.FunctionDef):
        bare = with_field(bare, "decorator_list", [])
    return " ".join(ast.unparse(ast.fix_missing_locations(bare)).removesuffix("...").split())


def _apart(was: str, becomes: str) -> tuple[str, str]:
    """Of a long statement only where it differs, with some of the words about it."""
    if len(was) <= _LONG:
        return was, becomes
    begin = _alike(was, becomes)
    rest = _alike(was[begin:][::-1], becomes[begin:][::-1])
    first, last = max(0, begin - _ABOUT), max(0, rest - _ABOUT)

    def cut(text: str) -> str:
        return f"{'... ' if first else ''}{text[first : len(text) - last]}{' ...' if last else ''}"

    return cut(was), cut(becomes)


def _alike(one: str, other: str) -> int:
    """How many characters two texts share at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _replaced(node: ast.AST, path: _Path, changed: ast.stmt) -> ast.AST:
    """A copy of a tree with one statement replaced, sharing all else."""
    if not path:
        return ast.copy_location(changed, node)
    (field, index), *rest = path
    children = list(getattr(node, field))
    children[index] = _replaced(children[index], tuple(rest), changed)
    return with_field(node, field, children)
