"""Limits never change by themselves: a policy that loosens one is held back until it is confirmed.

What was last in force is remembered as ``{"profile": …, "limits": {key: value}}``, the values in the units
of their keys. A tighter limit comes into force at once; a looser one waits for ``refclock confirm``. This
is beside [loosened], which is about the profile's own defaults.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from refclock.policy.limits import HARD_CAPS_PPT, PROFILES, profile_limits
from refclock.policy.settings import Policy
from refclock.policy.table import LIMIT_ROWS, LimitRow

Table = dict[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """A limit (or "profile") that differs from what was last in force. ``held`` says that the old value
    stays in force: the new one is looser, or, for a profile, cannot be compared."""

    key: str
    old: int | str
    new: int | str
    held: bool

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


def limit_table(policy: Policy) -> Table:
    """A policy's profile and limits, as they are remembered."""
    limits = {row.key: getattr(policy.limits, row.field) // row.scale for row in LIMIT_ROWS}
    return {"profile": policy.profile, "limits": limits}


def default_table(profile: str) -> Table:
    """The same of a profile's defaults: what is confirmed where the memory of it was lost."""
    limits = profile_limits(profile)
    return {
        "profile": profile,
        "limits": {row.key: getattr(limits, row.field) // row.scale for row in LIMIT_ROWS},
    }


def remembered(table: Mapping[str, object]) -> dict[str, int]:
    """The limits of a table that can be used: known keys, values within their range."""
    limits = table.get("limits")
    if not isinstance(limits, dict):
        return {}
    rows = {row.key: row for row in LIMIT_ROWS}
    return {
        key: value
        for key, value in limits.items()
        if key in rows and type(value) is int and rows[key].low <= value <= rows[key].high
    }


def looser(row: LimitRow, value: int, than: int) -> bool:
    """True when a value of a limit is looser than another."""
    return value > than if row.tighter == "lower" else value < than


def compare(policy: Policy, before: Mapping[str, object]) -> list[Change]:
    """What a configuration would change in what was last in force. A limit that is not remembered (it is
    newer than the memory) is taken as the configuration has it."""
    changes: list[Change] = []
    profile, limits = before.get("profile"), remembered(before)
    if profile in PROFILES and profile != policy.profile:
        changes.append(Change("profile", str(profile), policy.profile, held=True))
    for row in LIMIT_ROWS:
        old, new = limits.get(row.key), getattr(policy.limits, row.field) // row.scale
        if old is not None and old != new:
            changes.append(Change(row.key, old, new, held=looser(row, new, old)))
    return changes


def override(policy: Policy, table: Mapping[str, object]) -> Policy:
    """The policy with a remembered profile and limits in place of its own. Unusable parts are left out."""
    profile, limits = table.get("profile"), remembered(table)
    if isinstance(profile, str) and profile in PROFILES:
        cap = min(policy.hard_cap_ppt, HARD_CAPS_PPT[profile])
        policy = replace(policy, profile=profile, hard_cap_ppt=cap)
    changed = {row.field: limits[row.key] * row.scale for row in LIMIT_ROWS if row.key in limits}
    # What is held back is not in force, and not to be announced as if it were.
    stated = tuple(one for one in policy.loosened if limits.get(one.key, one.chosen) == one.chosen)
    return replace(policy, limits=replace(policy.limits, **changed), loosened=stated)


def held_back(changes: list[Change]) -> Table:
    """The part of what was last in force that stays so, in the form that ``override`` takes."""
    kept = {change.key: change.old for change in changes if change.held}
    profile = kept.pop("profile", None)
    return ({} if profile is None else {"profile": profile}) | ({"limits": kept} if kept else {})
