"""Two pulses moved apart: which of them left the raw counter?"""

import pytest

from refclock.core.blame.hat import Hat, Seen
from refclock.model import Accuse, Decision, Mode
from refclock.units import NS_PER_S, NS_PER_US
from tests.unit.test_core_host import KDC, Host, only

BEGAN = 1_000 * NS_PER_S


def hat(receiver_ppb: int, cesium_ppb: int, counter_ppb: int = 0, *, span: int = 600, since: int = 60) -> Hat:
    """The counter is off by 7 ppm all the time; from 1000 s on each drifts by so much more."""
    made = Hat()
    for second in range(1000 - span, 1000 + since + 1):
        late = max(0, second - 1000)
        standard = -7_000 * second + (cesium_ppb - counter_ppb) * late
        made.see(Seen(second * NS_PER_S, standard, 50_000 + (receiver_ppb - cesium_ppb) * late))
    return made


@pytest.mark.parametrize(
    ("receiver_ppb", "cesium_ppb", "guilty"),
    [(5_000, 0, "receiver"), (-5_000, 0, "receiver"), (0, 5_000, "cesium"), (0, -400, "cesium"),
     (400, 0, "receiver"), (300, 0, None), (5_000, 3_000, None), (0, 0, None)],
)  # fmt: skip
def test_the_one_that_left_the_counter_too(receiver_ppb, cesium_ppb, guilty):
    assert hat(receiver_ppb, cesium_ppb).guilty(BEGAN) == guilty


@pytest.mark.parametrize(
    ("counter_ppb", "guilty"), [(1_250, "receiver"), (1_251, None), (-1_250, "receiver"), (-1_251, None)]
)
def test_a_counter_that_changed_its_rate_as_well_tells_nothing(counter_ppb, guilty):
    assert hat(5_000, 0, counter_ppb).guilty(BEGAN) == guilty


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("counter_ppb", "guilty"), [(1_250, "cesium"), (1_251, None), (-1_250, "cesium"), (-1_251, None)]
)
def test_a_cesium_that_left_is_told_from_a_counter_that_changed_as_well_either_way(sign, counter_ppb, guilty):
    assert hat(0, sign * 5_000, sign * counter_ppb).guilty(BEGAN) == guilty


def test_what_must_have_been_seen():
    assert Hat().guilty(BEGAN) is None
    assert hat(5_000, 0, span=290).guilty(BEGAN) is None
    assert hat(5_000, 0, span=300).guilty(BEGAN) is None  # what was seen when it began was not before
    assert hat(5_000, 0, span=310).guilty(BEGAN) == "receiver"
    assert hat(5_000, 0, since=29).guilty(BEGAN) is None
    assert hat(5_000, 0, since=30).guilty(BEGAN) == "receiver"
    # The rate of before cannot be carried on for longer than it was seen.
    assert hat(5_000, 0, span=310, since=290).guilty(BEGAN) == "receiver"
    assert hat(5_000, 0, span=310, since=291).guilty(BEGAN) is None
    assert hat(5_000, 0, span=310, since=400).guilty(BEGAN) is None
    assert hat(5_000, 0).guilty(0) is None


def test_a_quarter_of_an_hour_is_kept_one_in_ten_seconds():
    made = hat(0, 0, span=1000, since=100_000)
    assert len(made._seen) == 90
    assert [one.raw_ns // NS_PER_S for one in hat(0, 0, span=30, since=5)._seen] == [970, 980, 990, 1000]


@pytest.mark.parametrize(("receiver_ppb", "guilty"), [(400, "receiver"), (399, None)])
def test_two_pulses_that_moved_apart_by_less_than_twenty_microseconds_did_not(receiver_ppb, guilty):
    assert hat(receiver_ppb, 0, since=50).guilty(BEGAN) == guilty


@pytest.mark.parametrize("who", ["receiver", "cesium"])
def test_it_is_named_before_the_rejection_latches(who):
    host = Host('profile = "kdc-cesium"' + KDC + '[cesium]\ndevice = "/dev/pps1"\n', cesium_ns=0).feed()
    host.second(400)
    found: list[Decision] = []
    for _ in range(60):
        if who == "receiver":
            host.shift_ns += 5 * NS_PER_US
        else:
            host.cesium_ns = (host.cesium_ns or 0) - 5 * NS_PER_US  # earlier: its time is ahead
        found += host.second(1)
    named = only(found, Accuse)
    assert [one.source for one in named] == [who]
    assert named[0].evidence["witnesses"] == ["raw", "cesium" if who == "receiver" else "receiver"]
    moved = named[0].evidence["moved_ns"]
    assert isinstance(moved, int)
    assert moved > 100 * NS_PER_US
    assert (host.mode is Mode.LOCKED) is (who == "receiver")
