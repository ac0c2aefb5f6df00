"""The tool that changes the core: what it changes, how it names that, and that it notices what it should."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mutation.graft import GraftError, graft
from mutation.listed import ListError, read
from mutation.mutants import Mutant, Name, mutants

from refclock import units
from refclock.core.blame import rates
from refclock.core.seconds import interval

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "refclock"


def made(tmp_path: Path, source: str) -> list[Mutant]:
    """The mutants of a module."""
    path = tmp_path / "module.py"
    path.write_text(source, "utf-8")
    return list(mutants(path, tmp_path))


def becomes(tmp_path: Path, statement: str) -> set[str]:
    """What becomes of one statement in a function whose parameters are a, b, c and x."""
    return {one.name.becomes for one in made(tmp_path, f"def f(a, b, c, x):\n    {statement}\n")}


@pytest.mark.parametrize(
    ("statement", "variants"),
    [
        ("return a < b", {"return None", "return a <= b", "return a >= b"}),
        ("return a is b", {"return None", "return a is not b"}),
        ("return a + b", {"return None", "return a - b"}),
        ("return -a", {"return None", "return a"}),
        ("return not a", {"return None", "return a"}),
        ("return a or b", {"return None", "return a and b", "return a", "return b"}),
        ("return a if b else c", {"return None", "return a", "return c"}),
        ("return min(a, b)", {"return None", "return max(a, b)"}),
        ("return abs(a)", {"return None", "return a"}),
        ("return a(b, c=x)", {"return None", "return a(b)"}),
        (
            "return a in (b, c)",
            {"return None", "return a not in (b, c)", "return a in (c,)", "return a in (b,)"},
        ),
        ("return [y for y in a if y]", {"return None", "return [y for y in a]"}),
        ("return 3", {"return 4", "return 2"}),
        ("return 500", {"return 1000", "return 250"}),
        ("return True", {"return False"}),
        ("return 'key'", {"return 'key?'"}),
        ("return 'words for people'", set()),
        ("return f'{a}'", {"return None"}),
        ("return", {"pass"}),
        ("x += a", {"pass", "x = a", "x -= a"}),
        ("x = a", {"pass"}),
        ("new = a", set()),
        ("a.b = c", {"pass"}),
        ("a(b)", {"pass"}),
        ("if a: return", {"if False:", "if True:", "pass"}),
        ("while a: break", {"while False:", "continue"}),
    ],
)
def test_what_becomes_of_a_statement(tmp_path, statement, variants):
    assert becomes(tmp_path, statement) == variants


def test_defaults_constants_and_fields_are_changed_and_annotations_are_not(tmp_path):
    source = (
        "LIMIT: int = 7\nclass C:\n    size: int = 1\n"
        "    def f(self, n: 'int' = 3) -> 'int':\n        '''Words.'''\n        return n\n"
    )
    assert {(one.kind, one.name.where, one.name.becomes) for one in made(tmp_path, source)} == {
        ("module", "<module>", "LIMIT: int = 8"),
        ("module", "<module>", "LIMIT: int = 6"),
        ("class", "C", "size: int = 2"),
        ("class", "C", "size: int = 0"),
        ("defaults", "C.f", "def f(self, n: 'int'=4) -> 'int':"),
        ("defaults", "C.f", "def f(self, n: 'int'=2) -> 'int':"),
        ("body", "C.f", "return None"),
    }


def test_a_mutant_s_name_does_not_know_its_line(tmp_path):
    source = "def f(a):\n    if a:\n        return a + 1\n    return a - 1\n"
    names = [one.name for one in made(tmp_path, source)]
    assert [one.name for one in made(tmp_path, f"# more\n\n{source}")] == names
    assert len(set(names)) == len(names)


def test_of_a_long_statement_the_name_shows_where_it_differs(tmp_path):
    long = " + ".join(f"name_{number}" for number in range(40))
    (changed,) = [
        one for one in made(tmp_path, f"def f():\n    return {long} + (a < b)\n") if "<=" in str(one.name)
    ]
    assert changed.name.was.startswith("... ")
    assert changed.name.becomes.endswith("(a <= b)")
    assert len(changed.name.becomes) < 100


def test_every_mutant_of_the_core_is_a_program():
    for path in sorted((PACKAGE / "core" / "gate").glob("*.py")):
        for one in mutants(path, PACKAGE):
            compile(ast.fix_missing_locations(one.tree), str(path), "exec")


def by_text(path: Path, was: str, becomes: str) -> Mutant:
    (found,) = [one for one in mutants(path, PACKAGE) if (one.name.was, one.name.becomes) == (was, becomes)]
    return found


def test_a_graft_reaches_everybody_who_holds_the_function():
    kept = units.nearest_second.__code__
    text = "return (instant_ns + NS_PER_S // 2) // NS_PER_S"
    try:
        graft(by_text(PACKAGE / "units.py", text, "return None"))
        assert interval.RawRate(0, 0).advance(5) == 5
        assert str(units.nearest_second(5)) == "None"
    finally:
        units.nearest_second.__code__ = kept
    assert units.nearest_second(5) == 0


def test_a_graft_of_a_constant_reaches_every_module_that_took_it_over():
    kept = units.PPT_PER_PPB
    held = vars(rates)  # which imported it by name
    holders = [one for one in list(sys.modules.values()) if "PPT_PER_PPB" in getattr(one, "__dict__", {})]
    try:
        graft(by_text(PACKAGE / "units.py", "PPT_PER_PPB = 1000", "PPT_PER_PPB = 2000"))
        assert (units.PPT_PER_PPB, held["PPT_PER_PPB"]) == (2000, 2000)
    finally:
        for holder in holders:
            holder.PPT_PER_PPB = kept  # type: ignore[attr-defined]


def test_what_cannot_be_brought_into_a_running_program_says_so(tmp_path):
    (one, *_) = made(tmp_path, "class C:\n    size = 1\n")
    name = Name("units.py", one.name.where, one.name.was, one.name.becomes)
    with pytest.raises(GraftError):
        graft(Mutant(name, one.kind, one.lines, one.first_line, one.bound, one.tree))


def test_the_list_gives_each_mutant_its_reason(tmp_path):
    path = tmp_path / "mutants.toml"
    path.write_text(
        '[[mutant]]\nfile = "core/a.py"\nwhere = "f"\nwas = "x"\nbecomes = ["y", "z"]\nwhy = "alike"\n',
        "utf-8",
    )
    assert read(path) == {Name("core/a.py", "f", "x", one): "alike" for one in "yz"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[mutant]]\nfile = "a"\n', "becomes, was, where, why"),
        ('[[mutant]]\nfile="a"\nwhere="f"\nwas="x"\nbecomes=["y","y"]\nwhy="w"\n', "twice"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_with_its_entry(tmp_path, text, says):
    path = tmp_path / "mutants.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ListError, match=r"mutants\.toml: entry 1") as error:
        read(path)
    assert says in str(error.value)


def test_the_list_of_the_core_names_mutants_that_exist():
    """Whether they still live on is for the long run to say; that they are there costs nothing."""
    listed = read(ROOT / "bench" / "mutants.toml")
    there = {one.name for file in {name.file for name in listed} for one in mutants(PACKAGE / file, PACKAGE)}
    assert set(listed) - there == set()


def test_a_sample_of_the_gate_is_killed_by_the_gate_s_own_tests(tmp_path):
    """Forty changes, drawn by a seed. The whole core takes the better part of an hour: bench/README.md."""
    run = subprocess.run(
        [sys.executable, "bench/mutate.py", "core/gate", "--sample", "40", "--memory", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONHASHSEED": "0"},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
