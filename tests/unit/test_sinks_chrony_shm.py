"""The segment that chrony reads: protocol, refusals, recovery. Real System V segments, far-off units."""

import os
import random
from collections.abc import Iterator
from contextlib import suppress

import pytest
import sysv_ipc

from refclock.errors import PortError
from refclock.model import Mode, ModeChange, Publish
from refclock.sinks.chrony_shm import ChronyShm
from refclock.sinks.segment import SegmentFacts, facts_of, find, give, judge, open_segment
from refclock.units import NS_PER_S
from refclock.wire import shm

PUBLISH = Publish(
    raw_ns=5, utc_ns=1_700_000_000_123_456_789, sys_ns=1_700_000_000_000_000_001, leap=1, bound_ns=900
)
FIT = SegmentFacts(id=1, uid=998, cuid=0, mode=0o600, size=96, attached=1, removed=False)


def _remove(unit: int) -> None:
    with suppress(sysv_ipc.ExistentialError):
        segment = sysv_ipc.SharedMemory(shm.key_of(unit))
        segment.remove()
        segment.detach()


@pytest.fixture
def unit() -> Iterator[int]:
    """A unit far beyond those of any real configuration (0 to 255), gone again afterwards."""
    number = random.randrange(10_000, 1_000_000)
    yield number
    _remove(number)


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def sink(unit, log) -> Iterator[ChronyShm]:
    made = ChronyShm(unit, lambda priority, text: log.append(text))
    yield made
    made.close()


def _seen(unit: int) -> shm.Sample:
    segment = sysv_ipc.SharedMemory(shm.key_of(unit), mode=0o400)
    try:
        return shm.unpack(segment.read())
    finally:
        segment.detach()


def test_a_published_second_reaches_a_reader_to_the_nanosecond(sink, unit):
    sink.open()
    sink.take(PUBLISH)
    assert _seen(unit) == shm.Sample(1, 2, PUBLISH.utc_ns, PUBLISH.sys_ns, 1, -20, 1)
    sink.take(PUBLISH)
    assert _seen(unit).count == 4


def test_the_writes_come_in_the_order_of_the_protocol(sink, unit):
    class Recorder:
        """Stands in for the segment and keeps what a reader could have seen after each write."""

        def __init__(self) -> None:
            self.bytes = bytearray(96)
            self.states: list[tuple[int, int]] = []

        def read(self, count: int, offset: int) -> bytes:
            return bytes(self.bytes[offset : offset + count])

        def write(self, data: bytes, offset: int) -> None:
            self.bytes[offset : offset + len(data)] = data
            seen = shm.unpack(bytes(self.bytes))
            self.states.append((seen.valid, seen.count % 2))

    from refclock.sinks import chrony_shm

    recorder = Recorder()
    recorder.write(shm.int_field(1), shm.VALID_AT)
    recorder.states.clear()
    chrony_shm._write(recorder, PUBLISH)
    # Between the first change of a field and the last, `valid` is 0 and the count odd.
    assert recorder.states == [(1, 0), (0, 0), (0, 1), (0, 1), (0, 0), (1, 0)]


def test_a_new_segment_is_ours_alone_and_holds_nothing_valid(sink, unit, log):
    sink.open()
    segment = sysv_ipc.SharedMemory(shm.key_of(unit), mode=0o400)
    assert (segment.mode & 0o777, segment.uid, segment.size) == (0o600, os.geteuid(), 96)
    assert segment.read() == bytes(96)
    segment.detach()
    assert "created" in log[0]


def test_close_stops_vouching_and_leaves_the_segment(sink, unit):
    sink.open()
    sink.take(PUBLISH)
    sink.close()
    assert _seen(unit).valid == 0
    assert _seen(unit).utc_ns == PUBLISH.utc_ns


@pytest.mark.parametrize(("after", "valid"), [(Mode.HOLDOVER, 0), (Mode.LOCKED, 0), (Mode.DEGRADED, 1)])
def test_a_mode_that_does_not_feed_withdraws_an_unread_second(sink, unit, after, valid):
    sink.open()
    sink.take(PUBLISH)
    sink.take(ModeChange(6, Mode.VETTED, after, "test"))
    assert _seen(unit).valid == valid


def test_a_predecessors_unread_second_is_withdrawn(sink, unit):
    sink.open()
    sink.take(PUBLISH)
    successor = ChronyShm(unit, lambda priority, text: None)
    successor.open()
    assert _seen(unit).valid == 0
    successor.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"uid": 1000}, "owned by uid 998"),
        ({"cuid": 1000}, "created by root or uid 998"),
        ({"mode": 0o666}, "0600"),
        ({"mode": 0o620}, "0600"),
        ({"size": 95}, "at least 96 bytes"),
        ({"removed": True}, "removed"),
    ],
)
def test_what_is_not_fit_is_named(change, words):
    facts = SegmentFacts(**({k: getattr(FIT, k) for k in FIT.__slots__} | change))
    assert words in (judge(facts, 998) or "")


@pytest.mark.parametrize("change", [{}, {"cuid": 998}, {"mode": 0o644}, {"size": 4096}, {"attached": 9}])
def test_what_is_fit_passes(change):
    facts = SegmentFacts(**({k: getattr(FIT, k) for k in FIT.__slots__} | change))
    assert judge(facts, 998) is None


