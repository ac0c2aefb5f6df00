"""A capture replays to the same decisions, byte for byte: under any hash seed, any Python, and as of old.

The golden files in tests/replay/golden/ hold the decisions of small simulated worlds. Make them anew, and
read the difference in review, by ``python -m tests.replay.test_determinism``. A line is kept for each
decision that is no routine: every change of mode and accusation, and the first, the last and the number of
each run of publications and refusals.
"""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from refclock.capture import CaptureReader, CaptureWriter
from refclock.cli.replay import bridge_for, own_policy, replay
from refclock.jsonform import decision_line
from refclock.model import Decision, Publish, Withhold
from refclock.units import NS_PER_S
from refclock.world import World, WorldArguments

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).resolve().parent / "golden"
WORLDS = {
    "honest-nmea": WorldArguments(duration_ns=200 * NS_PER_S),
    "honest-ubx": WorldArguments(duration_ns=200 * NS_PER_S, receiver="ubx", seed=2),
    "step": WorldArguments(duration_ns=400 * NS_PER_S, attacks=("step:+100ms@200s",), seed=3),
    "liar-and-rtc": WorldArguments(
        duration_ns=400 * NS_PER_S, attacks=("ntp-liar:+1s@150s", "rtc:+5s@250s"), receiver="mixed", seed=4
    ),
    "vm-pause": WorldArguments(duration_ns=400 * NS_PER_S, attacks=("vm-pause:20s@180s",), seed=5),
    "no-pulse": WorldArguments(duration_ns=200 * NS_PER_S, pps=False, seed=6),
}
# What an interpreter without any third party runs: the core needs none.
REPLAY = """
import hashlib, sys
from refclock.capture import CaptureReader
from refclock.cli.replay import bridge_for, own_policy, replay
from refclock.jsonform import decision_line
with CaptureReader(sys.argv[1]) as reader:
    bridge = bridge_for(reader.header, own_policy(reader))
    text = "".join(decision_line(one) + "\\n" for one in replay(reader, bridge))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def simulated(path: Path, arguments: WorldArguments) -> Path:
    """A world's capture on disk."""
    world = World(arguments)
    with CaptureWriter(str(path), world.header()) as writer:
        for event in world.events():
            writer.write(event)
    return path


def decided(path: Path) -> list[Decision]:
    """All decisions of a capture."""
    with CaptureReader(str(path)) as reader:
        return list(replay(reader, bridge_for(reader.header, own_policy(reader))))


def digest(decisions: list[Decision]) -> str:
    """The digest that ``replay --verify`` compares."""
    return hashlib.sha256("".join(decision_line(one) + "\n" for one in decisions).encode()).hexdigest()


def condensed(decisions: list[Decision]) -> str:
    """The story in few lines, and the digest of all."""
    lines: list[str] = []
    run: list[Decision] = []

    def kind(one: Decision) -> str:
        if isinstance(one, Publish):
            return "publish"
        return one.reason if isinstance(one, Withhold) else ""

    def end() -> None:
        lines.extend(decision_line(one) for one in run[:1] + run[1:][-1:])
        if len(run) > 2:
            lines.insert(-1, f"... {len(run) - 2} more ...")
        run.clear()

    for one in decisions:
        if not kind(one):
            end()
            lines.append(decision_line(one))
            continue
        if run and kind(run[0]) != kind(one):
            end()
        run.append(one)
    end()
    return "\n".join([*lines, f"{len(decisions)} decisions, sha256 {digest(decisions)}"]) + "\n"


def elsewhere(python: Path | str, capture: Path, seed: str) -> str:
    """The digest by another interpreter, without site packages."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONHASHSEED": seed}
    told = [str(python), "-S", "-W", "error", "-c", REPLAY, str(capture)]
    done = subprocess.run(told, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


@pytest.fixture(scope="module")
def captures(tmp_path_factory) -> dict[str, Path]:
    """Every world's capture."""
    folder = tmp_path_factory.mktemp("captures")
    return {name: simulated(folder / f"{name}.jsonl.gz", arguments) for name, arguments in WORLDS.items()}


@pytest.mark.parametrize("name", WORLDS)
def test_decisions_are_as_of_old(captures, name):
    assert condensed(decided(captures[name])) == (GOLDEN / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", WORLDS)
def test_equal_worlds_are_equal_files(captures, tmp_path, name):
    again = simulated(tmp_path / "again.jsonl.gz", WORLDS[name])
    assert again.read_bytes() == captures[name].read_bytes()


@pytest.mark.parametrize("name", ["liar-and-rtc", "vm-pause"])
@pytest.mark.parametrize("seed", ["0", "1", "4294967295"])
def test_no_hash_seed_changes_a_decision(captures, name, seed):
    assert elsewhere(sys.executable, captures[name], seed) == digest(decided(captures[name]))


def test_no_python_changes_a_decision(captures, other_pythons):
    if not other_pythons:
        pytest.skip("no other Python from 3.11 on is installed")
    for name in ("honest-ubx", "liar-and-rtc"):
        expected = digest(decided(captures[name]))
        found = {version: elsewhere(python, captures[name], "7") for version, python in other_pythons.items()}
        assert found == dict.fromkeys(other_pythons, expected)


def test_a_capture_of_a_capture_s_events_is_the_same_capture(captures, tmp_path):
    path = captures["step"]
    with CaptureReader(str(path)) as reader:
        header = {key: value for key, value in reader.header.items() if key != "refclock_capture"}
        with CaptureWriter(str(tmp_path / "copy.jsonl.gz"), header) as writer:
            for event in reader:
                writer.write(event)
    assert (tmp_path / "copy.jsonl.gz").read_bytes() == path.read_bytes()


def main() -> None:
    """Make the golden files anew."""
    GOLDEN.mkdir(exist_ok=True)
    for name, arguments in WORLDS.items():
        path = simulated(GOLDEN / f"{name}.tmp", arguments)
        (GOLDEN / f"{name}.txt").write_text(condensed(decided(path)))
        path.unlink()


if __name__ == "__main__":
    main()
