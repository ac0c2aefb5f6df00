"""``refclock confirm``: put limits in force that a configuration loosens."""

import argparse
import os

from refclock.cli.configfile import config_argument, read_config
from refclock.cli.operator import agreed, row, runs, tell, yes_argument
from refclock.errors import ConfigError
from refclock.policy import Change, Policy, compare, default_table, limit_table
from refclock.runtime import StateFile
from refclock.sinks.journal import Journal

EXAMPLE = "refclock confirm --config /etc/refclock/receiver.toml"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    config_argument(parser)
    yes_argument(parser)


def main(args: argparse.Namespace) -> int:
    """Print old and new values, ask, confirm; 1 when that was refused or not agreed to."""
    policy = read_config(args.config)[1]
    if policy.state_file is None:
        raise ConfigError(f"{args.config}: has no [state] file, so nothing is remembered or held back.")
    state = StateFile(policy.state_file, Journal().log)
    live = runs(policy)
    try:
        if not live and os.path.lexists(f"{state.path}.key"):
            state.hold()
        return _confirm(policy, state, live, args.yes)
    finally:
        state.release()


def _confirm(policy: Policy, state: StateFile, live: bool, yes: bool) -> int:
    memory = state.load()
    before = default_table(policy.profile) if state.tampered else state.confirmed
    if before is None:
        print("Nothing to confirm: no daemon has run with this state file yet.")
        return 0
    changes = compare(policy, before)
    if not changes:
        print("Nothing to confirm: the limits are those that were last in force.")
        return 0
    print("\n".join(table(changes)))
    if not agreed(yes, "Put them in force?"):
        return 1
    if live:
        return tell(str(policy.status_socket), {"verb": "confirm", **limit_table(policy)})
    state.confirmed = limit_table(policy)
    # What was found to be tampered with is part of the memory now, and locks at the next start.
    if not state.save(memory or {}):
        return 1
    print("Confirmed; in force from the next start on.")
    return 0


def table(changes: list[Change]) -> list[str]:
    """Each change on a line: old value, new value, and what it is."""
    return [row(f"{one.key}", f"{one.old} -> {one.new}{' (looser)' * one.held}", 24) for one in changes]
