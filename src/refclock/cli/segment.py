"""``refclock segment``: make chrony's shared memory as root, and give it to the daemon's user."""

import argparse
import pwd

from refclock.cli.configfile import configs_arguments, configs_of, read_config
from refclock.errors import ConfigError
from refclock.sinks.segment import give

EXAMPLE = "refclock segment --user refclock"


def arguments(parser: argparse.ArgumentParser) -> None:
    """The verb's arguments."""
    parser.add_argument("--user", metavar="NAME", default="refclock", help="whose it is to be (refclock)")
    configs_arguments(parser)


def main(args: argparse.Namespace) -> int:
    """Make the segment of each configuration that names one; those that are there and fit stay."""
    try:
        uid = pwd.getpwnam(args.user).pw_uid
    except KeyError:
        raise ConfigError(
            f"--user {args.user}: no such user; make it with `systemd-sysusers`, or name another."
        ) from None
    for path in configs_of(args):
        unit = read_config(path)[1].shm_unit
        if unit is None:
            print(f"{path}: no [shm] unit, nothing to make")
        else:
            print(f"{path}: SHM unit {unit}: {give(unit, uid)}")
    return 0
