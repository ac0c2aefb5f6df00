"""The logs: nothing waits for a reader, and a refusal that repeats does not repeat in the log."""

import os
from collections.abc import Iterator

import pytest

from refclock.errors import PortError
from refclock.jsonform import decision_line
from refclock.model import Accuse, Decision, Mode, ModeChange, Publish, Request, Withhold
from refclock.sinks.decisions import DecisionLog
from refclock.sinks.journal import NOTICE, Journal, in_words
from refclock.sinks.lines import LineWriter
from refclock.units import NS_PER_MS, NS_PER_S

PUBLISH = Publish(raw_ns=5, utc_ns=10 * NS_PER_S + 3 * NS_PER_MS, sys_ns=10 * NS_PER_S, leap=0, bound_ns=1500)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    yield reader, writer
    os.close(reader)
    os.close(writer)


@pytest.fixture
def deserted() -> Iterator[int]:
    """The writing end of a pipe whose reader left."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def _lines(reader: int) -> list[str]:
    data = b""
    while True:
        try:
            chunk = os.read(reader, 1 << 16)
        except BlockingIOError:
            break
        if not chunk:
            break
        data += chunk
    return data.decode().splitlines()


def test_a_reader_that_pauses_gets_every_line_later(pipe):
    reader, writer = pipe
    out = LineWriter(writer)
    wanted = [f"{number:060d}" for number in range(5000)]  # 300 kB: more than a pipe holds
    for line in wanted:
        out.line(line)
    assert out.pending
    got = _lines_while_flushing(reader, out)
    assert got == wanted
    assert out.lost == 0


def _lines_while_flushing(reader: int, out: LineWriter) -> list[str]:
    data = b""
    while True:
        try:
            data += os.read(reader, 1 << 16)
        except BlockingIOError:
            if not out.pending:
                return data.decode().splitlines()
        out.flush()


def test_a_reader_that_never_comes_costs_a_bounded_amount_of_memory(pipe):
    out = LineWriter(pipe[1])
    for _ in range(3000):
        out.line("x" * 1000)
    assert out.lost > 0


def test_a_reader_that_left_is_no_error(deserted):
    out = LineWriter(deserted)
    out.line("anything")
    out.line("more")
    assert out.broken == "Broken pipe"
    assert not out.pending


def test_prefixes_are_systemds(pipe):
    reader, writer = pipe
    Journal(writer, prefixed=True).log(NOTICE, "hello")
    Journal(writer, prefixed=False).log(NOTICE, "hello")
    assert _lines(reader) == ["<5>hello", "refclock: hello"]


def test_prefixes_are_for_the_journal_only_not_for_whoever_inherits_its_name(pipe, monkeypatch):
    reader, writer = pipe
    facts = os.fstat(writer)
    for stream in (f"{facts.st_dev}:{facts.st_ino}", "8:1234567"):
        monkeypatch.setenv("JOURNAL_STREAM", stream)
        Journal(writer).log(NOTICE, "hello")
    assert _lines(reader) == ["<5>hello", "refclock: hello"]


def test_a_device_cannot_forge_a_line_of_the_log(pipe):
    reader, writer = pipe
    Journal(writer, prefixed=True).log(NOTICE, "a\n<0>forged\x1b[2J")
    assert _lines(reader) == ["<5>a\\x0a<0>forged\\x1b[2J"]


def test_an_hour_of_refusals_is_a_handful_of_lines(pipe):
    reader, writer = pipe
    journal = Journal(writer, prefixed=False)
    for second in range(3601):
        journal.take(Withhold(second * NS_PER_S, "drift-mask", 200 + second, 100))
    lines = _lines(reader)
    assert len(lines) == 7
    assert lines[0].startswith("refclock: withheld, drift-mask: the second lies farther")
    assert "(found +200 ns, limit 100 ns); find out what moved" in lines[0]
    assert "(found +800 ns" in lines[1]
    assert lines[1].endswith("; 600 times in the last 10 min")


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (Withhold(0, "witnesses", 1, 2), "(found 1 witnesses, limit 2 witnesses); see which"),
        (Withhold(0, "ntp-mode", 3, 4), "withheld, ntp-mode: the answer is not in server mode"),
        (Withhold(0, "new-one", 3, 4), "withheld, new-one: found 3, limit 4"),
    ],
)
def test_a_refusal_in_words(refused, words):
    assert words in in_words(refused)


def test_reasons_that_alternate_are_logged_once_each(pipe):
    reader, writer = pipe
    journal = Journal(writer, prefixed=False)
    for second in range(100):
        journal.take(Withhold(second * NS_PER_S, ("dwell", "ntp-distance")[second % 2], 1, 0))
    assert len(_lines(reader)) == 2


def test_an_episode_after_a_pause_or_a_mode_change_is_a_new_one(pipe):
    reader, writer = pipe
    journal = Journal(writer, prefixed=False)
    journal.take(Withhold(0, "dwell", 1, 0))
    journal.take(Withhold(600 * NS_PER_S, "dwell", 1, 0))
    journal.take(ModeChange(601 * NS_PER_S, Mode.VETTED, Mode.HOLDOVER, "missing"))
    journal.take(Withhold(602 * NS_PER_S, "dwell", 1, 0))
    assert len(_lines(reader)) == 4


def test_the_first_second_that_is_published_is_logged_the_next_ones_not(pipe):
    reader, writer = pipe
    journal = Journal(writer, prefixed=False)
    for _ in range(5):
        journal.take(PUBLISH)
        journal.take(Request(5, "gps0", b"x"))
    lines = _lines(reader)
    assert lines == ["refclock: publishing: UTC minus the system clock is +3.00 ms, known to 1.50 us"]


def test_an_accusation_carries_its_evidence_and_is_rate_limited(pipe):
    reader, writer = pipe
    journal = Journal(writer, prefixed=False)
    for second in range(20):
        journal.take(Accuse(second * NS_PER_S, "receiver", {"moved_ns": 3_200_000, "witnesses": 3}))
    assert _lines(reader) == ["refclock: receiver is held to be wrong: moved_ns 3200000, witnesses 3"]


def test_the_memory_for_episodes_is_bounded(pipe):
    journal = Journal(pipe[1], prefixed=False)
    for number in range(500):
        journal.take(Withhold(number, f"reason-{number}", 0, 0))
    assert len(journal._episodes) <= 64


def test_the_decision_log_holds_the_lines_of_replay_and_nothing_else(tmp_path):
    path = tmp_path / "decisions"
    log = DecisionLog(str(path), lambda priority, text: None)
    decisions: list[Decision] = [
        PUBLISH,
        Withhold(7, "dwell", 1, 2),
        ModeChange(8, Mode.COLD, Mode.ACQUIRING, "edges"),
    ]
    for decision in decisions:
        log.take(decision)
    log.close()
    assert path.read_text() == "".join(decision_line(d) + "\n" for d in decisions)


def test_a_decision_log_that_cannot_be_written_is_one_clear_line(tmp_path):
    with pytest.raises(PortError, match="No such file or directory"):
        DecisionLog(str(tmp_path / "no" / "where"), lambda priority, text: None)


def test_a_broken_decision_log_is_told_once(deserted):
    said: list[str] = []
    log = DecisionLog("/dev/null", lambda priority, text: said.append(text))
    log.close()
    log._out = LineWriter(deserted)
    log.take(PUBLISH)
    log.take(PUBLISH)
    log.tend(0)
    assert said == ["decision log /dev/null: lines are lost from here on: Broken pipe"]
