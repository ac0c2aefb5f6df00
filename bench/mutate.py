"""Changes the core in one place after the other, and lets the tests find out. See bench/README.md."""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from mutation.listed import ListError, read
from mutation.mutants import Mutant, Name, mutants
from mutation.trial import PROFILE, Outcome, Trial

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "refclock"
LIST = ROOT / "bench" / "mutants.toml"
# A room's promises are tested by the tests that speak of that room alone: they are quick, and say what broke.
# The bridge, which holds the rooms together, is tried by some of those that drive a whole host as well.
ROOMS = {
    "core/asking": "configurer poller",
    "core/blame": "attribution blame hat rates",
    "core/bridge.py": "acquire bridge configurer effect host memory polled",
    "core/effect": "effect",
    "core/gate": "gate judge ledger company",
    "core/rules": "episodes modes reasons",
    "core/seconds": "dates health interval leap line pairing standard timeline",
    "core/telling": "ledger telling view",
    "core/trust": "acquire dwell established memory numbering trust",
    "core/witness": "cesium chrony_witness companion further ntp phc realm rtc witnesses",
    "core": "*",
}


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0 when every mutant is killed or listed, and the list holds nothing else."""
    if os.environ.get("PYTHONHASHSEED") != "0":  # the same order of every set, each time
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, "PYTHONHASHSEED": "0"})
    args = _arguments(arguments)
    sys.path.insert(0, str(PACKAGE.parent))  # this checkout's package, whatever is installed
    try:
        listed = read(LIST)
    except ListError as error:
        print(error, file=sys.stderr)
        return 2
    args.memory.mkdir(exist_ok=True)
    memory = args.memory / "killers.json"
    killers = json.loads(memory.read_text("utf-8")) if memory.exists() else {}
    chosen = _chosen(args, killers)
    tests = {one.name.file: _tests(args, one.name.file) for one in chosen}
    spared = {one.name for one in chosen} if args.quick else set(listed)
    trial = Trial(
        package=PACKAGE, memory=args.memory / "cover.json", mutants=chosen, tests=tests, killers=killers,
        spared=spared, budget_s=args.budget,
        keep=lambda outcomes: _remember(memory, killers, outcomes),
    )  # fmt: skip
    began = time.monotonic()
    status = pytest.main(_pytest(sorted({str(path) for paths in tests.values() for path in paths})), [trial])
    if len(trial.outcomes) != len(chosen):
        print(f"pytest ended with {status}: nothing is proven", file=sys.stderr)
        return 2
    _remember(memory, killers, trial.outcomes)
    _table(trial.outcomes, listed, time.monotonic() - began, trial.tests)
    return _verdict(trial.outcomes, listed, args)


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rooms", nargs="*", default=["core"], help="files or folders of the package (core)")
    parser.add_argument(
        "--survivors", action="store_true", help="only those that nothing killed the last time"
    )
    parser.add_argument("--sample", type=int, help="so many of them, drawn by --seed")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument(
        "--quick", action="store_true", help="the budget is for those that are not listed too"
    )
    parser.add_argument("--budget", type=float, default=8.0, help="seconds of tests for a listed mutant (8)")
    parser.add_argument("--tests", nargs="*", help="files of tests, instead of the room's")
    parser.add_argument(
        "--memory", type=Path, default=ROOT / ".mutants",
        help="folder for what saves time the next time; it may be deleted at any time",
    )  # fmt: skip
    return parser.parse_args(arguments)


def _chosen(args: argparse.Namespace, killers: dict[str, str]) -> list[Mutant]:
    found = []
    for room in args.rooms:
        path = PACKAGE / room
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            found += list(mutants(file, PACKAGE))
    if args.survivors:
        found = [one for one in found if str(one.name) not in killers]
    if args.sample is not None:
        found = random.Random(args.seed).sample(found, args.sample)
    return found


def _tests(args: argparse.Namespace, file: str) -> frozenset[Path]:
    """The files of tests for a file of the package."""
    room = next((one for one in ROOMS if file == one or file.startswith(f"{one}/")), "core")
    patterns = args.tests or [f"tests/unit/test_core_{one}.py" for one in ROOMS[room].split()]
    return frozenset(path for pattern in patterns for path in ROOT.glob(pattern))


def _pytest(files: list[str]) -> list[str]:
    options = ["-q", "-s", "-p", "no:randomly", "-p", "no:cacheprovider"]
    return [*options, f"--rootdir={ROOT}", f"--hypothesis-profile={PROFILE}", *files]


def _remember(memory: Path, killers: dict[str, str], outcomes: list[Outcome]) -> None:
    for one in outcomes:
        killers.pop(str(one.name), None)
        if one.by is not None:
            killers[str(one.name)] = one.by
    beside = memory.with_suffix(".new")
    beside.write_text(json.dumps(killers, indent=0, sort_keys=True), "utf-8")
    os.replace(beside, memory)


def _table(outcomes: list[Outcome], listed: dict[Name, str], took_s: float, tests: int) -> None:
    total, killed, kept = Counter[str](), Counter[str](), Counter[str]()
    for one in outcomes:
        parts = one.name.file.split("/")
        for room in ("/".join(parts[:2]), "all"):
            total[room] += 1
            killed[room] += one.by is not None
            kept[room] += one.by is None and one.name in listed
    print("\n| room | mutants | killed | listed | neither |\n|---|---|---|---|---|")
    for room in total:
        left = total[room] - killed[room] - kept[room]
        print(f"| {room} | {total[room]} | {killed[room]} | {kept[room]} | {left} |")
    print(f"{tests} tests, {took_s:.0f} s, {took_s / max(1, len(outcomes)):.2f} s a mutant")


def _verdict(outcomes: list[Outcome], listed: dict[Name, str], args: argparse.Namespace) -> int:
    lives = [one.name for one in outcomes if one.by is None and one.name not in listed]
    dead = [one.name for one in outcomes if one.by is not None and one.name in listed]
    for name in dead:
        print(f"listed, but a test kills it: take it off bench/mutants.toml\n{name}")
    whole = not args.survivors and args.sample is None
    tried = {one.name for one in outcomes}
    gone = [one for one in listed if _within(one, args.rooms) and one not in tried] if whole else []
    for name in gone:
        print(f"listed, but there is no such mutant: take it off bench/mutants.toml\n{name}")
    return 1 if lives or dead or gone else 0


def _within(name: Name, rooms: list[str]) -> bool:
    return any(name.file == room or name.file.startswith(f"{room}/") for room in rooms)


if __name__ == "__main__":
    sys.exit(main())