@pytest.mark.parametrize(("mode", "size"), [(0o666, 96), (0o660, 96), (0o600, 32)])
def test_a_squatters_segment_is_refused_in_one_line_that_says_how_to_mend(unit, mode, size):
    squatted = sysv_ipc.SharedMemory(shm.key_of(unit), sysv_ipc.IPC_CREX, mode=mode, size=size)
    with pytest.raises(PortError) as caught:
        open_segment(unit)
    text = str(caught.value)
    key = f"0x{shm.key_of(unit):08x}"
    assert "\n" not in text
    assert all(
        word in text for word in (f"unit {unit}", key, f"{mode:04o}", f"ipcrm -M {key}", "another unit")
    )
    assert squatted.number_attached == 1
    squatted.detach()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a segment away")
def test_a_segment_given_to_another_user_is_refused(unit):
    foreign = sysv_ipc.SharedMemory(shm.key_of(unit), sysv_ipc.IPC_CREX, mode=0o600, size=96)
    foreign.uid = 65534
    foreign.detach()
    with pytest.raises(PortError, match="owner uid 65534"):
        open_segment(unit)


def test_a_refused_segment_is_retried_each_16_s_and_complained_of_once(sink, unit, log):
    sysv_ipc.SharedMemory(shm.key_of(unit), sysv_ipc.IPC_CREX, mode=0o666, size=96).detach()
    for second in range(40):
        sink.tend(second * NS_PER_S)
        sink.take(PUBLISH)
    assert len(log) == 1
    assert "mode 0666" in sink.state()
    _remove(unit)
    sink.tend(48 * NS_PER_S)
    sink.take(PUBLISH)
    assert _seen(unit).utc_ns == PUBLISH.utc_ns
    assert sink.state() == "attached, 0 reading"


def test_a_segment_opened_to_others_later_is_left(sink, unit, log):
    sink.open()
    segment = sysv_ipc.SharedMemory(shm.key_of(unit))
    segment.mode = 0o666
    segment.detach()
    sink.take(PUBLISH)
    assert _seen(unit).valid == 0
    assert "mode 0666" in log[-1]


def test_a_removed_segment_is_made_again_before_the_next_second(sink, unit, log):
    sink.open()
    _remove(unit)
    sink.take(PUBLISH)
    assert _seen(unit).utc_ns == PUBLISH.utc_ns
    assert any("segment was removed" in line for line in log)


def test_a_reader_that_stays_on_a_removed_segment_is_still_fed(sink, unit, log):
    sink.open()
    chronyd = sysv_ipc.SharedMemory(shm.key_of(unit))
    _remove(unit)
    sink.take(PUBLISH)
    assert shm.unpack(chronyd.read()).utc_ns == PUBLISH.utc_ns
    assert _seen(unit).utc_ns == PUBLISH.utc_ns
    assert any("restart it soon" in line for line in log)
    chronyd.detach()
    sink.tend(NS_PER_S)
    assert sink._orphan is None


def test_a_key_that_another_segment_took_is_noticed(sink, unit, log):
    sink.open()
    sink.tend(0)
    _remove(unit)
    sysv_ipc.SharedMemory(shm.key_of(unit), sysv_ipc.IPC_CREX, mode=0o666, size=96).detach()
    sink.take(PUBLISH)
    sink.tend(16 * NS_PER_S)
    sink.take(PUBLISH)
    assert _seen(unit).valid != 1
    assert "mode 0666" in sink.state()


def test_root_makes_a_segment_and_gives_it_away(unit):
    if os.geteuid() != 0:
        pytest.skip("only root can give a segment away")
    assert give(unit, 65534) == "made, and given to uid 65534"
    found = find(unit)
    assert found is not None
    facts = facts_of(found[0])
    found[0].detach()
    assert (facts.uid, facts.cuid, facts.mode, facts.size) == (65534, 0, 0o600, shm.SIZE)
    assert judge(facts, 65534) is None
    assert give(unit, 65534) == "is there, and fit"
    with pytest.raises(PortError, match="expected it to be owned by uid 4711"):
        give(unit, 4711)


def test_a_segment_that_cannot_be_given_away_is_not_left_behind(unit, monkeypatch):
    class Stubborn(sysv_ipc.SharedMemory):  # type: ignore[misc]
        @property
        def uid(self) -> int:
            return 0

        @uid.setter
        def uid(self, value: int) -> None:
            raise PermissionError(1, "not yours")

    monkeypatch.setattr(sysv_ipc, "SharedMemory", Stubborn)
    with pytest.raises(PortError, match="cannot give the segment to uid 5"):
        give(unit, 5)
    assert find(unit) is None


def test_the_verb_makes_the_segment_of_each_configuration(unit, tmp_path, capsys):
    from refclock import cli

    (tmp_path / "a.toml").write_text("")
    assert cli.main(["segment", "--user", "root", "--directory", str(tmp_path)]) == 0
    assert "no [shm] unit, nothing to make" in capsys.readouterr().out
    assert cli.main(["segment", "--user", "no-such-user", "--directory", str(tmp_path)]) == 2
    assert "make it with `systemd-sysusers`" in capsys.readouterr().err
