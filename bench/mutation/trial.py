"""Tries mutants: a pytest plugin that collects the tests once, then forks a child for each mutant.

First a child runs all tests under coverage, so that each line knows its tests and each test its time.
Then each mutant meets the tests of its lines, the one that killed it the last time first, the others the
quickest first (one that killed n mutants of the same function counts as so many times quicker), until one
fails. A child that takes far longer than its tests should is a kill as well.
"""

import contextlib
import gc
import hashlib
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import coverage
import pytest
from _pytest.runner import runtestprotocol

from mutation.covering import Covering, Uses
from mutation.graft import GraftError, graft
from mutation.mutants import Mutant, Name

PROFILE = "mutants"
# A test gets this many times its time, and some for a busy machine, before it counts as stuck.
_PATIENCE, _GRACE_S = 10, 5
_MEMORY = 2 << 30
_MOST = 5000
_SURVIVED, _KILLED, _NO_MUTANT = 0, 1, 3


@dataclass(slots=True)
class Outcome:
    """How a mutant fared: ``by`` the test that failed, or why there is none; None where it lives on."""

    name: Name
    by: str | None
    took_s: float


class Trial:
    """The plugin. ``mutants`` are tried in their order, each by the ``tests`` of its file; ``killers`` are
    those of the last time, by the mutant's text; those to be ``spared`` meet only the tests that fit into
    ``budget_s``. Now and then ``keep`` is called with what is known so far."""

    def __init__(
        self,
        *,
        package: Path,
        memory: Path,
        mutants: list[Mutant],
        tests: dict[str, frozenset[Path]],
        killers: dict[str, str],
        spared: set[Name],
        budget_s: float,
        keep: Callable[[list[Outcome]], None],
    ) -> None:
        self._package = package
        self._memory = memory
        self._mutants = mutants
        self._tests = tests
        self._killers = killers
        self._spared = spared
        self._budget_s = budget_s
        self._keep = keep
        self.outcomes: list[Outcome] = []
        self.tests = 0
        self._paths: dict[str, Path] = {}
        # How often which test killed a mutant of which function.
        self._kills = Counter[tuple[str, str, str]]()

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self) -> None:
        """The same examples for every mutant, and none made smaller: that a test fails is all."""
        from hypothesis import Phase, settings  # noqa: PLC0415  # not before pytest saw to its plugins

        settings.register_profile(
            PROFILE, derandomize=True, deadline=None, max_examples=20, database=None,
            phases=[Phase.explicit, Phase.generate],
        )  # fmt: skip

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests: try the mutants."""
        if session.testsfailed:
            raise session.Interrupted("the tests cannot be collected")
        items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()  # what a child only reads stays shared
        self.tests, self._paths = len(items), {one: item.path for one, item in items.items()}
        covering = self._known_cover(items)
        uses = Uses(self._package, session.config.rootpath)
        for number, mutant in enumerate(self._mutants):
            began = time.monotonic()
            chosen = self._choose(mutant, covering, uses)
            by = self._try(mutant, [items[one] for one in chosen], covering)
            outcome = Outcome(mutant.name, by, time.monotonic() - began)
            self.outcomes.append(outcome)
            if by is not None:
                self._kills[mutant.name.file, mutant.name.where, by] += 1
            self._tell(number, outcome, len(chosen))
        return True

    def _tell(self, number: int, outcome: Outcome, tests: int) -> None:
        if outcome.by is None:
            print(f"{outcome.name}\n    lives on after {tests} tests, {outcome.took_s:.1f} s", flush=True)
        if number % 100 == 99:
            print(f"{number + 1} of {len(self._mutants)}", file=sys.stderr, flush=True)
            self._keep(self.outcomes)

    # ---- which tests --------------------------------------------------------------------------------

    def _known_cover(self, items: dict[str, pytest.Item]) -> Covering:
        """What the tests cover; of files of tests that did not change it is remembered."""
        source = _digest(sorted(self._package.rglob("*.py")))
        keys = {one: f"{source} {_digest([item.path])} {one}" for one, item in items.items()}
        known = json.loads(self._memory.read_text("utf-8")) if self._memory.exists() else {}
        new = {one: item for one, item in items.items() if keys[one] not in known}
        if new:
            known |= {keys[one]: covered for one, covered in self._cover(new).items()}
            known = {key: known[key] for key in keys.values()} if len(known) > _MOST else known
            self._memory.write_text(json.dumps(known), "utf-8")
        covering = Covering()
        for one, key in keys.items():
            covering.took_s[one], files = known[key]
            for file, lines in files.items():
                for line in lines:
                    covering.lines.setdefault(file, {}).setdefault(line, []).append(one)
        return covering

    def _cover(self, items: dict[str, pytest.Item]) -> dict[str, list[object]]:
        """Run every test once, in a child, so that what this process knows stays as it was imported."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            try:
                with os.fdopen(writer, "w", encoding="utf-8") as out, _quiet():
                    json.dump(self._measure(items), out)
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as told:
            text = told.read()
        os.waitpid(child, 0)
        if not text:
            raise pytest.UsageError("the tests could not be measured")
        found = json.loads(text)
        if found["failed"]:
            raise pytest.UsageError("without any change these fail: " + ", ".join(found["failed"]))
        return {one: [took_s, found["lines"].get(one, {})] for one, took_s in found["took_s"].items()}

    def _measure(self, items: dict[str, pytest.Item]) -> dict[str, object]:
        measured = coverage.Coverage(data_file=None, include=[f"{self._package}/*"], config_file=False)
        failed, took_s = [], {}
        measured.start()
        for item, following in _in_turn(list(items.values())):
            measured.switch_context(item.nodeid)
            began = time.process_time()
            if _fails(item, following):
                failed.append(item.nodeid)
            took_s[item.nodeid] = time.process_time() - began
        measured.stop()
        data = measured.get_data()
        lines: dict[str, dict[str, list[int]]] = {}
        for file in data.measured_files():
            relative = Path(file).relative_to(self._package).as_posix()
            for line, tests in data.contexts_by_lineno(file).items():
                for one in tests:
                    lines.setdefault(one, {}).setdefault(relative, []).append(line)
        return {"failed": failed, "took_s": took_s, "lines": lines}

    def _choose(self, mutant: Mutant, covering: Covering, uses: "Uses") -> list[str]:
        """The tests of a mutant, in the order in which it meets them."""
        found = {one for one in covering.took_s if uses.mentions(mutant, one.partition("::")[0])}
        for file, line in uses.of(mutant):
            found.update(covering.lines.get(file, {}).get(line, ()))
        files = self._tests[mutant.name.file]
        chosen = [one for one in found if self._paths[one] in files]
        function = mutant.name.file, mutant.name.where
        chosen.sort(key=lambda one: (covering.took_s[one] / (1 + self._kills[*function, one]), one))
        if mutant.name in self._spared:
            chosen = _within(chosen, covering, self._budget_s)
        last = self._killers.get(str(mutant.name))
        return sorted(chosen, key=lambda one: one != last)

    # ---- one mutant ---------------------------------------------------------------------------------

    def _try(self, mutant: Mutant, items: list[pytest.Item], covering: Covering) -> str | None:
        """What kills the mutant; None for nothing."""
        if not items:
            return None
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.close(reader)
            allowed = _PATIENCE * sum(covering.took_s[one.nodeid] for one in items) + _GRACE_S
            with _quiet():
                os._exit(_live(mutant, items, allowed, writer))
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as told:
            by = told.read()
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == _SURVIVED:
            return None
        if code == _NO_MUTANT:
            print(f"{mutant.name}\n    cannot be tried: {by}", flush=True)
            return f"not tried: {by}"
        return by or ("time" if code < 0 else f"exit status {code}")


def _digest(files: Iterable[Path]) -> str:
    found = hashlib.sha256()
    for path in files:
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _live(mutant: Mutant, items: list[pytest.Item], allowed_s: float, told: int) -> int:
    """The life of a child: become the mutant, meet the tests; returns its exit status."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, allowed_s)
    try:
        graft(mutant)
    except (GraftError, SyntaxError) as error:
        os.write(told, str(error).encode())
        return _NO_MUTANT
    except Exception as error:  # such a module could not even be imported
        os.write(told, f"import: {error!r}".encode())
        return _KILLED
    for item, following in _in_turn(items):
        if _fails(item, following):
            os.write(told, item.nodeid.encode())
            return _KILLED
    return _SURVIVED


def _in_turn(items: list[pytest.Item]) -> Iterator[tuple[pytest.Item, pytest.Item | None]]:
    yield from zip(items, [*items[1:], None], strict=True)


def _fails(item: pytest.Item, following: pytest.Item | None) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=following))


def _within(tests: list[str], covering: Covering, budget_s: float) -> list[str]:
    left, chosen = budget_s, []
    for one in tests:
        left -= covering.took_s[one]
        if left < 0:
            break
        chosen.append(one)
    return chosen


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing that a child says is of interest."""
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    yield
