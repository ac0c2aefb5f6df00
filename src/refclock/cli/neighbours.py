"""What ``refclock check`` finds in the configurations beside one: each daemon needs its own files."""

from collections.abc import Iterator
from pathlib import Path

from refclock.cli.configfile import read_config
from refclock.errors import ConfigError
from refclock.finding import FAIL, Finding
from refclock.policy import Policy


def neighbours(policy: Policy, config: str) -> Iterator[Finding]:
    """What another configuration of the same directory claims as well. One that cannot be read claims
    nothing: its own check says so."""
    ours, itself = claims(policy), Path(config).absolute()
    for path in sorted(itself.parent.glob("*.toml")):
        if path == itself:
            continue
        try:
            theirs = claims(read_config(str(path))[1])
        except ConfigError:
            continue
        yield from (
            Finding(
                "another receiver",
                f"{path} has the same {key}: {ours[key]}",
                FAIL,
                "give each its own, as `refclock install --name` does",
            )
            for key in ours
            if ours[key] == theirs.get(key)
        )


def claims(policy: Policy) -> dict[str, str]:
    """What a daemon cannot share with another one, by its key in the configuration."""
    found = {
        "receiver.device": policy.receiver.device,
        "shm.unit": policy.shm_unit,
        "sock.path": policy.sock_path,
        "status.socket": policy.status_socket,
        "time.file": policy.time_file,
        "state.file": policy.state_file,
    }
    return {key: str(value) for key, value in found.items() if value not in (None, "")}
