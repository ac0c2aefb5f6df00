"""ReplayCache. Each test names the draft's clause as docs/requirements.md numbers it."""

import os
import sqlite3
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refclock.kerberos import Judgement, ReplayCache, ReplayCacheError
from refclock.units import NS_PER_S

NOON = 1_803_859_200 * NS_PER_S
A, B, C = b"authenticator A", b"authenticator B", b"authenticator C"


class Clock:
    """The system clock, which a test may set."""

    def __init__(self):
        self.at_s = 0.0

    def __call__(self):
        return NOON + round(self.at_s * NS_PER_S)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "rcache")


@pytest.fixture
def make(path, clock):
    made = []

    def new(**how):
        made.append(ReplayCache(path, clock=clock, **{"new_key": True, **how}))
        return made[-1]

    yield new
    for one in made:
        one.close()


def at(seconds):
    return NOON + round(seconds * NS_PER_S)


def test_once_and_never_again(make):
    cache = make()
    assert cache.judge(A, at(0)) is Judgement.ACCEPTED
    assert cache.judge(A, at(0)) is Judgement.REPLAYED
    assert cache.judge(B, at(0)) is Judgement.ACCEPTED
    assert cache.judge(A, at(1)) is Judgement.ACCEPTED, "another time stamp is another authenticator"


@pytest.mark.parametrize(
    ("stamp_s", "judgement"),
    [
        (-300, Judgement.ACCEPTED),
        (-300.000001, Judgement.STALE),
        (300, Judgement.ACCEPTED),
        (300.000001, Judgement.EARLY),
        (-(10**12), Judgement.DISCARDED),
        (10**12, Judgement.EARLY),
    ],
)
def test_the_skew(make, stamp_s, judgement):
    assert make().judge(A, at(stamp_s)) is judgement


def test_clause_4_what_is_no_later_than_the_newest_discarded_is_rejected_after_a_set_back(make, clock):
    cache = make()
    assert cache.judge(A, at(10)) is Judgement.ACCEPTED
    assert cache.judge(B, at(20)) is Judgement.ACCEPTED
    clock.at_s = 3600  # both are discarded
    assert cache.judge(C, at(3600)) is Judgement.ACCEPTED
    clock.at_s = 0  # and then the clock is set back
    assert cache.judge(A, at(10)) is Judgement.DISCARDED
    assert cache.judge(B, at(20)) is Judgement.DISCARDED, "equal, too"
    assert cache.judge(b"new, but earlier", at(19)) is Judgement.DISCARDED
    assert cache.judge(b"new and later", at(20.000001)) is Judgement.ACCEPTED


def test_clause_4_it_is_remembered_over_a_crash_and_a_restart(make, clock):
    cache = make()
    cache.judge(A, at(10))
    clock.at_s = 3600
    cache.judge(C, at(3600))
    clock.at_s = 0
    assert make().judge(A, at(10)) is Judgement.DISCARDED  # the first one was never closed
    assert make().judge(C, at(3600)) is Judgement.REPLAYED


def test_clause_4_one_that_came_too_late_does_not_open_the_door_it_was_shut_out_of(make, clock):
    """It was never in the cache; but who let it in after a set-back would let in what was refused once."""
    cache = make()
    clock.at_s = 3600
    assert cache.judge(A, at(10)) is Judgement.STALE
    clock.at_s = 0
    assert cache.judge(A, at(10)) is Judgement.DISCARDED


def test_clause_5_within_what_is_retained_a_set_back_locks_nobody_out(make, clock):
    cache = make(retain_s=3600)
    assert cache.judge(A, at(0)) is Judgement.ACCEPTED
    clock.at_s = 3000
    assert cache.judge(B, at(3000)) is Judgement.ACCEPTED
    assert cache.judge(C, at(100)) is Judgement.STALE
    clock.at_s = 0
    assert cache.judge(A, at(0)) is Judgement.REPLAYED
    assert cache.judge(C, at(100)) is Judgement.REPLAYED, "it was refused, and stays so"
    assert cache.judge(b"another of then", at(0)) is Judgement.ACCEPTED


