"""Limits last in force: what a changed configuration holds back, and what of a memory can be used."""

import pytest

from refclock.policy import parse_policy
from refclock.policy.confirmed import (
    Change,
    compare,
    default_table,
    held_back,
    limit_table,
    looser,
    override,
    remembered,
)
from refclock.policy.table import LIMIT_ROWS

KDC = parse_policy("")
ROWS = {row.key: row for row in LIMIT_ROWS}


def test_a_profile_s_defaults_are_what_an_empty_configuration_has():
    assert default_table("kdc") == limit_table(KDC)
    table = limit_table(KDC)
    assert table["profile"] == "kdc"
    limits = table["limits"]
    assert isinstance(limits, dict)
    assert set(limits) == set(ROWS)
    assert limits["mask1_offset_us"] == 1000  # in the key's own unit


@pytest.mark.parametrize(
    ("table", "used"),
    [
        ({}, {}),
        ({"limits": None}, {}),
        ({"limits": [1]}, {}),
        ({"limits": {"mask1_offset_us": 7}}, {"mask1_offset_us": 7}),
        ({"limits": {"mask1_offset_us": 0}}, {}),
        ({"limits": {"mask1_offset_us": 1}}, {"mask1_offset_us": 1}),
        ({"limits": {"mask1_offset_us": 1_000_000}}, {"mask1_offset_us": 1_000_000}),
        ({"limits": {"mask1_offset_us": 1_000_001}}, {}),
        ({"limits": {"mask1_offset_us": True, "nothing": 5}}, {}),
        ({"limits": {"mask1_offset_us": "7"}}, {}),
    ],
)
def test_of_a_memory_known_limits_within_their_range_are_used(table, used):
    assert remembered(table) == used


def test_looser_is_what_the_limit_s_own_direction_says():
    offset, dwell = ROWS["mask1_offset_us"], ROWS["dwell_warm_s"]
    assert (offset.tighter, dwell.tighter) == ("lower", "higher")
    assert [looser(offset, value, 5) for value in (4, 5, 6)] == [False, False, True]
    assert [looser(dwell, value, 5) for value in (4, 5, 6)] == [True, False, False]


def test_what_is_looser_is_held_and_what_is_tighter_is_not():
    before = {"profile": "kdc", "limits": {"mask1_offset_us": 900, "dwell_warm_s": 100, "gap_budget_s": 3600}}
    changes = compare(KDC, before)
    assert changes == [
        Change("mask1_offset_us", 900, 1000, held=True),
        Change("dwell_warm_s", 100, 120, held=False),
    ]
    assert str(changes[0]) == "mask1_offset_us: 900 -> 1000"
    assert held_back(changes) == {"limits": {"mask1_offset_us": 900}}
    assert held_back(changes[1:]) == {}


def test_another_profile_is_held_and_one_that_is_none_is_not():
    assert compare(KDC, {"profile": "appserver"}) == [Change("profile", "appserver", "kdc", held=True)]
    assert compare(KDC, {"profile": "kdc"}) == []
    assert compare(KDC, {"profile": "nonsense"}) == []
    assert compare(KDC, {"profile": 5}) == []
    assert held_back(compare(KDC, {"profile": "appserver"})) == {"profile": "appserver"}


def test_what_is_held_back_is_in_force_instead_of_the_configuration():
    policy = override(KDC, {"limits": {"mask1_offset_us": 900}})
    assert policy.limits.mask1_offset_ns == 900_000
    assert policy.profile == "kdc"
    assert override(KDC, {}) == KDC
    assert override(KDC, {"profile": "nonsense"}) == KDC
    assert override(KDC, {"profile": 5}) == KDC


def test_a_profile_that_is_held_back_brings_no_wider_cap():
    assert override(KDC, {"profile": "appserver"}).hard_cap_ppt == KDC.hard_cap_ppt
    appserver = parse_policy('profile = "appserver"\n')
    held = override(appserver, {"profile": "kdc"})
    assert (held.profile, held.hard_cap_ppt) == ("kdc", KDC.hard_cap_ppt)


def test_a_loosened_limit_that_is_held_back_is_not_announced():
    text = '[limits]\nmask1_offset_us = 2000\n[loosened]\nmask1_offset_us = "a reason"\n'
    policy = parse_policy(text)
    assert [one.key for one in policy.loosened] == ["mask1_offset_us"]
    assert override(policy, {"limits": {"mask1_offset_us": 1000}}).loosened == ()
    assert override(policy, {"limits": {"mask1_offset_us": 2000}}).loosened == policy.loosened
    assert override(policy, {"limits": {"dwell_warm_s": 120}}).loosened == policy.loosened
