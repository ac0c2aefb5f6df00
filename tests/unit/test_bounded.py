"""``refclock.now()``: the time with its bound, or an error that says why there is none."""

import math
import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

import refclock
from refclock import bounded
from refclock.bounded import TimeReader, suspended_ns, this_boot, this_namespace
from refclock.cli import main
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.timefile import NO_TIME, TimeRecord, encode

UTC_NS = 1_795_415_770_459_528_123


def raw_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


class Writer:
    """Writes the file as the daemon does."""

    def __init__(self, path):
        self.path = path
        self.number = 0
        self.handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)

    def write(self, **changed):
        self.number += 1
        began = raw_ns()
        fields = TimeRecord(
            self.number, began, UTC_NS, 20 * NS_PER_MS, 0, 0, began + 10 * NS_PER_S, suspended_ns(),
            this_namespace(), this_boot(), "vetted", 0, ("receiver:/dev/ttyS0", "pps:/dev/pps0"),
        )  # fmt: skip
        os.pwrite(self.handle, encode(replace(fields, **changed)), 0)
        return began

    def close(self):
        os.close(self.handle)


@pytest.fixture
def writer(tmp_path):
    made = Writer(str(tmp_path / "time"))
    yield made
    made.close()
    reader = bounded._readers.pop(made.path, None)
    if reader is not None:
        reader.close()


def test_the_time_and_its_bound(writer):
    began = writer.write()
    told = refclock.now(path=writer.path)
    ended = raw_ns()
    assert UTC_NS <= told.utc_ns <= UTC_NS + ended - began
    assert told.earliest_ns == told.utc_ns - 20 * NS_PER_MS - 1
    assert told.latest_ns == told.utc_ns + 20 * NS_PER_MS + 1
    assert told.bound_ns == 20 * NS_PER_MS + 1
    assert (told.state, told.chain) == ("vetted", ("receiver:/dev/ttyS0", "pps:/dev/pps0"))
    assert refclock.now(path=writer.path).utc_ns > told.utc_ns


def test_as_datetimes_they_never_promise_too_much(writer):
    writer.write()
    told = replace(
        refclock.now(path=writer.path), earliest_ns=UTC_NS - 1, utc_ns=UTC_NS, latest_ns=UTC_NS + 1
    )
    exact = datetime(2026, 11, 23, 6, 36, 10, 459_528, tzinfo=UTC)
    assert told.utc == told.earliest == exact
    assert told.latest == exact + timedelta(microseconds=1)
    assert told.latest.tzinfo is UTC
    assert told.before(UTC_NS + 2)
    assert not told.before(UTC_NS + 1)
    assert told.after(UTC_NS - 2)
    assert not told.after(UTC_NS - 1)


@pytest.mark.parametrize(
    ("limit", "good"),
    [
        (0.021, True),
        (timedelta(milliseconds=21), True),
        (1, True),
        (math.inf, True),
        (0.02, False),
        (timedelta(milliseconds=20), False),
        (0, False),
        (-1, False),
    ],
)
def test_a_bound_beyond_what_the_caller_allows_is_an_error(writer, limit, good):
    writer.write()
    if good:
        assert refclock.now(limit, path=writer.path).bound_ns > 20 * NS_PER_MS
        return
    with pytest.raises(refclock.BoundExceededError, match=r"UTC is known to 20\.0 ms only, and") as caught:
        refclock.now(limit, path=writer.path)
    assert caught.value.bound_ns == 20 * NS_PER_MS + 1
    assert isinstance(caught.value, refclock.TimeUnavailableError)


def test_a_limit_that_is_no_number(writer):
    writer.write()
    with pytest.raises(ValueError, match="NaN"):
        refclock.now(math.nan, path=writer.path)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"state": NO_TIME}, "the daemon vouches for no time now"),
        ({"void_after_ns": 1}, "void for .*: the daemon is gone, or hangs"),
        ({"raw_ns": 1 << 62}, "void for"),
        ({"boot": bytes(16)}, "another boot, or another time namespace"),
        ({"namespace": 1}, "another boot, or another time namespace"),
        ({"suspended_ns": suspended_ns() - 2 * NS_PER_MS}, "the machine was suspended since it was written"),
    ],
)
def test_nobody_vouches_for_a_time(writer, changed, complaint):
    writer.write(**changed)
    with pytest.raises(refclock.NotVettedError, match=complaint):
        refclock.now(path=writer.path)
    writer.write()
    assert refclock.now(path=writer.path).state == "vetted"


def test_there_is_no_file(tmp_path):
    with pytest.raises(refclock.NotVettedError, match=r"No such file.*\[time\] file"):
        refclock.now(path=str(tmp_path / "time"))


def test_files_that_are_none(tmp_path, writer):
    with pytest.raises(refclock.NotVettedError, match="no time file"):
        refclock.now(path=str(tmp_path))
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(refclock.NotVettedError, match="no time file"):
        refclock.now(path=str(tmp_path / "short"))
    (tmp_path / "foreign").write_bytes(bytes(512))
    with pytest.raises(refclock.NotVettedError, match="no whole record"):
        refclock.now(path=str(tmp_path / "foreign"))
    bounded._readers.pop(str(tmp_path / "foreign")).close()
    writer.write()
    os.chmod(writer.path, 0o664)
    with pytest.raises(refclock.NotVettedError, match="others than its owner may write it"):
        refclock.now(path=writer.path)


def test_a_daemon_that_was_started_anew_is_found(tmp_path, writer):
    writer.write()
    assert refclock.now(path=writer.path).state == "vetted"
    writer.write(state=NO_TIME)
    os.unlink(writer.path)
    with pytest.raises(refclock.NotVettedError, match="vouches for no time"):
        refclock.now(path=writer.path)
    again = Writer(writer.path)
    again.write(state="holdover")
    assert refclock.now(path=writer.path).state == "holdover"
    again.close()


