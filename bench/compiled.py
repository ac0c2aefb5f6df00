"""The search on the same code, compiled: a million runs in two thirds of the time.

usage: python bench/compiled.py DIR [argument of adversary.py]...

Copies core, policy and search into DIR (made anew), compiles them there with mypyc (part of mypy; needs gcc
and Python's headers), plays a few hundred plans in both forms, and goes on only if every outcome is the same
to the last nanosecond. Frozen dataclasses with slots become plain ones in the copy: mypyc makes no others
fast.
"""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PACKAGE = BENCH.parent / "src" / "refclock"
PROBE_RUNS, PROBE_SEED = 300, 7
# What a run spends its time in. A package's face is left to the interpreter.
COMPILED = ("refclock/core/**/*.py", "refclock/policy/*.py", "refclock/model.py", "refclock/units.py",
            "refclock/wire/sntp.py", "search/checks.py", "search/clocks.py", "search/host.py",
            "search/play.py", "search/setting.py")  # fmt: skip
_DATACLASS = re.compile(r"@dataclass\((?:frozen=True, )?slots=True(?:, )?(?P<rest>[^)]*)\)")


def prepare(target: Path) -> list[str]:
    """A copy to compile; returns the files, relative to it."""
    shutil.rmtree(target, ignore_errors=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PACKAGE, target / "refclock", ignore=ignore)
    shutil.copytree(BENCH / "search", target / "search", ignore=ignore)
    for name in ("adversary.py", Path(__file__).name):
        shutil.copy(BENCH / name, target / name)
    files = sorted({path for pattern in COMPILED for path in target.glob(pattern)})
    files = [path for path in files if path.name != "__init__.py"]
    for path in files:
        path.write_text(_DATACLASS.sub(lambda found: f"@dataclass({found['rest']})", path.read_text()))
    return [str(path.relative_to(target)) for path in files]


def probe(script: Path) -> str:
    """What a few hundred plans come to, as a digest, with the code that lies beside a copy of this script."""
    command = [sys.executable, str(script), "--digest"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def digest() -> str:
    """Of the outcomes of the first plans of one search."""
    from search.evolve import search  # noqa: PLC0415  # from wherever this process looks

    from refclock.policy import PROFILES  # noqa: PLC0415

    sha = hashlib.sha256()
    for one in search(PROFILES, PROBE_SEED, PROBE_RUNS):
        told = (one.plan.text(), one.published, one.worst.error_ns, one.worst.bound_ns, one.mode.value)
        sha.update(repr(told).encode())
    return sha.hexdigest()


def main() -> int:
    if sys.argv[1:] == ["--digest"]:
        print(digest())
        return 0
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(sys.argv[1]).resolve()
    files = prepare(target)
    subprocess.run([sys.executable, "-m", "mypyc", *files], cwd=target, check=True, stdout=subprocess.DEVNULL)
    if probe(target / Path(__file__).name) != probe(Path(__file__).resolve()):
        print("compiled: its outcomes differ from the interpreted code's; nothing was run", file=sys.stderr)
        return 1
    print(f"{len(files)} files compiled; {PROBE_RUNS} plans came to the same in both forms", file=sys.stderr)
    return subprocess.run([sys.executable, "adversary.py", *sys.argv[2:]], cwd=target, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
