"""What several verbs share: reading the configuration file, and an argument that counts seconds."""

import argparse
import os
from pathlib import Path

from refclock.bounded import DIRECTORY
from refclock.errors import ConfigError
from refclock.policy import Policy, parse_policy

# One file for each receiver, NAME.toml.
CONFIG_DIRECTORY = "/etc/refclock"
_MAX_SIZE = 1 << 20


def read_config(path: str) -> tuple[str, Policy]:
    """A configuration file's text, and what it says. Raises ConfigError."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MAX_SIZE)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read the configuration: {error.strerror}; name an existing file with --config."
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; TOML is (toml.io).") from None
    return text, parse_policy(text, path)


def usual_path(config: str, suffix: str) -> str:
    """Where the daemon of a configuration NAME.toml keeps what others read: NAME.sock, NAME.time."""
    return f"{DIRECTORY}/{Path(config).stem}.{suffix}"


def whole_seconds(text: str) -> int:
    """argparse's type for a number of seconds, 0 or more."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a whole number of seconds, found {text!r}")
    return int(text)


def config_argument(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """Declare ``--config FILE``."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        required=required,
        help="the configuration, such as /etc/refclock/receiver.toml",
    )


def configs_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare ``--config FILE`` and ``--directory DIR``, of which ``configs_of`` makes a list."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--config", metavar="FILE", help="the configuration")
    where.add_argument(
        "--directory", metavar="DIR", default=CONFIG_DIRECTORY, help=f"every one in it ({CONFIG_DIRECTORY})"
    )


def configs_of(args: argparse.Namespace) -> list[str]:
    """The paths of the configurations that the arguments name. Raises ConfigError where there is none."""
    if args.config:
        return [args.config]
    try:
        names = sorted(name for name in os.listdir(args.directory) if name.endswith(".toml"))
    except OSError as error:
        raise ConfigError(f"{args.directory}: cannot be read: {error.strerror}; see --directory.") from None
    if not names:
        raise ConfigError(f"{args.directory}: no configuration in it; expected a file such as ublox.toml.")
    return [os.path.join(args.directory, name) for name in names]


def seconds_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--seconds N``."""
    parser.add_argument("--seconds", metavar="N", type=whole_seconds, help="end after N seconds (never)")
