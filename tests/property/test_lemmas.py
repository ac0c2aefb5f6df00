"""The lemmas of docs/vetting.md, attacked."""

from itertools import combinations, pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st

from refclock.core.gate.gate import Gate, Mask
from refclock.jsonform import decision_line
from refclock.model import Mode, Publish, SerialBytes
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US, PPT_ONE
from tests.unit.test_core_host import KDC, Host, only

FEW = settings(max_examples=25)
MASKS = st.lists(
    st.builds(Mask, st.integers(0, 10**6), st.integers(0, 10**8)), min_size=1, max_size=2
).map(tuple)  # fmt: skip
# Time to the next second, phase; some far away, some by a nanosecond.
SECONDS = st.lists(
    st.tuples(
        st.integers(1, 10**4) | st.integers(1, 10**13),
        st.integers(-3 * 10**6, 3 * 10**6) | st.integers(-(10**10), 10**10),
    ),
    max_size=40,
)
BUDGET = st.integers(1, 10**13)


@given(MASKS, BUDGET, SECONDS)
def test_l1_every_pair_of_admitted_seconds_obeys_every_mask(masks, budget, seconds):
    gate, raw, admitted = Gate(masks, budget), 0, list[tuple[int, int]]()
    for passed, phase in seconds:
        raw += passed
        if gate.judge(raw, phase) is None:
            gate.accept(raw, phase)
            admitted.append((raw, phase))
        else:
            gate.reject(raw)
    for (raw_i, phase_i), (raw_j, phase_j) in combinations(admitted, 2):
        for mask in masks:
            allowed = mask.offset_ns * PPT_ONE + mask.rate_ppt * (raw_j - raw_i)
            assert abs(phase_j - phase_i) * PPT_ONE <= allowed


@given(MASKS, BUDGET, SECONDS)
def test_l1_the_gate_is_exactly_the_rule_over_all_pairs(masks, budget, seconds):
    """Brute force: the budget clock kept beside, every earlier second looked at."""
    gate, raw = Gate(masks, budget), 0
    earned, last, frozen = 0, None, None
    admitted: list[tuple[int, int]] = []
    for passed, phase in seconds:
        raw += passed
        v = frozen if frozen is not None else earned if last is None else earned + min(raw - last, budget)
        fits = all(
            abs(phase - other) * PPT_ONE <= mask.offset_ns * PPT_ONE + mask.rate_ppt * (v - then)
            for then, other in admitted
            for mask in masks
        )
        breach = gate.judge(raw, phase)
        assert (breach is None) is fits
        assert gate.budget_ns(raw) == v
        if fits:
            gate.accept(raw, phase)
            admitted.append((v, phase))
            earned, last, frozen = v, raw, None
        else:
            assert breach is not None
            assert breach.value_ns > breach.limit_ns
            gate.reject(raw)
            frozen = v if frozen is None else frozen


@given(MASKS, BUDGET, SECONDS, SECONDS)
def test_l6_a_gate_from_its_memory_decides_like_the_one_that_wrote_it(masks, budget, before, after):
    gate, raw = Gate(masks, budget), 1
    gate.accept(raw, 0)
    for passed, phase in before:
        raw += passed
        if gate.judge(raw, phase) is None:
            gate.accept(raw, phase)
        else:
            gate.reject(raw)
    again = Gate(masks, budget)
    assert again.restore(gate.memory())
    for passed, phase in after:
        raw += passed
        assert gate.judge(raw, phase) == again.judge(raw, phase)
        for one in (gate, again):
            if one.judge(raw, phase) is None:
                one.accept(raw, phase)
            else:
                one.reject(raw)
    assert gate.memory() == again.memory()


