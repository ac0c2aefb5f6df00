"""A receiver that is asked: how bytes reach its voice, and its answers the line."""

import os
import select
from itertools import pairwise

import pytest

from refclock.model import SerialBytes, SerialSent
from refclock.stage.play import Stage
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.world import World, WorldArguments
from refclock.world.attacks import parse_attack
from refclock.world.chance import Chance
from refclock.world.receiver import Receiver
from refclock.world.voices.table import VOICES, Row
from refclock.world.voices.voice import Now, Voice

START_S = 1_803_859_200


class Asked(Voice):
    """Says what the coming second is called, and when it was asked, 10 ms after a question mark."""

    polls = ((300 * NS_PER_MS, b"?"),)

    def hears(self, data: bytes, now: Now) -> list[tuple[int, bytes]]:
        answer = b"%d %d %d;" % (now.label.posix_s, now.coming.posix_s, now.since_ns // NS_PER_MS)
        return [(10 * NS_PER_MS, answer)] * data.count(b"?")


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    monkeypatch.setitem(VOICES, "asked", Row(Asked, "nmea", 9600, "7O1"))


def test_an_answer_comes_after_the_question_and_takes_its_time_on_the_line():
    receiver = Receiver("asked", Chance(1, "receiver"), start_s=START_S)
    assert receiver.hears(START_S * NS_PER_S, b"?") == []  # it has not begun yet
    emission = receiver.second(START_S)
    assert emission.chunks == []
    asked_ns = START_S * NS_PER_S + 400 * NS_PER_MS
    chunks = receiver.hears(asked_ns, b"??")
    said = f"{START_S} {START_S + 1} 400;".encode()
    assert [data for _, data in chunks] == [said, said]
    times = [at_ns for at_ns, _ in chunks]
    byte_ns = 10 * NS_PER_S // 9600
    assert times[0] - asked_ns >= 10 * NS_PER_MS + len(said) * byte_ns
    assert all(after - before >= len(said) * byte_ns for before, after in pairwise(times))


def test_the_next_second_may_be_planned_already():
    receiver = Receiver("asked", Chance(1, "receiver"), start_s=START_S)
    for second in range(START_S, START_S + 9):
        receiver.second(second)
    at_ns = (START_S + 7) * NS_PER_S + 900 * NS_PER_MS
    assert receiver.hears(at_ns, b"?")[0][1] == f"{START_S + 7} {START_S + 8} 900;".encode()
    assert len(receiver._recent) == 3


def test_a_silent_receiver_answers_nobody():
    attack = parse_attack("gap:1h@5s", START_S * NS_PER_S, 60 * NS_PER_S, 1)
    receiver = Receiver("asked", Chance(1, "receiver"), [attack], start_s=START_S)
    for second in range(START_S, START_S + 8):
        receiver.second(second)
    assert receiver.hears((START_S + 7) * NS_PER_S + 1, b"?") == []


def test_a_simulated_world_asks_for_itself():
    world = World(WorldArguments(receiver="asked", duration_ns=9 * NS_PER_S))
    events = list(world.events())
    asked = [event for event in events if isinstance(event, SerialSent)]
    heard = [event for event in events if isinstance(event, SerialBytes)]
    assert {event.data for event in asked} == {b"?"}
    assert 7 <= len(heard) <= len(asked) <= 9
    assert 'framing = "7O1"' in str(world.header()["policy"])
    for before, after in zip(asked, heard, strict=False):
        assert 10 * NS_PER_MS < after.raw_ns - before.raw_ns < 60 * NS_PER_MS


def test_a_live_one_answers_who_asks(tmp_path):
    with Stage(tmp_path, "asked", servers=0) as stage:
        line = os.open(stage.device, os.O_RDWR | os.O_NOCTTY)
        try:
            answer = b""
            for _ in range(40):
                os.write(line, b"?")
                if select.select([line], [], [], 0.1)[0]:
                    answer = os.read(line, 100)
                    break
        finally:
            os.close(line)
        first, second, since_ms = answer.split(b";")[0].split()
    assert int(second) == int(first) + 1
    assert 0 <= int(since_ms) <= 1700
    assert stage.error is None
