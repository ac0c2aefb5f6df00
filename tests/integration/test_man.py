"""The manual pages as readers meet them: two formatters find no fault, and what is shown fits a terminal."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs/man").glob("*.[0-9]"))
WIDTH = 80

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(require_program) -> Run:
    def called(program: str, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "MANWIDTH": str(WIDTH),
            "MANPAGER": "cat",
        }
        return subprocess.run(
            [require_program(program), *words], capture_output=True, text=True, check=False, timeout=60,
            env=environment,
        )  # fmt: skip

    return called


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_formatter_finds_fault(run: Run, page):
    done = run("mandoc", "-T", "lint", str(page))
    assert (done.stdout, done.stderr) == ("", "")
    done = run("man", "--warnings", "-l", str(page))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_shown_fits_a_terminal(run: Run, page):
    shown = run("man", "-l", str(page)).stdout
    assert shown.startswith(f"{page.stem.upper()}({page.suffix[1:]})")
    # An example is typed as one line; all else fits.
    long = [line.strip() for line in shown.splitlines() if len(line) > WIDTH]
    assert [line for line in long if not line.startswith(("$ ", "# "))] == []
    assert "\\" not in shown, "an escape that no formatter knew"
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"):
        assert f"\n{heading}\n" in shown
