"""What receivers said, simulated or recorded: each capture in hw-fixtures/ gives the decisions beside it."""

import json
import lzma
from pathlib import Path

import pytest

from refclock.capture import CaptureReader
from refclock.cli import main
from refclock.cli.truth import Truth
from refclock.wire.families import FAMILIES
from refclock.world.voices.table import VOICES

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = sorted((ROOT / "hw-fixtures").glob("*/*/*.jsonl*"))
NAMES = [str(path.relative_to(ROOT / "hw-fixtures")).partition(".")[0] for path in CAPTURES]
# The smallest one is made anew in each run of the tests.
REMADE = "trimble/res720/week-rollover"


@pytest.fixture(scope="module")
def maker(load_tool):
    return load_tool("make_fixtures")


@pytest.mark.parametrize("path", CAPTURES, ids=NAMES)
def test_a_capture_gives_the_decisions_beside_it(path, maker, capsys):
    assert main(["replay", str(path), "--decisions"]) == 0
    told = capsys.readouterr()
    # Where a standard has just been switched on nothing is fed, and that is told.
    assert told.err == "" or ("power-on" in path.name and "nothing was published" in told.err)
    expected = lzma.decompress(maker.expected_of(path).read_bytes()).decode()
    assert told.out == expected, "read the difference; then run python tools/make_fixtures.py --expected"


@pytest.mark.parametrize("path", CAPTURES, ids=NAMES)
def test_a_header_says_what_the_receiver_was_and_who_made_it(path):
    with CaptureReader(str(path)) as reader:
        header = reader.header
    told = header["fixture"]
    assert isinstance(told, dict)
    assert header["licence"]
    assert (told["vendor"], told["model"]) == path.parts[-3:-1]
    assert told["case"] == path.name.partition(".")[0]
    assert told["title"]
    assert told["firmware"]
    assert told["made_by"]
    # A world that nobody recorded says so, and knows the truth.
    assert (header.get("simulated") is True) == (Truth.of(header) is not None)
    assert (header.get("simulated") is True) == ("simulated" in told["made_by"])


def test_no_decisions_without_a_capture(maker):
    kept = set((ROOT / "hw-fixtures").glob("*/*/*.expected*"))
    assert kept == {maker.expected_of(path) for path in CAPTURES}


def test_every_family_has_the_cases_that_it_can_express(maker):
    _, cases, models = maker.catalogue()
    told = {name for name, case in cases.items() if not case.standard}
    assert told == {"week-rollover", "leap-second", "holdover", "antenna-fault", "cold-start"}
    assert set(cases) - told == {"lock-lost", "power-on"}
    wanted = {f"{model.path}/{name}" for model in models for name, case in cases.items() if model.has(case)}
    assert wanted <= set(NAMES)
    # One voice of each family at least; "auto" is two of the others on one line.
    spoken = {VOICES[model.voice].protocol for model in models}
    assert {row.protocol for row in VOICES.values()} & FAMILIES.keys() <= spoken
    assert all(len(model.path.split("/")) == 2 for model in models)


def test_the_fixtures_are_what_the_catalogue_makes(maker, tmp_path):
    made_with, cases, models = maker.catalogue()
    place, _, name = REMADE.rpartition("/")
    (model,) = [model for model in models if model.path == place]
    target = tmp_path / "made.jsonl.xz"
    model.write(name, cases[name], made_with, target)
    # Compared unpacked: another release of the compressor may pack the same bytes otherwise.
    shipped = (ROOT / "hw-fixtures" / f"{REMADE}.jsonl.xz").read_bytes()
    assert lzma.decompress(target.read_bytes()) == lzma.decompress(shipped)


def test_a_decision_is_a_line_of_its_own(maker):
    lines = lzma.decompress(maker.expected_of(CAPTURES[0]).read_bytes()).splitlines()
    assert {json.loads(line)["d"] for line in lines} <= {"publish", "withhold", "mode", "accuse", "request"}


def test_the_fixtures_are_small():
    assert max(path.stat().st_size for path in CAPTURES) <= 150_000
    assert sum(path.stat().st_size for path in CAPTURES) <= 80_000 * len(CAPTURES)


def test_the_families_of_the_fixtures_are_in_the_table(maker):
    for path in CAPTURES:
        with CaptureReader(str(path)) as reader:
            ports = reader.header["ports"]
        assert isinstance(ports, dict)
        spoken = [port["protocol"] for port in ports.values() if port.get("kind") == "serial"]
        assert all(name in FAMILIES or name in VOICES for name in spoken)
