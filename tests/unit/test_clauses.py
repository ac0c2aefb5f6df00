"""What the Kerberos clock draft asks of the bridge, where no other test shows it (docs/requirements.md)."""

import re

import pytest

from refclock.core.rules.reasons import REASONS
from refclock.errors import ConfigError
from refclock.model import Accuse, Mode
from refclock.policy import HARD_CAPS_PPT, LIMIT_ROWS, PROFILES, parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_core_host import KDC, Host, only

CAPPED = ("mask1_rate_ppt", "mask2_rate_ppt", "system_rate_ppt")
ALL_THAT_VOUCH = {"receiver", "ntp", "rtc"}


@pytest.mark.parametrize("heard", [{"receiver"}, {"ntp", "rtc"}, {"receiver", "ntp"}, {"receiver", "rtc"}])
def test_clauses_24_and_25_no_source_is_believed_on_its_own_word(heard):
    """Nobody's word can be verified, so nobody's suffices: not one source's, nor two of three on a KDC."""
    host = Host(silent="receiver" not in heard, ntp_silent="ntp" not in heard, rtc_silent="rtc" not in heard)
    host.second(400)
    assert host.published() == []
    assert host.mode is not Mode.VETTED


@pytest.mark.parametrize(
    ("lie", "who"),
    [
        ({"shift_ns": 50 * NS_PER_MS}, "receiver"),
        ({"ntp_ns": 5 * NS_PER_S}, "ntp"),
        ({"rtc_ns": 5 * NS_PER_S}, "rtc"),
    ],
)
def test_clauses_24_and_25_each_source_can_be_found_wrong_by_the_others(lie, who):
    host = Host().feed()
    host.second(100)
    for name, value in lie.items():
        setattr(host, name, value)
    host.second(1200)
    assert {one.source for one in only(host.decisions, Accuse)} & ALL_THAT_VOUCH == {who}
    assert host.worst_ns() < NS_PER_MS


def loosest(profile: str) -> str:
    """Every limit as loose as it can be made, with the reasons that this takes."""
    chosen = {}
    for row in LIMIT_ROWS:
        value = row.high if row.tighter == "lower" else row.low
        value = min(value, HARD_CAPS_PPT[profile] - 1) if row.key in CAPPED else value
        if value != row.defaults[PROFILES.index(profile)]:
            chosen[row.key] = value
    lines = [
        f'profile = "{profile}"',
        KDC,
        "[limits]",
        *(f"{key} = {value}" for key, value in chosen.items()),
    ]
    return "\n".join([*lines, "[loosened]", *(f'{key} = "a test"' for key in chosen)])


@pytest.mark.parametrize("off_s", [2, -2, 3600, -(1024 * 7 * 86400)])
@pytest.mark.parametrize("profile", ["kdc", "appserver"])
def test_clauses_27_and_28_the_loosest_configuration_there_is_still_refuses(profile, off_s):
    """No switch turns a check off: even so a step is not fed, however long it is held, and locks."""
    host = Host(loosest(profile), enrolled=False).feed()
    host.second(60)
    fed = len(host.published())
    host.shift_ns = off_s * NS_PER_S
    host.second(300)
    assert len(host.published()) == fed
    assert host.mode is Mode.LOCKED
    assert host.worst_ns() < NS_PER_S


def test_clauses_27_and_28_a_limit_cannot_be_left_out_or_made_endless():
    for key in ("enabled", "disable", "checks", "insecure"):
        with pytest.raises(ConfigError, match="unknown"):
            parse_policy(f"[limits]\n{key} = 0\n")
    for written in ("false", "-1", "inf", '"off"'):
        with pytest.raises(ConfigError):
            parse_policy(f"[limits]\nquorum_error_us = {written}\n")


def test_clause_37_no_message_advises_to_set_the_clock_back():
    """What the program says to do about a refusal or an alarm is what an operator does at night."""
    for name, reason in REASONS.items():
        for text in (reason.words, reason.mend or ""):
            for found in re.finditer(r"\b(set|step|put|turn)\b[^.;:]*\bback\b", text):
                assert "do not" in text[: found.start()] or "setback" in found[0], f"{name}: {text}"
