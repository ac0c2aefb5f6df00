"""The sealed state: what is saved is loaded, and every way to tamper with it that a file can notice."""

import json
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from refclock.errors import ConfigError
from refclock.policy import parse_policy
from refclock.runtime import StateFile
from refclock.runtime.inforce import in_force
from refclock.runtime.seal import opened, sealed

MEMORY = {"floor_utc_ns": 1_800_000_000_000_000_000, "locked": False, "episodes_s": [1, 2]}
LATER = MEMORY | {"floor_utc_ns": 1_800_000_600_000_000_000}


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def made(tmp_path, said) -> Callable[[], StateFile]:
    return lambda: StateFile(str(tmp_path / "state"), lambda priority, text: said.append(text))


@pytest.fixture
def two(made, tmp_path) -> Path:
    """A state that was written twice, and beside it, in "old", as it was after the first time."""
    state = made()
    state.save(MEMORY)
    os.mkdir(tmp_path / "old")
    for name in ("state", "state.key", "state.seq"):
        shutil.copy2(tmp_path / name, tmp_path / "old" / name)
    state.save(LATER)
    return Path(tmp_path)


def test_what_is_saved_is_loaded(made, tmp_path):
    state = made()
    assert state.load() is None
    assert not state.tampered
    assert os.listdir(tmp_path) == []
    assert state.save(MEMORY)
    again = made()
    assert again.load() == MEMORY
    assert not again.tampered
    assert sorted(os.listdir(tmp_path)) == ["state", "state.key", "state.seq"]
    for name in os.listdir(tmp_path):
        assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600


def test_the_chain_goes_on_over_restarts(made, two):
    for _ in range(3):
        state = made()
        state.load()
        assert not state.tampered
        state.save(LATER | {"episodes_s": [_]})
    document = json.loads((two / "state").read_text())
    assert document["seq"] == 5
    assert json.loads((two / "state.seq").read_text())["head"] == document["mac"]


def _edit(path: Path) -> None:
    path.write_text(path.read_text().replace("1800000600", "1700000600"))


def _leave_the_key(path: Path) -> None:
    os.unlink(path / "state")
    os.unlink(path / "state.seq")


TAMPERING: dict[str, tuple[Callable[[Path], object], str]] = {
    "edit": (lambda there: _edit(there / "state"), "edited or cut off"),
    "unlock": (
        lambda there: (there / "state").write_text(
            (there / "state").read_text().replace('"locked": false', '"locked": true')
        ),
        "edited or cut off",
    ),
    "truncation": (lambda there: os.truncate(there / "state", 100), "edited or cut off"),
    "emptied": (lambda there: os.truncate(there / "state", 0), "edited or cut off"),
    "deletion": (lambda there: os.unlink(there / "state"), "deleted"),
    "roll-back": (lambda there: shutil.copy2(there / "old/state", there / "state"), "rolled back: it is"),
    "count edited": (lambda there: os.truncate(there / "state.seq", 10), "count of states was edited"),
    "count deleted": (lambda there: os.unlink(there / "state.seq"), "count of states was deleted"),
    "key deleted": (lambda there: os.unlink(there / "state.key"), "key is gone"),
    "key cut": (lambda there: os.truncate(there / "state.key", 16), "key was changed"),
    "key changed": (lambda there: (there / "state.key").write_bytes(b"x" * 32), "neither the state nor"),
    "only the key left": (_leave_the_key, "deleted"),
    "nested": (lambda there: (there / "state").write_text("[" * 100_000), "edited or cut off"),
    "no object": (lambda there: (there / "state").write_text("[]"), "edited or cut off"),
}


@pytest.mark.parametrize("how", TAMPERING)
def test_tampering_is_noticed_said_and_handed_to_the_core(made, two, said, how):
    deed, words = TAMPERING[how]
    deed(two)
    state = made()
    args = state.load()
    assert args is not None
    assert words in str(args["tampered"])
    assert set(args) == {"floor_utc_ns", "tampered"}
    assert state.confirmed is None
    assert len(said) == 1
    assert "rearm" in said[0]


@pytest.mark.parametrize("how", TAMPERING)
def test_after_tampering_a_new_chain_begins_that_holds(made, two, how):
    TAMPERING[how][0](two)
    state = made()
    state.hold()
    state.load()
    assert state.save({"locked": True, "floor_utc_ns": 0})
    state.release()
    again = made()
    assert again.load() == {"locked": True, "floor_utc_ns": 0}
    assert not again.tampered


@pytest.mark.parametrize("how", ["roll-back", "deletion", "edit", "count deleted"])
def test_the_floor_is_the_greatest_that_is_still_sealed(made, two, how):
    TAMPERING[how][0](two)
    args = made().load()
    assert args is not None
    assert args["floor_utc_ns"] == LATER["floor_utc_ns"]


def test_what_a_file_cannot_notice_is_that_state_and_count_went_back_together(made, two):
    for name in ("state", "state.seq"):
        shutil.copy2(two / "old" / name, two / name)
    state = made()
    assert state.load() == MEMORY
    assert not state.tampered


def test_a_count_that_went_back_alone_is_noticed(made, two):
    state = made()
    state.load()
    state.save(LATER | {"episodes_s": []})
    shutil.copy2(two / "old/state.seq", two / "state.seq")
    args = made().load()
    assert args is not None
    assert "count of states was rolled back" in str(args["tampered"])


