"""The segment against a real ``chronyd -x``: what is written is what chrony takes, and nobody else's is."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import sysv_ipc

from refclock.errors import PortError
from refclock.model import Publish
from refclock.ports import stamp
from refclock.sinks.chrony_shm import ChronyShm
from refclock.sinks.segment import facts_of, find, open_segment
from refclock.wire import shm
from tests.integration.chronyd import Chronyd, Source

pytestmark = pytest.mark.integration

SPACING_S = 0.25
# A poll each 0.5 s, so that eight of them (reach 377) take 4 s.
OPTIONS = "poll -1 dpoll -3 filter 1 precision 1e-6"
# An idle machine needs microseconds; two busy cores are excused.
TOLERANCE_S = 2e-3


@pytest.fixture
def start(require_program) -> Callable[..., Chronyd]:
    chronyd, chronyc = require_program("chronyd"), require_program("chronyc")
    return lambda *lines: Chronyd(chronyd, chronyc, lines)


@pytest.fixture
def unit() -> Iterator[int]:
    """One unit of our own, which no configuration of this machine uses, and its successor."""
    number = random.randrange(10_000, 1_000_000)
    yield number
    for each in (number, number + 1):
        with suppress(sysv_ipc.ExistentialError):
            segment = sysv_ipc.SharedMemory(shm.key_of(each))
            segment.remove()
            segment.detach()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def sink(unit, said) -> Iterator[ChronyShm]:
    made = ChronyShm(unit, lambda priority, text: said.append(text))
    yield made
    made.close()


def _publish(sink: ChronyShm, offset_ns: int) -> None:
    raw_ns, real_ns, _ = stamp.now()
    sink.take(Publish(raw_ns, real_ns + offset_ns, real_ns, leap=0, bound_ns=1000))


def _feed(until: Callable[[], bool], *fed: tuple[ChronyShm, int]) -> bool:
    """Publish to each sink until the condition holds; False after 20 s."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for sink, offset_ns in fed:
            _publish(sink, offset_ns)
        time.sleep(SPACING_S)
        if until():
            return True
    return False


def test_chrony_measures_the_offset_that_was_injected(start, unit, sink, said):
    # `noselect`: chrony measures and does not correct, so that the offset stays what was injected.
    watched = f"refclock SHM {unit} refid WTCH {OPTIONS} noselect"
    followed = f"refclock SHM {unit + 1} refid VETD {OPTIONS}"
    second = ChronyShm(unit + 1, lambda priority, text: said.append(text))
    sink.open()
    second.open()
    with start(watched, followed) as chrony:
        seen: dict[str, Source] = {}

        def reached() -> bool:
            seen.update(chrony.sources())
            return all(source.reach == "377" for source in seen.values()) and len(seen) == 2

        assert _feed(reached, (sink, -250_000_000), (second, 0)), (seen, chrony.log.read_text())
        # chronyc: positive when the local clock is ahead. UTC = system clock - 0.25 s is that.
        assert seen["WTCH"].measured_s == pytest.approx(0.25, abs=TOLERANCE_S)
        assert chrony.offsets()["WTCH"] == pytest.approx(0.25, abs=TOLERANCE_S)
        assert (seen["VETD"].state, seen["VETD"].stratum) == ("*", 0)
        assert seen["VETD"].measured_s == pytest.approx(0, abs=TOLERANCE_S)
        tracking = chrony.tracking()
        assert (tracking.name, tracking.stratum, tracking.leap) == ("VETD", 1, "Normal")
        assert abs(tracking.last_offset_s) < TOLERANCE_S
        assert sink.state() == "attached, 1 reading"
    second.close()


def test_a_restart_of_the_daemon_goes_unnoticed_and_its_silence_does_not(start, unit, sink, said):
    sink.open()
    with start(f"refclock SHM {unit} refid VETD {OPTIONS}") as chrony:

        def heard() -> bool:
            return chrony.sources()["VETD"].reach not in ("0", "")

        assert _feed(heard, (sink, 0))
        sink.close()
        time.sleep(0.6)
        # Nothing is valid while nobody vouches: each poll shifts a zero into the register.
        time.sleep(0.6)
        assert int(chrony.sources()["VETD"].reach, 8) & 1 == 0
        sink.open()
        assert "attached to its segment (1 other attached)" in said[-1]
        assert _feed(lambda: int(chrony.sources()["VETD"].reach, 8) & 1 == 1, (sink, 0))


def test_the_segment_that_chronyd_makes_for_everybody_is_refused(start, unit, said):
    with start(f"refclock SHM {unit}:perm=0666 refid OPEN {OPTIONS}"):
        with pytest.raises(PortError, match="mode 0666") as caught:
            open_segment(unit)
        assert f"ipcrm -M 0x{shm.key_of(unit):08x}" in str(caught.value)
        found = find(unit)
        assert found is not None
        assert found[1].attached == 2  # chronyd and this look at it, and no one left over
        found[0].detach()


def test_the_segment_that_chronyd_made_first_for_our_own_user_is_taken(start, unit, sink):
    with start(f"refclock SHM {unit} refid VETD {OPTIONS}") as chrony:
        sink.open()
        assert _feed(lambda: chrony.sources()["VETD"].reach not in ("0", ""), (sink, 0))


def test_a_segment_removed_under_both_is_fed_on_until_chronyd_restarts(start, unit, sink, said):
    sink.open()
    line = f"refclock SHM {unit} refid VETD {OPTIONS}"
    with start(line) as chrony:
        assert _feed(lambda: chrony.sources()["VETD"].reach not in ("0", ""), (sink, 0))
        segment = sysv_ipc.SharedMemory(shm.key_of(unit))
        segment.remove()
        segment.detach()
        assert _feed(lambda: chrony.sources()["VETD"].reach == "377", (sink, 0))
        assert any("restart it soon" in text for text in said)
    with start(line) as chrony:
        assert _feed(lambda: chrony.sources()["VETD"].reach not in ("0", ""), (sink, 0))
        made = sysv_ipc.SharedMemory(shm.key_of(unit), mode=0o400)
        assert facts_of(made).mode == 0o600
        made.detach()
