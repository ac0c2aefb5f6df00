"""chrony's programs, asked what changes nothing: versions, a configuration, reports."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from refclock.errors import PortError

Version = tuple[int, ...]
# Daemons live in /usr/sbin, which is not on everybody's PATH.
_PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_PATIENCE_S = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """What a program said, and whether it ended well."""

    well: bool
    text: str
    trouble: str


def find(name: str) -> str | None:
    """The path of a program such as chronyd; None where it is not installed."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_PLACES]))


def run(command: Sequence[str]) -> Answer:
    """Run one to its end. Raises PortError where it cannot be run, or does not end within 10 s."""
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, timeout=_PATIENCE_S, stdin=subprocess.DEVNULL,
            env={"LC_ALL": "C", "PATH": os.defpath},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise PortError(
            f"{command[0]}: no answer in {_PATIENCE_S} s; see whether the host is overloaded."
        ) from None
    except OSError as error:
        raise PortError(f"{command[0]}: cannot be run: {error.strerror}.") from None
    text, trouble = (part.decode("utf-8", "replace") for part in (done.stdout, done.stderr))
    return Answer(done.returncode == 0, text, trouble.strip())


def version(chronyd: str) -> Version | None:
    """The installed chronyd's version, such as (4, 3); None where it does not say. Raises PortError."""
    said = run([chronyd, "--version"]).text
    word = next((word for word in said.split() if word[:1].isdigit()), "")
    numbers = tuple(int(part) for part in word.split(".")[:2] if part.isdigit())
    return numbers or None


def written(numbers: Version) -> str:
    """A version as people write it."""
    return ".".join(map(str, numbers))
