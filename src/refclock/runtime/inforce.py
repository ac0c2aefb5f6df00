"""Which limits are in force: the configuration's, but for those that it loosens without confirmation."""

from collections.abc import Callable

from refclock.policy import Policy, compare, default_table, held_back, limit_table, override
from refclock.policy.confirmed import Table
from refclock.runtime.seal import digest
from refclock.runtime.statefile import StateFile
from refclock.sinks.journal import NOTICE, WARNING


def in_force(policy: Policy, state: StateFile, log: Callable[[int, str], None]) -> tuple[Policy, Table]:
    """The policy to run with, and the part of the former one that stays in force (for the capture's header).

    ``state`` must have been loaded. It is told what is in force now; every difference is logged with its
    old and new value. After tampering nothing is known to be confirmed but the profile's own defaults.
    """
    before = default_table(policy.profile) if state.tampered else state.confirmed
    changes = [] if before is None else compare(policy, before)
    for change in changes:
        if change.held:
            log(
                WARNING,
                f"held back: {change} is {'another profile' if change.key == 'profile' else 'looser'}; "
                f"{change.old} stays in force until `refclock confirm`",
            )
        else:
            log(NOTICE, f"tightened: {change}")
    kept = held_back(changes)
    effective = override(policy, kept) if kept else policy
    mark = digest(repr(effective))
    if before is not None and not changes and before.get("digest") not in (None, mark):
        log(NOTICE, "the configuration (not its limits) differs from the last start's")
    state.confirmed = {**limit_table(effective), "digest": mark}
    return effective, kept
