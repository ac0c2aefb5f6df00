"""Fixtures that every kind of test shares."""

import importlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

from refclock.cli import VERBS

ROOT = Path(__file__).resolve().parent.parent
IN_CI = os.environ.get("CI") == "true"

# No deadline: a slow machine is no defect of the code. Another profile: pytest --hypothesis-profile=long
settings.register_profile("default", derandomize=False, deadline=None, max_examples=50)
# CI tries the same examples each time, so that a red run is the change's own doing.
settings.register_profile("ci", derandomize=True, deadline=None, max_examples=100, print_blob=True)
settings.register_profile("long", derandomize=False, deadline=None, max_examples=5000, print_blob=True)
settings.load_profile("ci" if IN_CI else "default")


# Whoever starts the tests in the background may have them ignore an interrupt, and their children with them.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A verb is imported when it is called. Were that in a test that patches a constant, the verb would keep what
# the constant was then.
for _verb in VERBS:
    importlib.import_module(f"refclock.cli.{_verb}")


@pytest.fixture(scope="session")
def require_program() -> Callable[[str], str]:
    """A function: the path of a program. Without it the test is skipped, but in CI it fails.

    CI installs every program itself, so a missing one there is a defect of the set-up.
    """
    # Daemons live in /usr/sbin, which is not on everybody's PATH.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])

    def find(name: str) -> str:
        found = shutil.which(name, path=path)
        if found is None:
            reason = f"{name} is not installed; `make setup` says how to get it"
            if IN_CI:
                pytest.fail(reason)
            pytest.skip(reason)
        return found

    return find


@pytest.fixture(scope="session")
def shared_captures() -> Path:
    """The folder of gpsd's own recordings of real receivers. It lies beside the checkout, not in it."""
    named = os.environ.get("REFCLOCK_SHARED")
    shared = Path(named) if named else ROOT.parent / "shared"
    folder = shared / "captures" / "gpsd"
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; set REFCLOCK_SHARED to the folder that holds captures/gpsd")
    return folder


@pytest.fixture(scope="module")
def load_tool() -> Iterator[Callable[[str], ModuleType]]:
    """A function: the module of a script in tools/, which is no package."""
    loaded = []

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        # A dataclass looks for its module here.
        sys.modules[name] = module
        loaded.append(name)
        spec.loader.exec_module(module)
        return module

    yield load
    for name in loaded:
        del sys.modules[name]


@pytest.fixture(scope="session")
def other_pythons() -> dict[tuple[int, int], Path]:
    """The machine's further Pythons from 3.11 on, one of each minor version but the running one."""
    found: dict[tuple[int, int], Path] = {}
    for candidate in _python_candidates():
        version = _python_version(candidate)
        if version is not None and version >= (3, 11) and version != sys.version_info[:2]:
            found.setdefault(version, candidate)
    return found


def _python_candidates() -> Iterator[Path]:
    for minor in range(11, 20):
        on_path = shutil.which(f"python3.{minor}")
        if on_path is not None:
            yield Path(on_path)
    yield from sorted((Path.home() / ".pyenv" / "versions").glob("3.*/bin/python3"))


def _python_version(python: Path) -> tuple[int, int] | None:
    """None for what does not run: pyenv puts a shim on PATH for versions that are not switched on."""
    asked = [str(python), "-c", "import sys; print(*sys.version_info[:2])"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        return None
    major, minor = answer.stdout.split()
    return int(major), int(minor)