def test_no_reader_ever_sees_a_torn_record(writer):
    """A thread of its own writes two kinds of records without a pause."""
    ends = threading.Event()

    def write():
        while not ends.is_set():
            writer.write(bound_ns=1, chain=("a",) * 9)
            writer.write(bound_ns=2, chain=("b",) * 5)

    thread = threading.Thread(target=write)
    writer.write(bound_ns=1, chain=("a",) * 9)
    thread.start()
    try:
        for _ in range(5000):
            told = refclock.now(path=writer.path)
            assert (told.bound_ns, told.chain) in ((2, ("a",) * 9), (3, ("b",) * 5))
    finally:
        ends.set()
        thread.join()


@pytest.fixture
def alone(writer, tmp_path, monkeypatch):
    """The writer's directory is the one in which daemons keep their files."""
    monkeypatch.setattr(bounded, "DIRECTORY", str(tmp_path))
    writer.write()
    yield tmp_path
    reader = bounded._readers.pop(None, None)
    if reader is not None:
        reader.close()


def test_the_only_daemon_s_file_need_not_be_named(alone, writer, capsys):
    assert refclock.now().state == "vetted"
    (alone / "receiver.sock").touch()
    assert main(["now"]) == 0
    assert " vetted " in capsys.readouterr().out
    # Another receiver took its place: the file has another name.
    writer.write(state=NO_TIME)
    os.rename(alone / "time", alone / "ublox.time")
    other = Writer(str(alone / "ublox.time"))
    other.write()
    assert refclock.now().state == "vetted"
    other.close()


def test_of_several_daemons_files_one_must_be_named(alone, writer, capsys):
    other = Writer(str(alone / "b.time"))
    other.write()
    with pytest.raises(
        refclock.NotVettedError, match=r"several daemons have a time file there \(b\.time, time\)"
    ):
        refclock.now()
    assert main(["now"]) == 1
    assert "name one" in capsys.readouterr().err
    assert main(["now", "--file", other.path]) == 0
    bounded._readers.pop(other.path).close()
    other.close()


def test_no_daemon_has_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(bounded, "DIRECTORY", str(tmp_path))
    with pytest.raises(refclock.NotVettedError, match="no time file is there; start refclock"):
        refclock.now()
    monkeypatch.setattr(bounded, "DIRECTORY", str(tmp_path / "none"))
    with pytest.raises(refclock.NotVettedError, match="No such file or directory; start refclock"):
        refclock.now()


def test_the_server_s_time_is_the_same(alone):
    assert refclock.get_server_time().state == "vetted"
    with pytest.raises(refclock.BoundExceededError):
        refclock.get_server_time(0.001)


def test_a_kernel_that_tells_neither_boot_nor_namespace(tmp_path, monkeypatch, writer):
    monkeypatch.setattr(bounded, "BOOT_ID", str(tmp_path / "none"))
    monkeypatch.setattr(bounded, "TIME_NAMESPACE", str(tmp_path / "none"))
    assert this_boot() == bytes(16)
    assert this_namespace() == 0
    (tmp_path / "odd").write_text("not hexadecimal")
    monkeypatch.setattr(bounded, "BOOT_ID", str(tmp_path / "odd"))
    assert this_boot() == bytes(16)


def test_the_package_has_no_other_names():
    with pytest.raises(AttributeError, match="no attribute 'later'"):
        refclock.later  # noqa: B018
    assert set(refclock.__all__) <= set(dir(refclock)) | {"now", "get_server_time", "BoundedTime"} | {
        "BoundExceededError", "NotVettedError", "TimeUnavailableError",
    }  # fmt: skip


def test_the_call_opens_no_socket_and_waits_for_nothing(writer):
    """Seen from outside: after the first call, the next ones do no system call but reading clocks."""
    writer.write()
    code = (
        "import sys, refclock\n"
        f"refclock.now(path={writer.path!r})\n"
        "seen = []\n"
        "sys.addaudithook(lambda name, args: seen.append(name))\n"
        f"refclock.now(path={writer.path!r})\n"
        "print(seen)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_after_a_fork(writer):
    writer.write()
    refclock.now(path=writer.path)
    child = os.fork()
    if child == 0:
        os._exit(0 if refclock.now(path=writer.path).state == "vetted" else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_on_the_command_line(writer, tmp_path, capsys):
    writer.write()
    assert main(["now", "--file", writer.path]) == 0
    assert capsys.readouterr().out.startswith("2026-11-23T06:36:1")
    assert main(["now", "--file", writer.path, "--json"]) == 0
    assert '"state": "vetted"' in capsys.readouterr().out
    assert main(["now", "--file", writer.path, "--max-error-ms", "20"]) == 1
    assert "UTC is known to 20.0 ms only" in capsys.readouterr().err
    config = tmp_path / "refclock.toml"
    config.write_text(f'[time]\nfile = "{writer.path}"\n')
    assert main(["now", "--config", str(config)]) == 0
    assert capsys.readouterr().out.endswith("Z +- 20.0 ms  vetted  receiver:/dev/ttyS0 pps:/dev/pps0\n")
    config.write_text("")
    assert main(["now", "--config", str(config)]) == 2
    assert "has no time file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["now", "--max-error-ms", "x"])


def test_a_reader_of_its_own(writer):
    writer.write()
    reader = TimeReader(writer.path)
    assert reader.now().state == "vetted"
    assert not reader.replaced
    os.unlink(writer.path)
    assert not reader.replaced, "there is nothing in its place"
    reader.close()
