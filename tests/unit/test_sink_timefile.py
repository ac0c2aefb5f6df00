"""The sink behind ``refclock.now()``: it tells what was decided, soon falls silent, and never lies."""

import os
import threading
import time

import pytest

import refclock
from refclock.bounded import suspended_ns
from refclock.model import Mode, ModeChange, Publish, Withhold
from refclock.policy import parse_policy
from refclock.sinks.timefile import VALID_NS, TimeFile
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.timefile import NO_TIME, decode

UTC_S = 1_803_859_200
POLICY = parse_policy('[receiver]\ndevice = "/dev/ttyS0"\n[pps]\n[limits]\nholdover_rate_ppt = 7000000\n')
VIEW = {
    "raw_rate_ppt": 3_000_000,
    "raw_rate_unc_ppt": 2_000_000,
    "enrolled": True,
    "witnesses": [{"name": "ntp", "state": "agrees"}, {"name": "rtc", "state": "no opinion"}, "?"],
}


def raw_ns():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


class Sink(TimeFile):
    """One with its log and a view that counts how often it is asked."""

    def __init__(self, path, policy=POLICY):
        self.told: list[str] = []
        self.looks = 0
        super().__init__(str(path), policy, self._looked, lambda _priority, text: self.told.append(text))

    def _looked(self, _raw_ns):
        self.looks += 1
        return VIEW

    def publish(self, bound_ns=NS_PER_MS, leap=0):
        at = raw_ns()
        self.take(Publish(at, UTC_S * NS_PER_S, UTC_S * NS_PER_S + 5, leap, bound_ns))
        return at

    def move(self, after, before=Mode.ACQUIRING):
        self.take(ModeChange(raw_ns(), before, after, ""))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "time"


@pytest.fixture
def sink(path):
    made = Sink(path)
    made.tend(raw_ns())
    yield made
    made.close()


def record(path):
    return decode(path.read_bytes())


def test_an_accepted_second_is_told(sink, path):
    sink.move(Mode.VETTED)
    at = sink.publish(leap=1)
    told = record(path)
    assert (told.raw_ns, told.utc_ns, told.bound_ns, told.leap) == (at, UTC_S * NS_PER_S, NS_PER_MS, 1)
    assert (told.rate_ppt, told.growth_ppt) == (3_000_000, 9_000_000)
    assert at + VALID_NS <= told.void_after_ns <= raw_ns() + VALID_NS
    assert told.state == "vetted"
    assert told.chain == (
        "receiver:/dev/ttyS0", "pps:/dev/pps0", "counter:enrolled", "profile:kdc", "witness:ntp",
    )  # fmt: skip
    now = refclock.bounded.TimeReader(str(path)).now()
    assert now.state == "vetted"
    assert abs(now.utc_ns - UTC_S * NS_PER_S) < 10 * NS_PER_S


def test_nothing_is_told_before_a_second_was_accepted(sink, path):
    assert record(path).state == NO_TIME
    sink.move(Mode.VETTED)
    sink.take(Withhold(raw_ns(), "dwell", 1, 2))
    assert record(path).state == NO_TIME
    assert sink.state() == "vouching for nothing"


def test_the_modes(sink, path):
    sink.publish()
    assert record(path).state == "vetted", "a second is only ever accepted in a mode that feeds"
    sink.move(Mode.DEGRADED)
    assert record(path).state == "degraded"
    sink.publish()
    assert record(path).state == "degraded"
    sink.move(Mode.HOLDOVER)
    assert record(path).state == "holdover"
    assert sink.state() == "telling the time, holdover"
    for mode in (Mode.LOCKED, Mode.ACQUIRING, Mode.COLD):
        sink.publish()
        sink.move(mode)
        assert record(path).state == NO_TIME


def test_in_holdover_the_old_second_goes_on_and_its_bound_grows(sink, path):
    at = sink.publish()
    sink.move(Mode.HOLDOVER)
    sink.tend(at + 100 * NS_PER_S)
    told = record(path)
    assert (told.raw_ns, told.void_after_ns) == (at, at + 110 * NS_PER_S)
    before, after = (told.at(at + seconds * NS_PER_S) for seconds in (0, 100))
    assert (after[2] - after[0]) - (before[2] - before[0]) == 2 * 900_000


