"""The museum: every incident gets its verdict, and the exhibits are what they say they are."""

import json
import lzma
import shutil
from pathlib import Path

import pytest

from refclock.capture import CaptureReader
from refclock.cli import main
from refclock.cli.museum import Outcome, exhibits, table, visit
from refclock.cli.verdict import VERDICTS

ROOT = Path(__file__).resolve().parents[2]
MUSEUM = ROOT / "hw-fixtures" / "incidents"
EXHIBITS = exhibits(MUSEUM)
# The smallest one: it is made anew in each run of the tests.
REMADE = "late-messages"


@pytest.fixture(scope="module")
def outcomes():
    """Every exhibit's outcome, each replayed once; shown as the verb shows them when all are there."""
    return {}


@pytest.fixture(scope="module")
def maker(load_tool):
    return load_tool("make_museum")


@pytest.mark.parametrize("name", EXHIBITS)
def test_an_exhibit_gets_its_verdict(name, outcomes, capsys):
    outcome, story = visit(EXHIBITS[name])
    outcomes[name] = outcome
    assert not outcome.failed
    assert "simulated)" in story
    assert all(len(line) <= 90 for line in story.splitlines())
    if len(outcomes) == len(EXHIBITS):
        with capsys.disabled():
            print("\n" + table([outcomes[known] for known in EXHIBITS]))


@pytest.mark.parametrize("name", EXHIBITS)
def test_a_header_says_what_the_exhibit_is(name):
    with CaptureReader(str(EXHIBITS[name])) as reader:
        header = reader.header
    assert header["simulated"] is True
    assert header["licence"] == "Apache-2.0"
    shown, expect = header["exhibit"], header["expect"]
    assert isinstance(shown, dict)
    assert isinstance(expect, dict)
    assert shown["verdict"] in VERDICTS
    assert all(shown[key] for key in ("title", "date", "what happened", "source", "required"))
    assert expect["within_bound"] is True
    assert {"mode", "published"} <= set(expect)
    assert isinstance(expect["max_error_ns"], int)
    # No exhibit may be saved by a build date that was not known then.
    host, world = header["host"], header["world"]
    assert isinstance(host, dict)
    assert isinstance(world, dict)
    assert 0 < world["start_s"] - host["build_utc_s"] < 366 * 86_400


def test_the_museum_is_what_the_catalogue_makes(maker, tmp_path):
    made_with, entries = maker.catalogue()
    assert {entry.name for entry in entries} == set(EXHIBITS)
    (entry,) = [entry for entry in entries if entry.name == REMADE]
    entry.write(tmp_path / EXHIBITS[REMADE].name, made_with)
    # Compared unpacked: another release of the compressor may pack the same bytes otherwise.
    shipped, made = EXHIBITS[REMADE].read_bytes(), (tmp_path / EXHIBITS[REMADE].name).read_bytes()
    assert lzma.decompress(made) == lzma.decompress(shipped)
    text = (MUSEUM / "README.md").read_text()
    assert maker.readme(text, entries) == text


def test_the_museum_is_small():
    sizes = [path.stat().st_size for path in EXHIBITS.values()]
    assert max(sizes) <= 150_000
    assert sum(sizes) <= 3_000_000


def test_the_verb_shows_one_exhibit_with_its_story(capsys):
    assert main(["museum", "--exhibit", REMADE]) == 0
    told = capsys.readouterr()
    assert "Required: edge proof refuses; 0." in told.out
    assert told.out.endswith("1 of 1 as required\n")
    assert told.err == ""


def test_the_verb_speaks_json(capsys):
    assert main(["museum", "--json", "--exhibit", REMADE, str(MUSEUM)]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["name"], one["verdict"], one["worst_ns"], one["failed"]) == (REMADE, "rejected", None, [])


def test_the_verb_says_what_is_not_as_required(tmp_path, capsys):
    lines = lzma.decompress(EXHIBITS[REMADE].read_bytes()).decode().splitlines()
    header = json.loads(lines[0])
    header["exhibit"]["verdict"] = "lock"
    (tmp_path / "changed.jsonl").write_text("\n".join([json.dumps(header), *lines[1:-1]]) + "\n")
    assert main(["museum", str(tmp_path)]) == 1
    told = capsys.readouterr().out
    assert "verdict rejected, required lock" in told
    assert "truncated: no footer" in told
    assert told.endswith("0 of 1 as required\n")


def test_unusable_museums(tmp_path, capsys):
    assert main(["museum", str(tmp_path)]) == 2
    assert "not with an installed package" in capsys.readouterr().err
    assert main(["museum", "--exhibit", "louvre"]) == 2
    assert "no exhibit is called louvre" in capsys.readouterr().err
    shutil.copy(EXHIBITS[REMADE], tmp_path / "plain.jsonl.xz")
    world = tmp_path / "world.jsonl"
    assert main(["simulate", "--duration", "5s", "--out", str(world)]) == 0
    assert main(["museum", str(tmp_path)]) == 2
    assert "not an exhibit" in capsys.readouterr().err


def test_the_table_is_narrow():
    failed = ["published 3 seconds of which none should have been, " * 3]
    rows = table([Outcome("a" * 26, "lock", "accepted", 10**12, 378_691_200 * 10**9, 1, failed)]).splitlines()
    assert max(map(len, rows)) <= 94
    assert "1000.0 s" in rows[1]
    assert rows[1].endswith("NOT")
