"""What the benches share: a child's CPU time and peak memory, and a yardstick measured in the same run.

Machines are shared and noisy. Beside every absolute figure stands its ratio to work that does not change:
``LOOP``, a fixed loop over small integers, run by the same interpreter at the same time.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

LOOP = """
total = 0
for number in range(3_000_000):
    total += number & 7
"""
NOTHING = "pass"


@dataclass(frozen=True, slots=True)
class Cost:
    """What a child took: wall and CPU time (user and system), and its greatest resident set."""

    wall_ns: int
    cpu_ns: int
    rss_kib: int

    def least(self, other: "Cost | None") -> "Cost":
        """The best of two runs, figure by figure; of memory the greater."""
        if other is None:
            return self
        return Cost(
            min(self.wall_ns, other.wall_ns),
            min(self.cpu_ns, other.cpu_ns),
            max(self.rss_kib, other.rss_kib),
        )


def cost(command: list[str]) -> Cost:
    """Run a command to its end with its output thrown away. Raises CalledProcessError."""
    began = time.perf_counter_ns()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    wall_ns = time.perf_counter_ns() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise subprocess.CalledProcessError(child.returncode, command)
    cpu_ns = round((used.ru_utime + used.ru_stime) * 1_000_000_000)
    return Cost(wall_ns, cpu_ns, used.ru_maxrss)


def script(code: str, *words: str) -> list[str]:
    """The command that lets this interpreter run a text."""
    return [sys.executable, "-c", code, *words]


def refclock(*words: str) -> list[str]:
    """The command that runs a verb with this interpreter."""
    return [sys.executable, "-m", "refclock", *words]


def best(runs: int, commands: dict[str, list[str]]) -> dict[str, Cost]:
    """The best of so many runs of each, taken in turns, so that a busy minute hits all alike."""
    found: dict[str, Cost] = {}
    for _ in range(runs):
        for name, command in commands.items():
            found[name] = cost(command).least(found.get(name))
    return found