def test_clause_6_a_clock_that_was_set_back_is_told(make, clock):
    cache = make()
    cache.judge(A, at(0))
    assert cache.set_back_ns == 0
    clock.at_s = 500
    cache.judge(B, at(500))
    clock.at_s = 80
    assert cache.set_back_ns == 420 * NS_PER_S
    assert make().set_back_ns == 420 * NS_PER_S
    clock.at_s = 501
    assert cache.set_back_ns == 0


def test_clause_7_an_authenticator_that_was_sent_too_early_is_not_accepted_once_it_is_valid(make, clock):
    cache = make()
    assert cache.judge(A, at(1000)) is Judgement.EARLY
    for second in (0, 700, 1000, 1300):
        clock.at_s = second
        assert cache.judge(A, at(1000)) is Judgement.REPLAYED
    assert cache.judge(B, at(1000)) is Judgement.ACCEPTED
    clock.at_s = 3000
    assert cache.judge(A, at(1000)) is Judgement.DISCARDED


def test_a_new_cache_accepts_nothing_that_a_lost_one_may_have_accepted(make, clock):
    cache = make(new_key=False)
    assert cache.judge(A, at(0)) is Judgement.DISCARDED
    assert cache.judge(A, at(300)) is Judgement.DISCARDED
    clock.at_s = 1
    assert cache.judge(A, at(300.000001)) is Judgement.ACCEPTED
    assert make(new_key=True).judge(B, at(0)) is Judgement.DISCARDED, "it was there already"


def test_clauses_35_and_36_after_a_change_of_keys_it_begins_anew(make, clock):
    cache = make()
    clock.at_s = 100_000
    cache.judge(A, at(100_000))
    clock.at_s = 200_000
    cache.judge(B, at(200_000))
    clock.at_s = 0
    assert cache.judge(C, at(0)) is Judgement.DISCARDED
    cache.forget_all()
    assert cache.set_back_ns == 0
    assert cache.judge(C, at(0)) is Judgement.ACCEPTED
    assert cache.judge(C, at(0)) is Judgement.REPLAYED


def test_the_file_stays_small(make, clock, path):
    cache = make()
    for minute in range(200):
        clock.at_s = minute * 60
        cache.judge(A, at(minute * 60))
    with sqlite3.connect(path) as file:
        (count,) = file.execute("SELECT COUNT(*) FROM seen").fetchone()
    file.close()
    assert count <= 11


JUDGE = """
import sys
from refclock.kerberos import ReplayCache
cache = ReplayCache(sys.argv[1], clock=lambda: int(sys.argv[2]), new_key=True)
sys.stdin.readline()
print([cache.judge(b"%d" % number, int(sys.argv[2])).name for number in range(40)].count("ACCEPTED"))
"""


