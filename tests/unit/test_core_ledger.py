"""The ledger of probes, and the groups of refusals."""

import pytest

from refclock.core.gate.gate import Gate, Mask
from refclock.core.gate.judge import Anchor, Judge
from refclock.core.gate.ledger import Probes
from refclock.core.seconds.interval import RawRate
from refclock.core.seconds.pairing import Refused
from refclock.core.telling.refusals import MOST, Refusals
from refclock.model import Accuse, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S

B = 1000


def _fed(*used: int) -> Probes:
    probes = Probes()
    for number, one in enumerate(used):
        probes.take(one, B, one, number)
    return probes


def test_within_half_the_offset_nothing_is_counted():
    assert _fed(0, 500, 0, -500, 500).fields() == Probes().fields()


def test_an_excursion_has_an_amplitude_and_a_way():
    told = _fed(0, 600, 800, 700, 0).fields()
    assert told == {"count": 1, "refused": 0, "worst_ns": 800, "variation_ns": 900, "last_utc_s": 1}


def test_noise_about_the_half_is_one_excursion():
    assert _fed(0, 510, 490, 510, 490, 510, 240, 510).count == 2


def test_an_excursion_is_over_at_a_quarter_and_no_sooner():
    assert _fed(600, 250, 600).count == 2
    assert _fed(600, 251, 600).count == 1


def test_the_whole_offset_is_no_breach():
    assert _fed(1000).refused == 0


def test_the_first_second_of_all_has_no_way_behind_it():
    assert _fed(600).variation_ns == 0


def test_a_second_is_measured_by_the_first_mask_and_a_refused_one_where_it_moved_to():
    """kdc: 1 ms is the first mask's, 50 ms the second's."""
    policy = parse_policy('[pps]\ndevice = "/dev/pps0"\n')
    judge = Judge(policy, Anchor(0, 0, 1000), RawRate(0, 0, enrolled=True))
    judge.gate.accept(0, 0)
    probes = Probes()
    probes.watch(judge, 0, 600_000, 7)
    assert (probes.count, probes.refused, probes.worst_ns, probes.last_utc_s) == (1, 0, 600_000, 7)
    judge.last_si_ns = 300_000
    probes.stray(judge, Refused(0, "drift-mask", 0, 0, 9, None, 1_100_000))
    assert (probes.count, probes.refused, probes.worst_ns) == (1, 1, 1_400_000)
    assert probes.variation_ns == 800_000
    probes.stray(judge, Refused(0, "date-floor", 0, 0, 9))
    assert probes.worst_ns == 1_400_000


def test_what_leaves_the_mask_is_counted_once_in_each_excursion():
    assert _fed(0, 600, 1100, 1200, 900, 1100, 0, 1001, 0).refused == 2


def test_a_ledger_is_taken_up_again_and_rubbish_is_not():
    probes, again = _fed(0, 600, 0, 1100, 900, 0), Probes()
    again.restore(probes.fields())
    assert again.fields() == probes.fields()
    again.restore({"count": -1, "refused": True, "worst_ns": "9", "last_utc_s": []})
    assert again.fields() == Probes().fields()


@pytest.mark.parametrize("phase", [0, 700, -700, 1001, -5000])
def test_the_gates_rooms_say_what_the_gate_does(phase):
    gate = Gate((Mask(B, 1_000_000), Mask(5000, 1000)), 10 * NS_PER_S)
    gate.accept(0, 0)
    (up, down), *_ = gate.rooms(NS_PER_S, phase)
    assert (gate.judge(NS_PER_S, phase) is None) == (min(up, down) >= 0)
    assert gate.judge(NS_PER_S, phase + up) is None
    assert gate.judge(NS_PER_S, phase + up + 1) is not None
    assert gate.judge(NS_PER_S, phase - down) is None
    assert gate.judge(NS_PER_S, phase - down - 1) is not None


def test_what_is_used_is_what_a_breach_says():
    gate = Gate((Mask(B, 1_000_000),), 10 * NS_PER_S)
    assert gate.used_ns(0, 5) == 0
    gate.accept(0, 0)
    breach = gate.judge(NS_PER_MS, 1500)
    assert breach is not None
    assert gate.used_ns(NS_PER_MS, 1500) == breach.value_ns
    assert gate.used_ns(NS_PER_S, 0) <= 0


# ---- refusals --------------------------------------------------------------------------------------


def _withheld(at_s: int, reason: str = "drift-mask", value: int = 1) -> Withhold:
    return Withhold(at_s * NS_PER_S, reason, value, 1)


def _group(refusals: Refusals) -> list[tuple[object, object]]:
    return [(one["reason"], one["count"]) for one in refusals.fields()]


def test_refusals_for_one_reason_are_one_group_with_its_worst():
    refusals = Refusals()
    for at_s, value in ((1, 5), (2, -9), (3, 7)):
        refusals.note(_withheld(at_s, value=value), at_s, list)
    (group,) = refusals.fields()
    assert (group["count"], group["worst_value"]) == (3, -9)
    assert (group["first_real_ns"], group["last_real_ns"]) == (1, 3)


def test_an_accepted_second_ends_a_group_but_not_that_of_a_servers_answers():
    refusals = Refusals()
    for at_s in (1, 2):
        refusals.note(_withheld(at_s), 0, list)
        refusals.note(_withheld(at_s, "ntp-lost"), 0, list)
        refusals.accepted()
    assert _group(refusals) == [("drift-mask", 1), ("ntp-lost", 2), ("drift-mask", 1)]


def test_a_long_pause_ends_a_group():
    refusals = Refusals()
    refusals.note(_withheld(0), 0, list)
    refusals.note(_withheld(601), 0, list)
    assert _group(refusals) == [("drift-mask", 1)] * 2


def test_witnesses_are_asked_when_a_group_begins_and_an_accusation_belongs_to_the_last_rejection():
    refusals = Refusals()
    asked: list[int] = []

    def witnesses() -> list[dict[str, object]]:
        asked.append(1)
        return [{"name": "ntp"}]

    for at_s in range(3):
        refusals.note(_withheld(at_s), 0, witnesses)
    refusals.note(_withheld(3, "dwell"), 0, list)
    refusals.accuse(Accuse(0, "receiver", {"moved_ns": 5, "witnesses": ["raw"]}))
    assert len(asked) == 1
    assert [one["accused"] for one in refusals.fields()] == ["receiver moved +5 ns against raw", None]


def test_many_groups_push_out_what_merely_waited_first():
    refusals = Refusals()
    refusals.note(_withheld(0), 0, list)
    for at_s in range(1, MOST + 5):
        refusals.note(_withheld(at_s * 1000, "dwell"), 0, list)
    kept = _group(refusals)
    assert len(kept) == MOST
    assert kept[0] == ("drift-mask", 1)
    for at_s in range(100, 100 + MOST):
        refusals.note(_withheld(at_s * 1000), 0, list)
    assert _group(refusals) == [("drift-mask", 1)] * MOST


@pytest.mark.parametrize(
    ("moved", "count"), [(0, 0), (400_000, 0), (600_000, 1), (-100_000_000, 1), (None, 0)]
)
def test_a_second_refused_for_where_it_lay_is_a_probe_too(moved, count):
    policy, probes = parse_policy("[pps]\n"), Probes()
    judge = Judge(policy, Anchor(0, 0, 1000), RawRate(0, 0))
    judge.gate.accept(0, 0)
    for at_s in (1, 2):
        probes.stray(judge, Refused(at_s * NS_PER_MS, "edge-window", 1, 1, moved_ns=moved))
    assert (probes.count, probes.refused) == (count, int(count and abs(moved) > NS_PER_MS))
