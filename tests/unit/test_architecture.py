"""The rules of the house that import-linter cannot see. The import contracts are in pyproject.toml."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "refclock"

# From the core down, and the text form of its events: everything that decides. Each is a module or a package.
PURE = ("jsonform", "core", "wire", "policy", "model", "units", "errors")

# What reads a clock, touches the world, or differs from run to run.
WORLDLY = {"asyncio", "ctypes", "datetime", "fcntl", "io", "logging", "os", "random", "select", "selectors"}
WORLDLY |= {"socket", "subprocess", "threading", "time"}

EXTRAS = {"allantools", "matplotlib", "prometheus_client", "rich"}

# clock_settime(2) and its kin, as Python and the C library name them.
SETS_A_CLOCK = {"clock_settime", "clock_settime_ns", "settimeofday", "stime", "clock_adjtime", "adjtime"}

MAX_LINES = 300


def _pure_files() -> list[Path]:
    return sorted(
        path for name in PURE for path in (*PACKAGE.glob(f"{name}.py"), *PACKAGE.glob(f"{name}/**/*.py"))
    )


def _place(path: Path, node: ast.stmt | ast.expr) -> str:
    return f"{path.relative_to(PACKAGE)}:{node.lineno}"


def _imports(nodes: Iterator[ast.AST]) -> Iterator[tuple[ast.stmt, str]]:
    """Every absolute import, as the statement and the top-level name that it takes."""
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node, node.module.partition(".")[0]


def _at_import_time(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: not the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        ) and not _is_type_checking(child):
            yield child
            yield from _at_import_time(child)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _inexact(tree: ast.Module) -> Iterator[tuple[ast.stmt | ast.expr, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=float() | complex() as value):
                yield node, f"the float {value!r}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield node, "true division; // rounds down, units has the rest"
            case ast.Call(func=ast.Name(id="float")):
                yield node, "float()"


def test_core_and_below_reckon_in_integers() -> None:
    """A float has 53 bits; nanoseconds since 1970 need 61."""
    offences = [
        f"{_place(path, node)}: {what}"
        for path in _pure_files()
        for node, what in _inexact(ast.parse(path.read_text("utf-8")))
    ]
    assert not offences, "\n".join(offences)


def test_core_and_below_import_nothing_of_the_world() -> None:
    allowed = (sys.stdlib_module_names - WORLDLY) | {"refclock"}
    offences = [
        f"{_place(path, node)}: {name}"
        for path in _pure_files()
        for node, name in _imports(ast.walk(ast.parse(path.read_text("utf-8"))))
        if name not in allowed
    ]
    assert not offences, "\n".join(offences)


def test_nothing_sets_a_clock() -> None:
    """docs/adr/0054: also not where a clock has to be set."""
    offences = [
        f"{_place(path, node)}: {node.attr}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in SETS_A_CLOCK
    ]
    offences += [
        f"{_place(path, node)}: imported"
        for path in sorted(PACKAGE.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and SETS_A_CLOCK & {alias.name for alias in node.names}
    ]
    assert not offences, "\n".join(offences)


def test_no_module_is_longer_than_a_room() -> None:
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    too_long = [f"{path.relative_to(PACKAGE)}: {n} lines" for path, n in lengths.items() if n > MAX_LINES]
    assert not too_long, f"over {MAX_LINES} lines:\n" + "\n".join(sorted(too_long))


def test_only_verbs_import_extras_at_module_level() -> None:
    """`pip install refclock` without extras must give a daemon that starts."""
    offences = [
        f"{_place(path, node)}: {name}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if PACKAGE / "cli" not in path.parents
        for node, name in _imports(_at_import_time(ast.parse(path.read_text("utf-8"))))
        if name in EXTRAS
    ]
    assert not offences, "\n".join(offences)


@pytest.mark.parametrize(
    "source",
    ["x = 0.5", "x = 1e9", "x = 2j", "x = a / b", "x /= b", "x = float(a)", "def f(x=0.1): pass"],
)
def test_the_integer_rule_sees(source: str) -> None:
    assert list(_inexact(ast.parse(source)))


@pytest.mark.parametrize("source", ["x = a // b", "x = 10**9", "x = '0.5 / 2'", "x = int(a)"])
def test_the_integer_rule_lets_pass(source: str) -> None:
    assert not list(_inexact(ast.parse(source)))


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("import rich", True),
        ("try:\n    import rich.table\nexcept ImportError: pass", True),
        ("class A:\n    from rich import table", True),
        ("def f():\n    import rich", False),
        ("if TYPE_CHECKING:\n    import rich", False),
    ],
)
def test_the_extras_rule_looks_at_import_time_only(source: str, seen: bool) -> None:
    assert ("rich" in {name for _, name in _imports(_at_import_time(ast.parse(source)))}) is seen