def test_many_processes_accept_each_one_once(path):
    """They are all ready before the first begins."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", JUDGE, path, str(NOON)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    counts = [int(process.communicate(timeout=120)[0]) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4
    assert sum(counts) == 40


def test_many_threads_accept_each_one_once(make):
    cache, accepted = make(), []

    def judge():
        for number in range(20):
            if cache.judge(b"%d" % number, at(0)) is Judgement.ACCEPTED:
                accepted.append(number)

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(accepted) == list(range(20))


def test_after_a_fork_both_see_what_the_other_accepted(make):
    cache = make()
    cache.judge(A, at(0))
    child = os.fork()
    if child == 0:
        try:
            seen = cache.judge(A, at(0)) is Judgement.REPLAYED and cache.judge(B, at(0)) is Judgement.ACCEPTED
            cache.close()
        except BaseException:
            os._exit(3)
        os._exit(0 if seen else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert cache.judge(B, at(0)) is Judgement.REPLAYED


KILLED = """
import os, sys
from refclock.kerberos import ReplayCache
cache = ReplayCache(sys.argv[1], clock=lambda: int(sys.argv[2]), new_key=True)
print(cache.judge(b"A", int(sys.argv[2])).name, flush=True)
os.kill(os.getpid(), 9)
"""


def test_what_was_judged_outlives_a_kill(path, make):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, path, str(NOON)], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("ACCEPTED\n", -9)
    assert make().judge(b"A", at(0)) is Judgement.REPLAYED


def test_files_that_are_not_to_be_trusted(path, make, tmp_path):
    make().close()
    os.chmod(path, 0o660)
    with pytest.raises(ReplayCacheError, match="others than its owner may write it"):
        make()
    os.chmod(path, 0o600)
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(ReplayCacheError, match="nobody may be let in"):
        ReplayCache(str(tmp_path / "link"))
    (tmp_path / "text").write_text("no database at all, but a text that is long enough for a header" * 9)
    with pytest.raises(ReplayCacheError, match="file is not a database"):
        ReplayCache(str(tmp_path / "text"))
    with pytest.raises(ReplayCacheError, match="No such file or directory"):
        ReplayCache(str(tmp_path / "no" / "rcache"))


def test_a_file_of_another_version(path, make):
    make().close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 7")
    file.close()
    with pytest.raises(ReplayCacheError, match="it is of version 7; this program knows 1"):
        make()


def test_a_cache_that_cannot_be_asked_lets_nobody_in(path, make, monkeypatch):
    monkeypatch.setattr("refclock.kerberos.replay._BUSY_S", 0.05)
    cache = make()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ReplayCacheError, match="database is locked"):
        cache.judge(A, at(0))
    other.execute("ROLLBACK")
    other.close()
    assert cache.judge(A, at(0)) is Judgement.ACCEPTED


def test_a_disk_that_is_full_lets_nobody_in_and_breaks_nothing(make):
    cache = make()
    cache.judge(A, at(0))
    (pages,) = cache._file.execute("PRAGMA page_count").fetchone()
    cache._file.execute(f"PRAGMA max_page_count = {pages}")
    judged = []

    def judge_on():
        for number in range(10_000):
            judged.append(cache.judge(b"%d" % number, at(1)))

    with pytest.raises(ReplayCacheError, match="database or disk is full"):
        judge_on()
    assert set(judged) == {Judgement.ACCEPTED}
    assert cache.judge(A, at(0)) is Judgement.REPLAYED
    cache._file.execute("PRAGMA max_page_count = 1000000")
    left_out = b"%d" % len(judged)
    assert cache.judge(left_out, at(1)) is Judgement.ACCEPTED, "it was not let in, nor remembered"


def test_a_commit_that_fails_is_no_judgement(make, path):
    """Somebody reads while it is to be committed, and goes on reading."""
    cache = make()
    cache._file.execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM memory").fetchall()
    with pytest.raises(ReplayCacheError, match="database is locked"):
        cache.judge(A, at(0))
    other.execute("COMMIT")
    other.close()
    assert cache.judge(A, at(0)) is Judgement.ACCEPTED


def test_a_clock_that_fails_changes_nothing(make, clock, monkeypatch):
    cache = make()

    def broken():
        raise RuntimeError("no clock")

    monkeypatch.setattr(cache, "_clock", broken)
    with pytest.raises(RuntimeError, match="no clock"):
        cache.judge(A, at(0))
    monkeypatch.setattr(cache, "_clock", clock)
    assert cache.judge(A, at(0)) is Judgement.ACCEPTED


MOVES = st.lists(
    st.tuples(st.integers(-2000, 2000), st.integers(0, 5), st.integers(-900, 900)), min_size=1, max_size=40
)


@settings(max_examples=40)
@given(moves=MOVES, retain_s=st.sampled_from([0, 300, 2000]))
def test_clauses_4_to_7_whatever_the_clock_does_nothing_is_accepted_twice(tmp_path_factory, moves, retain_s):
    """Nor is anything that was refused ever accepted later."""
    clock = Clock()
    judged: set[int] = set()
    stamps: dict[int, int] = {}
    path = str(tmp_path_factory.mktemp("any") / "rcache")
    cache = ReplayCache(path, clock=clock, retain_s=retain_s, new_key=True)
    for step_s, who, ahead_s in moves:
        clock.at_s = max(0.0, clock.at_s + step_s)
        # Each client's authenticator keeps the time stamp that it was made with.
        stamp = stamps.setdefault(who, at(clock.at_s + ahead_s))
        judgement = cache.judge(b"%d" % who, stamp)
        assert judgement is not Judgement.ACCEPTED or who not in judged
        judged.add(who)
    cache.close()