def test_another_history_of_the_same_length_is_noticed(made, two):
    now = {name: (two / name).read_bytes() for name in ("state", "state.seq")}
    for name in now:
        shutil.copy2(two / "old" / name, two / name)
    other = made()
    other.load()
    other.save(MEMORY | {"episodes_s": [3]})
    (two / "state.seq").write_bytes(now["state.seq"])
    args = made().load()
    assert args is not None
    assert "exchanged" in str(args["tampered"])


def test_a_crash_between_state_and_count_is_no_tampering(made, two):
    shutil.copy2(two / "old/state.seq", two / "state.seq")
    state = made()
    assert state.load() == LATER
    assert not state.tampered
    state.save(MEMORY)
    again = made()
    again.load()
    assert not again.tampered


def test_a_crash_before_the_first_count_is_no_tampering(made, tmp_path):
    made().save(MEMORY)
    os.unlink(tmp_path / "state.seq")
    state = made()
    assert state.load() == MEMORY
    assert not state.tampered


def test_a_start_that_ended_before_its_first_state_is_no_tampering(made, tmp_path):
    first = made()
    first.hold()
    first.release()
    assert sorted(os.listdir(tmp_path)) == ["state.key", "state.seq"]
    again = made()
    assert again.load() is None
    assert not again.tampered


def test_a_count_that_cannot_be_written_never_leaves_the_state_two_ahead(made, two, said):
    state = made()
    state.load()
    os.mkdir(two / "state.seq.new")
    assert not state.save(MEMORY)
    assert not state.save(MEMORY | {"episodes_s": []})
    assert len(said) == 1
    os.rmdir(two / "state.seq.new")
    assert state.save(MEMORY | {"episodes_s": []})
    again = made()
    assert again.load() == MEMORY | {"episodes_s": []}
    assert not again.tampered


def test_one_process_holds_the_files_and_another_is_told_so(made, tmp_path):
    first, second = made(), made()
    first.hold()
    with pytest.raises(ConfigError, match="a running daemon keeps its state there"):
        second.hold()
    first.release()
    second.hold()
    second.release()


def test_a_format_of_another_version_is_not_guessed_at(made, two):
    key = (two / "state.key").read_bytes()
    document = opened(key, "refclock-state", (two / "state").read_bytes())
    assert document is not None
    del document["mac"]
    data, _ = sealed(key, "refclock-state", document | {"refclock_state": 3})
    (two / "state").write_bytes(data)
    args = made().load()
    assert args is not None
    assert "format 3" in str(args["tampered"])


def test_a_state_cannot_pass_for_a_count(two):
    key = (two / "state.key").read_bytes()
    assert opened(key, "refclock-seq", (two / "state").read_bytes()) is None
    assert opened(key, "refclock-state", b'{"mac": 1}') is None


# ---- which limits are in force ---------------------------------------------------------------------

TIGHT = "[limits]\nmask1_offset_us = 500\nlatch_after_s = 600\n"


def _started(made, text, said) -> tuple[dict[str, object], int]:
    """One start and end of a daemon with this configuration: what is held, and mask 1's offset in force."""
    said.clear()
    state = made()
    state.load()
    policy, kept = in_force(parse_policy(text), state, lambda priority, line: said.append(line))
    assert state.save(MEMORY)
    return kept, policy.limits.mask1_offset_ns // 1000


def test_a_loosened_limit_is_held_back_and_a_tightened_one_is_not(made, said):
    assert _started(made, "", said) == ({}, 1000)
    assert said == []
    assert _started(made, TIGHT, said) == ({}, 500)
    assert said == ["tightened: mask1_offset_us: 1000 -> 500", "tightened: latch_after_s: 900 -> 600"]
    kept = {"limits": {"mask1_offset_us": 500, "latch_after_s": 600}}
    for _ in range(2):
        assert _started(made, "", said) == (kept, 500)
        assert said[0].startswith("held back: mask1_offset_us: 500 -> 1000 is looser; 500 stays in force")


def test_another_profile_is_held_back(made, said):
    _started(made, "", said)
    kept, offset = _started(made, 'profile = "appserver"', said)
    assert kept["profile"] == "kdc"
    assert offset == 1000
    assert "held back: profile: kdc -> appserver is another profile" in said[0]


def test_after_tampering_only_the_profiles_own_limits_count_as_confirmed(made, tmp_path, said):
    text = "[limits]\nlatch_after_s = 1800\n[loosened]\nlatch_after_s = 'slow sky'\n"
    assert _started(made, text, said)[0] == {}
    os.truncate(tmp_path / "state", 5)
    assert _started(made, text, said)[0] == {"limits": {"latch_after_s": 900}}


def test_a_held_back_limit_is_not_announced_as_loosened(made, said):
    text = "[limits]\nlatch_after_s = 1800\n[loosened]\nlatch_after_s = 'slow sky'\n"
    _started(made, "", said)
    state = made()
    state.load()
    assert in_force(parse_policy(text), state, lambda priority, line: None)[0].loosened == ()


def test_a_change_of_the_rest_of_the_configuration_is_logged(made, said):
    _started(made, "", said)
    _started(made, "[pps]\n", said)
    assert said == ["the configuration (not its limits) differs from the last start's"]
    _started(made, "[pps]\n", said)
    assert said == []
