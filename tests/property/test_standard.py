"""A pulse without a label, under an adversary who owns it, its wire and some of the witnesses."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US
from tests.unit.test_core_host import Host
from tests.unit.test_core_standard import TEXT

FEW = settings(max_examples=20)
# For how many seconds, by how much more the pulse is off, what else.
PULSE_DEEDS = st.lists(
    st.tuples(
        st.integers(1, 40) | st.integers(1, 400),
        st.sampled_from([0, 0, 50, 900, -900, 5_000, 99_000, -(10**6), 10**7, 2 * 10**8, 10**9])
        | st.integers(-(10**6), 10**6),
        st.sampled_from(["", "", "silent", "extra", "restart"]),
    ),
    max_size=6,
)
# When in seconds, who, by how much (ms) for how long.
LIES = st.lists(
    st.tuples(
        st.integers(0, 1900),
        st.sampled_from(["one", "majority", "rtc"]),
        st.sampled_from([-3_600_000, -1000, -999, -500, -100, 20, 90, 400, 1000, 2000]),
        st.integers(10, 600),
    ),
    max_size=3,
)


def numbers_held(host: Host) -> None:
    """Published seconds are the elapsed whole seconds apart, whatever happened between them."""
    for one, other in pairwise(host.published()):
        apart = (other.utc_ns - one.utc_ns) - (other.raw_ns - one.raw_ns)
        assert abs(apart) < NS_PER_S // 4
        assert other.utc_ns > one.utc_ns


@FEW
@given(PULSE_DEEDS)
def test_whoever_owns_the_pulse_neither_renumbers_it_nor_leaves_the_bound(deeds):
    host = Host(text=TEXT, labels=False).feed()
    hosts = [host]
    for count, shift_us, what in deeds:
        if what == "restart":
            host = host.restarted()
            hosts.append(host)
        host.shift_ns += shift_us * NS_PER_US
        host.silent = what == "silent"
        for _ in range(count):
            if what == "extra":
                host.edge(host.now_s * NS_PER_S - 300 * NS_PER_MS)
            host.second()
    for one in hosts:
        numbers_held(one)
        assert all(abs(one.error_ns(told)) <= told.bound_ns for told in one.published())


@FEW
@given(LIES)
def test_no_liar_alone_has_a_pulse_numbered_wrongly(lies):
    """One server, or a majority of them, or the RTC: never all at once, and before, in and after the dwell.
    A majority's lie below the RTC's own error may move nothing, for the pulse must lie within."""
    host = Host(text=TEXT, labels=False)
    for at_s, who, by_ms, lasting_s in sorted(lies):
        host.second(max(0, at_s - host.now_s))
        by_ns = by_ms * NS_PER_MS
        host.ntp_ns = by_ns if who == "majority" else 0
        host.ntp_one_ns = by_ns if who == "one" else 0
        host.rtc_ns = by_ns if who == "rtc" else 0
        host.second(lasting_s)
        host.ntp_ns = host.ntp_one_ns = host.rtc_ns = 0
    host.second(1900)
    numbers_held(host)
    assert host.worst_ns() == 0
