"""The worst that the search for an adversary found, as captures; each header says what a replay must find.

They are made anew by ``python bench/adversary.py --golden tests/replay/golden``.
"""

from pathlib import Path

import pytest
from search.golden import GOLDEN

from refclock.capture import CaptureReader
from refclock.cli import main

FOLDER = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", [row[0] for row in GOLDEN])
def test_the_worst_found_gets_its_verdict(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = FOLDER / f"adversary-{name}.jsonl.xz"
    with CaptureReader(str(path)) as reader:
        assert reader.header["simulated"] is True
        assert reader.header["expect"] == next(row[5] for row in GOLDEN if row[0] == name)
    status = main(["replay", str(path), "--summary"])
    told = capsys.readouterr()
    assert status == 0, told.err


def test_no_golden_capture_is_left_over() -> None:
    assert {path.name for path in FOLDER.glob("adversary-*")} == {
        f"adversary-{row[0]}.jsonl.xz" for row in GOLDEN
    }
