"""An adversary against the lemmas L1 to L6, at the level of seconds and answers (bench/adversary.py searches
on, for longer); and the plans that once broke one."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from search.clocks import KINDS, PATHS
from search.plan import MOVES, Move, Plan
from search.play import minimal, play
from search.setting import Setting

from refclock.policy import PROFILES

EXAMPLES = 80


def move(name: str) -> st.SearchStrategy[Move]:
    """Any move of that name; amounts are log-uniform and of either sign."""
    (least, most), (low, high), (b_low, b_high) = MOVES[name]

    def amount(smallest: int, largest: int) -> st.SearchStrategy[int]:
        if largest == 0:
            return st.just(0)
        bits = st.integers(max(smallest, 1).bit_length(), largest.bit_length())
        return bits.flatmap(
            lambda size: st.integers(
                max(smallest, 1 << (size - 1)), max(smallest, min(largest, (1 << size) - 1))
            )
        )

    signed = st.builds(lambda size, sign: size * sign, amount(low, high), st.sampled_from((1, -1)))
    second = st.integers(b_low, b_high) if name in ("hug", "follow") else amount(b_low, b_high)
    return st.builds(Move, st.just(name), amount(least, most), signed, second)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A host and what is done to it."""
    servers = draw(st.integers(3, 5))
    leap = draw(st.booleans()) and draw(st.booleans())
    setting = Setting(
        profile=draw(st.sampled_from(PROFILES)),
        seed=draw(st.integers(0, 1 << 32)),
        servers=servers,
        liars=draw(st.integers(0, servers)),
        path=draw(st.sampled_from(tuple(PATHS))),
        oscillator=draw(st.sampled_from(KINDS)),
        rate_ppt=draw(st.integers(-20_000_000, 20_000_000)),
        enrolled_unc_ppt=draw(st.sampled_from((1_000, 60_000, 400_000))),
        rtc=draw(st.booleans()),
        poll_s=draw(st.sampled_from((64, 256, 900))),
        leap_in_s=draw(st.integers(2_000, 90_000)) if leap else 0,
    )
    moves = st.sampled_from(tuple(MOVES)).flatmap(move)
    return Plan(setting, tuple(draw(st.lists(moves, min_size=1, max_size=8))))


@settings(
    max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)  # fmt: skip
@given(plan=plans())
def test_no_plan_breaks_a_lemma(plan: Plan) -> None:
    outcome = play(plan)
    if outcome.violations:
        small = minimal(outcome)
        pytest.fail(f"{small.violations[0]}\npython bench/adversary.py --play '{small.plan.text()}'")


