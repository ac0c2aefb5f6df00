"""NonceWindow. Each test names the draft's clause as docs/requirements.md numbers it."""

import json

import pytest

from refclock.kerberos import NonceWindow
from tests.unit.test_kerberos_uptime import Uptime


@pytest.fixture
def uptime():
    return Uptime()


@pytest.fixture
def window(uptime):
    return NonceWindow(uptime)


def test_clauses_10_and_14_nonces_are_the_kernel_s_random_bytes(monkeypatch, uptime):
    asked = []

    def token_bytes(size):
        asked.append(size)
        return bytes([len(asked)]) * size

    monkeypatch.setattr("refclock.kerberos.nonces.secrets.token_bytes", token_bytes)
    window = NonceWindow(uptime)
    assert window.preferred() == bytes([1]) * 32
    uptime.pass_s(60)
    assert window.preferred() == bytes([2]) * 32
    assert asked == [32, 32]


def test_clauses_12_to_19_one_nonce_is_shared_by_all_who_ask_in_the_same_minute(window, uptime):
    first = window.preferred()
    uptime.pass_s(59.9)
    assert window.preferred() == first
    assert window.offered() == (first,)


def test_clauses_12_to_19_five_are_active_and_one_is_made_each_minute(window, uptime):
    seen = []
    for _ in range(12):
        seen.append(window.preferred())
        assert window.offered() == tuple(reversed(seen[-5:]))
        uptime.pass_s(60)
    assert len(set(seen)) == 12


def test_clauses_12_to_19_a_preferred_nonce_lives_for_four_minutes_at_least_and_five_at_most(window, uptime):
    uptime.pass_s(59.9)
    nonce = window.preferred()
    uptime.pass_s(59.9)
    assert window.preferred() == nonce, "taken at the last moment"
    uptime.pass_s(240)
    assert window.accepts(nonce)
    uptime.pass_s(0.1)
    assert not window.accepts(nonce)


def test_clauses_12_to_19_the_window_defaults_to_the_clock_skew(window):
    assert window.window_ns == 300 * 10**9
    assert window.rotate_ns == 60 * 10**9


def test_clauses_12_to_19_a_long_silence_leaves_none_of_the_old_ones(window, uptime):
    old = window.offered()
    uptime.pass_s(3600)
    assert len(window.offered()) == 1
    assert not any(window.accepts(one) for one in old)


def test_clauses_12_to_19_a_reboot_discards_them_all(window, uptime):
    old = window.offered()
    uptime.reboot()
    assert not window.accepts(old[0])
    assert set(window.offered()).isdisjoint(old)


def test_clauses_12_to_19_saved_ones_are_discarded_by_a_reboot_too(window, uptime):
    uptime.pass_s(60)
    nonce = window.preferred()
    saved = json.loads(json.dumps(window.saved()))
    other = NonceWindow(uptime)
    assert other.restore(saved) == 1
    assert other.accepts(nonce)
    uptime.pass_s(299)
    assert other.accepts(nonce)
    uptime.pass_s(1)
    assert not other.accepts(nonce)
    assert other.restore(saved) == 0
    uptime.reboot()
    assert NonceWindow(uptime).restore(saved) == 0


def test_two_processes_share_their_windows(window, uptime):
    other = NonceWindow(uptime)
    theirs = other.preferred()
    uptime.pass_s(10)
    mine = window.preferred()
    assert other.restore(window.saved()) == 1
    assert other.restore(window.saved()) == 1, "the same once more"
    assert other.offered() == (mine, theirs)


@pytest.mark.parametrize(
    "nonces",
    [None, 5, [5], [["00"]], [["zz" * 32, 5]], [["00" * 31, 5]], [["00" * 32, "5"]], [["00" * 32, 1 << 62]]],
)
def test_what_is_damaged_is_left_out(window, uptime, nonces):
    assert window.restore({"boot": uptime.boot.hex(), "nonces": nonces}) == 0
    assert window.restore({}) == 0
    assert not window.accepts(bytes(32))


@pytest.mark.parametrize("nonce", [b"", b"x", bytes(32), bytes(33)])
def test_what_was_never_offered_is_not_accepted(window, nonce):
    assert not window.accepts(nonce)


@pytest.mark.parametrize(("window_s", "active"), [(0, 1), (300, 0), (4, 5), (-300, -5)])
def test_a_window_that_is_none(window_s, active):
    with pytest.raises(ValueError, match="expected a window"):
        NonceWindow(window_s=window_s, active=active)


def test_with_the_machine_s_own_uptime():
    window = NonceWindow(window_s=1, active=1)
    assert window.accepts(window.preferred())
