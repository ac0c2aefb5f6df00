"""The table of reasons: complete, without a dead row, and each of its kind."""

import ast
from pathlib import Path

import pytest

from refclock.core.rules.reasons import REASONS, Reason, is_rejection

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "refclock"
UNITS = {"", "ns", "s", "day", "m", "ppt", "pulses", "witnesses", "bytes"}


def _said() -> set[str]:
    """Every string of core and wire outside the table itself."""
    return {
        node.value
        for path in (*PACKAGE.glob("core/**/*.py"), *PACKAGE.glob("wire/*.py"))
        if path.name != "reasons.py"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_every_row_is_a_reason_that_somebody_gives():
    scales = {"gps-time", "local-time", "unstated-time"}  # put together from the label's time scale
    assert set(REASONS) - scales <= _said()


@pytest.mark.parametrize("name", REASONS)
def test_a_reason_has_words_and_a_unit_that_people_know(name):
    reason = REASONS[name]
    assert reason.unit in UNITS
    assert len(reason.words.split()) > 2
    assert reason.mend == "" or len(reason.mend) > 5


def test_what_nobody_can_mend_says_nothing():
    assert Reason("note", "words", "").mend == ""
    assert {name for name, one in REASONS.items() if one.kind != "note" and not one.mend} == set()


# What each kind does (docs/vetting.md): a violation locks within a minute, a rejection freezes the budget.
KINDS = {
    "violation": "label-continuity leap-unconfirmed date-jump date-floor date-ceiling",
    "reject": "drift-mask edge-window quorum chrony realm label-conflict not-monotone edge-order reanchor "
    "rtc edge-proof edge-proof-spread edge-proof-phase rate-disagrees numbering-conflict numbering-phase",
    "absent": "edge-ambiguous no-edge no-label receiver-invalid validity-unknown utc-unconfirmed antenna "
    "jamming spoofing pulse-unlocked stamp-uncertain clock-step edge-stale gps-time local-time unstated-time "
    "year-unknown receiver-holdover position numbering-lost standard-unlocked "
    "standard-unknown not-read",
    "alarm": "clock-rate slew-left clock-ahead clock-behind",
    "wait": "locked dwell witnesses reanchor-waits edge-proof-unproven anchor-astray identity leap-second "
    "numbering",
}


def test_each_reason_is_of_its_kind_and_the_rest_are_notes():
    listed = {name: kind for kind, names in KINDS.items() for name in names.split()}
    assert {name: one.kind for name, one in REASONS.items()} == dict.fromkeys(REASONS, "note") | listed


def test_rejections_and_violations_speak_against_the_source_and_nothing_else_does():
    against = {name for name in REASONS if is_rejection(name)}
    assert against == set(f"{KINDS['violation']} {KINDS['reject']}".split())
