"""What the daemon keeps on disk and reads from it: its state, and the leap-second list."""

import os

import pytest

from refclock.errors import ConfigError
from refclock.runtime import LeapFile, StateFile
from refclock.units import NS_PER_S, S_PER_DAY
from refclock.wire.leaplist import parse_leap_list

LIST = """\
#\tUpdated through IERS Bulletin C
#$\t 3929093563
#@\t3991507200
2272060800\t10\t# 1 Jan 1972
2287785600      11      # 1 Jul 1972

2303683200 12
#h 1 2 3
"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def state(tmp_path, said) -> StateFile:
    return StateFile(str(tmp_path / "state.json"), lambda priority, text: said.append(text))


def test_a_left_over_temporary_file_or_link_is_not_followed(state, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "state.json.new").symlink_to(victim)
    assert state.save({"a": 1})
    assert victim.read_text() == "precious"


def test_a_state_that_others_may_write_is_not_believed(state):
    state.save({"a": 1})
    os.chmod(state.path, 0o662)
    with pytest.raises(ConfigError, match="mode 0662"):
        state.load()


def test_a_state_that_is_a_link_or_a_pipe_is_not_read(state, tmp_path):
    os.mkfifo(state.path)
    with pytest.raises(ConfigError, match="not a regular file"):
        state.load()
    os.unlink(state.path)
    (tmp_path / "other").write_text("{}")
    os.symlink(tmp_path / "other", state.path)
    with pytest.raises(ConfigError, match="cannot be read"):
        state.load()


def test_a_state_that_cannot_be_saved_is_told_once_and_so_is_its_recovery(tmp_path, said):
    directory = tmp_path / "later"
    state = StateFile(str(directory / "s"), lambda priority, text: said.append(text))
    assert not state.save({"a": 1})
    assert not state.save({"a": 2})
    assert len(said) == 1
    directory.mkdir()
    assert state.save({"a": 3})
    assert len(said) == 2


def test_saving_is_paced_by_changes_of_mode(tmp_path):
    state = StateFile(str(tmp_path / "state"), lambda priority, text: None)
    saved: list[int] = []

    def at(second: int, mode_changed: bool = False, urgent: bool = False) -> bool:
        def memory() -> dict[str, object]:
            saved.append(second)
            return {"second": second}

        return state.tend(second * NS_PER_S, memory, mode_changed, urgent)

    assert at(0)
    assert not at(1, mode_changed=True)
    assert at(60, mode_changed=True)
    assert at(61)
    assert at(62, mode_changed=True, urgent=True)
    assert at(661)
    assert at(662)
    assert saved == [0, 60, 62, 662]


def test_an_unchanged_memory_is_not_written_again(state):
    state.save({"a": 1})
    before = os.stat(state.path).st_ino
    state.save({"a": 1})
    assert os.stat(state.path).st_ino == before


def test_the_list_in_posix_seconds():
    assert parse_leap_list(LIST) == {
        "expires_s": 3991507200 - 2208988800,
        "steps": [[63072000, 10], [78796800, 11], [94694400, 12]],
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "expires"),
        ("#@ 3991507200\n", "no leap seconds"),
        ("#@ soon\n", "line 1: expected numbers"),
        ("#@ 3991507200\n2272060800 ten\n", "line 2: expected numbers"),
        ("#@ 3991507200\n2272060800\n", "line 2: expected a second"),
        ("#@ 3991507200\n2272060800 10\n2272060800 11\n", "line 3: expected a later second"),
        (
            "#@ 3991507200\n2272060800 10\n2287785600 13\n",
            "line 3: expected a later second and a change by 1",
        ),
    ],
)
def test_a_malformed_list_names_its_line(text, problem):
    with pytest.raises(ValueError, match=problem):
        parse_leap_list(text)


def test_the_list_is_read_daily_and_fed_when_it_changed(tmp_path, said):
    path = tmp_path / "leap-seconds.list"
    path.write_text(LIST)
    leap = LeapFile(str(path), lambda priority, text: said.append(text))
    day = S_PER_DAY * NS_PER_S
    assert leap.tend(0, 1_700_000_000) is not None
    path.write_text(LIST.replace("3991507200", "4007404800"))
    assert leap.tend(day - 1, 1_700_000_000) is None
    assert leap.tend(day, 1_700_000_000) is not None
    assert leap.tend(2 * day, 1_700_000_000) is None


def test_an_expired_list_is_fed_with_a_warning(tmp_path, said):
    path = tmp_path / "leap-seconds.list"
    path.write_text(LIST)
    leap = LeapFile(str(path), lambda priority, text: said.append(text))
    assert leap.tend(0, 2_000_000_000) is not None
    assert "expired" in said[0]


def test_a_list_that_is_missing_or_malformed_is_told_once_and_gone_without(tmp_path, said):
    path = tmp_path / "leap-seconds.list"
    leap = LeapFile(str(path), lambda priority, text: said.append(text))
    day = S_PER_DAY * NS_PER_S
    assert leap.tend(0, 0) is None
    assert leap.tend(day, 0) is None
    path.write_text("<html>captive portal</html>")
    assert leap.tend(2 * day, 0) is None
    assert len(said) == 2
    assert all("\n" not in line and str(path) in line for line in said)


def test_the_systems_own_list_is_understood():
    path = "/usr/share/zoneinfo/leap-seconds.list"
    if not os.path.exists(path):
        pytest.skip("no tzdata on this machine")
    with open(path, encoding="ascii") as file:
        table = parse_leap_list(file.read())
    steps = table["steps"]
    assert isinstance(steps, list)
    assert steps[0] == [63072000, 10]
    assert steps[27] == [1483228800, 37]