@given(MASKS, BUDGET, st.integers(1, 10**12), st.integers(2, 200))
def test_l4_a_persistent_violation_does_not_heal_by_waiting(masks, budget, pause, times):
    gate = Gate(masks, budget)
    gate.accept(0, 0)
    gate.accept(1, 0)
    phase = max(mask.offset_ns + mask.rate_ppt * min(pause, budget) // PPT_ONE for mask in masks) + 2
    raw = 1
    for _ in range(times):
        raw += pause
        assert gate.judge(raw, phase) is not None
        gate.reject(raw)


@given(MASKS, BUDGET, st.integers(1, 10**18))
def test_l4_a_silence_earns_no_more_than_g(masks, budget, silence):
    gate = Gate(masks, budget)
    gate.accept(0, 0)
    reach = min(mask.offset_ns + -(-mask.rate_ppt * budget // PPT_ONE) for mask in masks)
    assert gate.judge(silence, reach + 1) is not None


# ---- the whole core, under an adversary that owns the receiver -----------------------------------

# One deed: for how many seconds, by how much more the time is off, by how much the labels alone, what else.
DEEDS = st.lists(
    st.tuples(
        st.integers(1, 40) | st.integers(1, 400),
        st.sampled_from([0, 50, 900, -900, 5_000, 99_000, 300_000, -(10**6), 10**7, 2 * 10**8, 10**9])
        | st.integers(-(10**6), 10**6),
        st.sampled_from([0, 0, 0, 1, -1, 86_400, -619_315_200]),
        st.sampled_from(["", "", "", "silent", "invalid", "unconfirmed", "creep", "rearm", "restart"]),
    ),
    max_size=8,
)


def attacked(deeds: list[tuple[int, int, int, str]], enrolled: bool = True) -> list[Host]:
    """Worlds, one after another by restarts, whose receiver is an adversary; servers and RTC are honest."""
    host = Host(enrolled=enrolled).feed()
    hosts = [host]
    for count, shift_us, label_s, what in deeds:
        if what == "rearm":
            host.command("rearm", reason="an operator who believes everything")
        if what == "restart":
            host = host.restarted()
            hosts.append(host)
        host.silent, host.valid, host.utc = what == "silent", what != "invalid", what != "unconfirmed"
        host.label_s = label_s
        if what == "creep":
            for _ in range(count):
                host.shift_ns += shift_us * NS_PER_US // 50
                host.second()
        else:
            host.shift_ns += shift_us * NS_PER_US
            host.second(count)
    return hosts


@FEW
@given(DEEDS)
def test_l5_no_admitted_error_exceeds_its_published_bound_and_e_q(deeds):
    for host in attacked(deeds):
        limit = host.policy.limits.quorum_error_ns
        for one in host.published():
            assert abs(host.error_ns(one)) <= one.bound_ns
            assert abs(host.error_ns(one)) <= limit + 100 * NS_PER_US


@FEW
@given(DEEDS)
def test_l2_published_time_and_counter_only_go_forward(deeds):
    published = [one for host in attacked(deeds) for one in host.published()]
    for before, after in pairwise(published):
        assert before.raw_ns < after.raw_ns
        assert before.utc_ns < after.utc_ns


@FEW
@given(DEEDS)
def test_l1_between_two_rearms_the_masks_hold_for_all_that_is_published(deeds):
    """Across restarts too. A silence here is at most 400 s, so nothing is re-anchored."""
    hosts = attacked([deed for deed in deeds if deed[3] != "rearm"])
    limits = hosts[0].policy.limits
    points = [(one.raw_ns, hosts[0].error_ns(one)) for host in hosts for one in host.published()]
    for offset, rate in (
        (limits.mask1_offset_ns, limits.mask1_rate_ppt),
        (limits.mask2_offset_ns, limits.mask2_rate_ppt),
    ):
        least = greatest = None
        for raw, error in points:
            low, high = error * PPT_ONE - rate * raw, error * PPT_ONE + rate * raw
            # One nanosecond: a pulse's instant is placed to the nanosecond.
            if least is not None and greatest is not None:
                assert error * PPT_ONE - rate * raw - least <= (offset + 2) * PPT_ONE
                assert greatest - (error * PPT_ONE + rate * raw) <= (offset + 2) * PPT_ONE
            least = low if least is None else min(least, low)
            greatest = high if greatest is None else max(greatest, high)


@FEW
@given(DEEDS)
@example([(1, 0, 0, "")] * 5 + [(11, 99_000, 0, ""), (1, 0, 0, "rearm"), (1, 0, 0, "restart")])
def test_l6_what_is_remembered_is_what_is_known_again(deeds):
    host = attacked(deeds)[-1]
    again = host.restarted()
    again.now_s = -(-again.now_s // 64) * 64
    again.silent = True
    again.second()
    kept, known = host.bridge.memory(), again.bridge.memory()
    for key in ("floor_utc_ns", "locked", "judge", "boot_id", "clocksource", "raw_rate_ppt", "rtc_rate_ppt"):
        assert known.get(key) == kept.get(key), key
    assert (again.mode is Mode.LOCKED) is (host.mode is Mode.LOCKED)


@FEW
@given(DEEDS, st.sampled_from(["boot_id", "clocksource"]))
def test_l6_another_boot_or_clocksource_knows_the_floor_and_the_lock_only(deeds, what):
    host = attacked(deeds)[-1]
    again = host.restarted()
    setattr(again, what, "another")
    again.now_s = -(-again.now_s // 64) * 64
    again.silent = True
    again.second()
    kept, known = host.bridge.memory(), again.bridge.memory()
    assert "judge" not in known
    assert (known["floor_utc_ns"], known["locked"]) == (kept["floor_utc_ns"], kept["locked"])


@FEW
@given(DEEDS)
def test_the_same_events_give_the_same_lines(deeds):
    for host in attacked([deed for deed in deeds if deed[3] != "restart"]):
        again = Host(enrolled=False)
        lines = [decision_line(one) for event in host.events for one in again.bridge.step(event)]
        assert lines == [decision_line(one) for one in host.decisions]
        assert again.bridge.memory() == host.bridge.memory()


@FEW
@given(st.lists(st.integers(1, 90), min_size=1, max_size=12), st.integers(0, 4))
def test_how_the_bytes_are_cut_does_not_change_what_is_published(cuts, gap_ms):
    """The pieces of a burst come a little later each, as from a slow line."""
    whole = Host()
    whole.second(140)
    cut = Host(enrolled=False)
    for event in whole.events:
        if not isinstance(event, SerialBytes):
            cut.step(event)
            continue
        at, number = 0, 0
        while at < len(event.data):
            size = cuts[number % len(cuts)]
            late = min(number, 60) * gap_ms * NS_PER_MS
            piece = event.data[at : at + size]
            cut.step(SerialBytes(event.raw_ns + late, event.real_ns + late, event.unc_ns, event.port, piece))
            at, number = at + size, number + 1
    assert [(one.raw_ns, one.utc_ns, one.sys_ns) for one in cut.published()] == [
        (one.raw_ns, one.utc_ns, one.sys_ns) for one in whole.published()
    ]


@FEW
@given(st.integers(-(2 * 10**6), 2 * 10**6), st.integers(1, 5))
def test_l5_holds_on_a_counter_that_strays_within_its_stated_stability(stray_ppt, hours):
    """Servers and RTC are silent, and the receiver creeps away as slowly as the counter itself might."""
    host = Host().feed()
    host.ntp_silent = host.rtc_silent = True
    last = 0
    for minute in range(hours * 60):
        off = minute * 60 * stray_ppt // 1000
        host.shift_ns += off - last
        last = off
        host.second(2)
        host.now_s += 58
    for one in only(host.decisions, Publish):
        assert abs(host.error_ns(one)) <= one.bound_ns


def test_the_policy_of_these_tests_is_the_kdc_s():
    assert Host(KDC).policy.profile == "kdc"
    assert Host(KDC).policy.limits.mask1_offset_ns == NS_PER_S // 1000