def test_it_writes_every_two_seconds_and_looks_every_sixteen(sink, path):
    at = sink.publish()
    looks, number = sink.looks, record(path).number
    assert looks == 1
    for tenth in range(1, 171):
        sink.tend(at + tenth * NS_PER_S // 10)
    assert 8 <= record(path).number - number <= 9
    assert sink.looks == 2


def test_a_suspension_between_edge_and_writing(sink, path, monkeypatch):
    sink.publish()
    asleep = suspended_ns() + 30 * NS_PER_S
    monkeypatch.setattr("refclock.sinks.timefile.suspended_ns", lambda: asleep)
    sink.publish()
    assert record(path).state == NO_TIME
    sink.publish()
    assert (record(path).state, record(path).suspended_ns) == ("vetted", asleep)


def test_at_its_end_it_vouches_for_nothing(path):
    sink = Sink(path)
    sink.tend(raw_ns())
    sink.publish()
    with path.open("rb") as reader:
        sink.close()
        told = decode(reader.read())
    assert told is not None
    assert told.state == NO_TIME
    assert not path.exists(), "what lies there is whose daemon lives"
    assert sink.state() == "closed"
    sink.close()


def test_another_daemon_s_file_is_not_removed(path):
    sink = Sink(path)
    sink.tend(raw_ns())
    other = Sink(path)
    other.tend(raw_ns())
    sink.close()
    assert path.exists()
    other.close()
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_told_once_and_tried_again(tmp_path):
    sink = Sink(tmp_path / "none" / "time")
    at = raw_ns()
    for second in range(40):
        sink.tend(at + second * NS_PER_S)
    sink.publish()
    assert len(sink.told) == 1
    assert "cannot be written: No such file or directory; its directory must exist" in sink.told[0]
    assert sink.state().startswith("cannot be written")
    (tmp_path / "none").mkdir()
    sink.tend(at + 60 * NS_PER_S)
    assert sink.told[1:] == [f"time file {tmp_path}/none/time: opened"]
    assert record(tmp_path / "none" / "time").state == "vetted"
    sink.close()


def test_a_directory_in_its_place(tmp_path):
    (tmp_path / "time").mkdir()
    sink = Sink(tmp_path / "time")
    sink.tend(raw_ns())
    assert "cannot be written: Is a directory" in sink.state()
    assert [one.name for one in tmp_path.iterdir()] == ["time"], "nothing is left beside it"


def test_a_write_that_fails(sink, path, monkeypatch):
    def refuse(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("refclock.sinks.timefile.os.pwrite", refuse)
    sink.publish()
    monkeypatch.undo()
    assert "No space left on device" in sink.told[-1]
    assert record(path).state == NO_TIME, "as it was before"
    sink.tend(raw_ns() + 60 * NS_PER_S)
    assert record(path).state == "vetted"


def test_the_file_is_a_new_one_and_readable_by_all(tmp_path):
    path = tmp_path / "time"
    path.write_bytes(b"another's")
    old = path.stat().st_ino
    mask = os.umask(0o077)
    try:
        sink = Sink(path)
        sink.tend(raw_ns())
    finally:
        os.umask(mask)
    assert path.stat().st_ino != old
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]
    sink.close()


def test_a_plain_receiver_and_a_view_that_says_little(path, monkeypatch):
    sink = Sink(path, parse_policy('[receiver]\ndevice = "/dev/ttyS1"\n'))
    monkeypatch.setattr(sink, "_view", lambda _raw_ns: {"witnesses": None})
    sink.tend(raw_ns())
    sink.publish()
    assert record(path).chain == ("receiver:/dev/ttyS1", "counter:nominal", "profile:kdc")
    sink.close()


def test_a_hundred_readers_and_one_writer(sink, path):
    """Threads that read while the sink writes: what they see is always whole and right."""
    sink.publish()
    wrong = []

    def read():
        reader = refclock.bounded.TimeReader(str(path))
        for _ in range(300):
            told = reader.now(10)
            if told.state != "vetted" or abs(told.utc_ns - UTC_S * NS_PER_S) > 60 * NS_PER_S:
                wrong.append(told)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        sink.publish()
    assert wrong == []