HOST = '"profile": "kdc", "path": "far", "rtc": true, "limits": "", "leap_in_s": 0'
FOUND = {
    "a liar at one end of the honest servers' overlap understated the first error": (
        f'{{{HOST}, "seed": 3984511524, "servers": 4, "liars": 1, "oscillator": "slow", "rate_ppt": '
        '12167942, "enrolled_unc_ppt": 1000, "poll_s": 64, "moves": [["follow", 0, 0, 854509743606], '
        '["hug", 30, -1, 834880358710], ["reboot", 1368, 0, 0]]}'
    ),
    "the same after a change of clocksource": (
        f'{{{HOST}, "seed": 760825519, "servers": 4, "liars": 1, "oscillator": "slow", "rate_ppt": -4258192, '
        '"enrolled_unc_ppt": 1000, "poll_s": 64, "moves": [["follow", 0, 0, 636212831592], '
        '["step", 8572, -10082868, 0], ["clocksource", 0, 0, 0]]}'
    ),
    "a second that the quorum refused re-anchored the gate all the same": (
        f'{{{HOST}, "path": "wan", "seed": 32851186, "servers": 4, "liars": 0, "oscillator": "quiet", '
        '"rate_ppt": 4761287, "enrolled_unc_ppt": 60000, "poll_s": 64, "moves": '
        '[["hug", 830957, -1, 869810939565], ["gap-jump", 9899, 119053413, 0], ["home", 0, 0, 0]]}'
    ),
    "a receiver that walked away within the masks, and stepped back, had the raw counter named for it": (
        f'{{{HOST}, "path": "lan", "seed": 5, "servers": 4, "liars": 0, "oscillator": "quiet", '
        '"rate_ppt": -10049791, "enrolled_unc_ppt": 60000, "poll_s": 64, "coarse": true, "moves": '
        '[["ramp", 800, 90000000, 0], ["step", 300, 10000000, 0], ["home", 0, 0, 0], ["wait", 30, 0, 0]]}'
    ),
    "the same, with servers too coarse to show that they had stood still": (
        f'{{{HOST}, "seed": 2031341100, "servers": 3, "liars": 0, "oscillator": "slow", '
        '"rate_ppt": 10515587, "enrolled_unc_ppt": 400000, "poll_s": 900, "coarse": true, '
        '"moves": [["wait", 1220, 0, 0], '
        '["restart", 1039, 0, 0], ["ramp", 2216, 35057898, 0], ["gap", 234, 0, 0], '
        '["ntp-late", 0, 8504425, 0], ["hug", 84, 1, 893135877018], ["ramp", 2011, -246580285, 0]]}'
    ),
    "the cesium was taken to have gone along with a receiver that swung": (
        f'{{{HOST}, "profile": "kdc-cesium", "seed": 1345747638, "servers": 3, "liars": 0, '
        '"oscillator": "noisy", "rate_ppt": -5470203, "enrolled_unc_ppt": 400000, "poll_s": 256, '
        '"coarse": true, "moves": [["ntp-cut", 0, 0, 0], ["step", 8872, 1355, 0], ["saw", 95, 90855599, 12]]}'
    ),
    "the first second of a dwell after a long restart re-anchored, and was not fed": (
        f'{{{HOST}, "path": "lan", "seed": 3330884485, "servers": 4, "liars": 0, "oscillator": "flip", '
        '"rate_ppt": -8151444, "enrolled_unc_ppt": 400000, "poll_s": 256, '
        '"moves": [["restart", 69702, 0, 0]]}'
    ),
    "a receiver crept through whole seconds, and the cesium's pulse seemed to have gone along": (
        '{"profile": "kdc-cesium", "seed": 3454887442, "servers": 4, "liars": 0, "path": "far", '
        '"oscillator": "noisy", "rate_ppt": -3972439, "enrolled_unc_ppt": 400000, "rtc": true, '
        '"poll_s": 256, "limits": "mask1_offset_us = 900000\\nmask1_rate_ppt = '
        '9999999999\\nmask2_offset_us = 1000000\\nmask2_rate_ppt = 9000000000\\nquorum_error_us = '
        '2000000\\n[loosened]\\nmask1_offset_us = \\"x\\"\\nmask1_rate_ppt = \\"x\\"\\nmask2_offset_us = '
        '\\"x\\"\\nmask2_rate_ppt = \\"x\\"\\nquorum_error_us = \\"x\\"\\n", "leap_in_s": 0, "coarse": true, '
        '"moves": [["gap-jump", 23851, 17001, 0], ["ntp-silent", 0, 0, 0], ["hug", 1564462, -1, '
        '731778180481]]}'
    ),
    "the same, and the cesium was taken to bound it": (
        '{"profile": "kdc-cesium", "seed": 103789736, "servers": 4, "liars": 2, "path": "far", '
        '"oscillator": "fast", "rate_ppt": -12054922, "enrolled_unc_ppt": 60000, "rtc": true, '
        '"poll_s": 256, "limits": "mask1_offset_us = 900000\\nmask1_rate_ppt = '
        '9999999999\\nmask2_offset_us = 100000\\nmask2_rate_ppt = 1000000\\nquorum_error_us = '
        '2000000\\n[loosened]\\nmask1_offset_us = \\"x\\"\\nmask1_rate_ppt = \\"x\\"\\nmask2_offset_us = '
        '\\"x\\"\\nmask2_rate_ppt = \\"x\\"\\nquorum_error_us = \\"x\\"\\n", "leap_in_s": 0, "coarse": true, '
        '"moves": [["hug", 1483931, -1, 995433659474]]}'
    ),
    "seconds that were refused before the first that was kept widened the bound by the cesium": (
        '{"profile": "kdc-cesium", "seed": 612038229, "servers": 4, "liars": 0, "path": "far", '
        '"oscillator": "noisy", "rate_ppt": -15886783, "enrolled_unc_ppt": 400000, "rtc": true, '
        '"poll_s": 256, "limits": "", "leap_in_s": 0, "coarse": true, "moves": [["restart", 261, 0, '
        '0], ["gap-jump", 571602, 1635007, 0], ["step", 407, -11239510, 0], ["hug", 29380, -1, '
        '741784741918], ["wait", 5314, 0, 0]]}'
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", FOUND.values(), ids=FOUND)
def test_what_once_broke_a_lemma_does_not_any_more(text: str) -> None:
    outcome = play(Plan.parse(text))
    assert outcome.fed
    assert not outcome.violations


def test_a_plan_passes_through_its_text() -> None:
    for text in FOUND.values():
        plan = Plan.parse(text)
        assert Plan.parse(plan.text()) == plan
        assert play(plan) == play(Plan.parse(plan.text()))


def test_the_checks_notice_what_they_are_there_for() -> None:
    """The oracle is no rubber stamp: given other limits than the core's, it objects."""
    from search.play import Player

    player = Player(Plan(Setting(oscillator="quiet"), (Move("hug", 4_000, 1, 950_000_000_000),)))
    limits = player.host.policy.limits
    player.host.oracle._limits = type(limits)(
        **{name: getattr(limits, name) for name in limits.__slots__ if name != "quorum_error_ns"},
        quorum_error_ns=100,
    )
    assert any(told.startswith("L5") for told in player.run().violations)
