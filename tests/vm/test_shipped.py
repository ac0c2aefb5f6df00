"""The shipped chrony.conf of each profile, with a real chronyd that steers a virtual machine's clock:
whatever its reference clocks say, the clock is never stepped, and runs within the rate that the doctor's
rule adds up.

They lie by up to a second, which is followed (that much `maxchange` lets pass), and by far more, which is
not; and there is a leap second. Debian's own configuration steps in each case: the same instruments see
that.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from refclock.chrony.shipped import RATES, Present, complete
from refclock.policy import HARD_CAPS_PPT, PROFILES
from refclock.units import NS_PER_MS, NS_PER_S, PPT_PER_PPM
from tests.vm.image import Image
from tests.vm.machine import Machine

pytestmark = pytest.mark.vm

# Two of refclock's, as of two receivers: the shipped file wants two sources that agree.
SOCKETS = ("/run/chrony.refclock.a.sock", "/run/chrony.refclock.b.sock")
_SCRIPT, _CONF = "/root/steering.py", "/etc/chrony/chrony.conf"
# The last midnight that a leap second came before: 2017-01-01.
MIDNIGHT_S = 1_483_228_800
PPB = 1000
# `make test` plays the KDC's alone.
PLAYED = PROFILES if os.environ.get("REFCLOCK_VM") == "all" else ("kdc",)
DEBIAN = """\
refclock SOCK {} refid A poll 0 dpoll -2 filter 2
refclock SOCK {} refid B poll 0 dpoll -2 filter 2
makestep 1 3
rtcsync
maxupdateskew 100.0
leapsectz right/UTC
"""


@dataclass(frozen=True)
class Steered:
    """What steering.py saw: rates in ppb, a jump beyond what rates allow and a step back in ns."""

    fastest_ppb: int
    slowest_ppb: int
    shown_ppb: int
    jump_ns: int
    back_ns: int


@pytest.fixture(scope="module")
def machine(guest_image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with Machine(guest_image, tmp_path_factory.mktemp("vm"), {}, {}) as running:
        running.put(_SCRIPT, (Path(__file__).parent / "steering.py").read_bytes())
        yield running


def steer(machine: Machine, text: str, allowed_ppm: int, plan: list[list[int]], seconds: int) -> Steered:
    """A fresh chronyd with that configuration, fed by the plan; or a leap second, where there is no plan."""
    machine.run("systemctl stop chrony; rm -f /var/lib/chrony/chrony.drift")
    if not plan:  # a machine of its own: its clock may be set
        machine.run(f"date -u -s @{MIDNIGHT_S - 25}")
    machine.put(_CONF, text)
    machine.run("systemctl start chrony")
    wanted = {
        "sockets": SOCKETS, "seconds": seconds, "plan": plan, "allowed_ppb": allowed_ppm * PPB,
        "midnight": None if plan else MIDNIGHT_S,
    }  # fmt: skip
    done = machine.run(f"python3 {_SCRIPT} '{json.dumps(wanted)}'", timeout_s=seconds + 120)
    return Steered(**json.loads(done.output.strip().splitlines()[-1]))


def shipped(profile: str) -> str:
    """The shipped file for two receivers. Only its polls are made faster, for a test's patience: they have
    no part in the bound."""
    text = complete(profile, Present(ways=SOCKETS))
    faster, found = re.subn("poll 4 filter 16", "poll 0 dpoll -2 filter 2", text)
    assert found == len(SOCKETS)
    return faster


# Seconds from the start on, and how far ahead the reference clocks are from then on (ns).
LIES = [[8, 700 * NS_PER_MS], [28, 0], [46, 20 * NS_PER_S], [52, -3600 * NS_PER_S]]


@pytest.mark.parametrize("profile", PLAYED)
def test_lies_are_slewed_within_the_bound_or_ignored(machine, profile):
    rates = RATES[profile]
    bound_ppm = rates.maxdrift + rates.maxslewrate + 10
    seen = steer(machine, shipped(profile), bound_ppm, LIES, 58)
    assert seen.back_ns == 0
    assert seen.jump_ns <= NS_PER_MS
    for rate_ppb in (seen.fastest_ppb, -seen.slowest_ppb, seen.shown_ppb):
        assert rate_ppb <= bound_ppm * PPB <= HARD_CAPS_PPT[profile] // PPT_PER_PPM * PPB
    # It did all that it was let: else nothing was tried.
    assert seen.fastest_ppb >= rates.maxslewrate * PPB * 9 // 10
    assert -seen.slowest_ppb >= rates.maxslewrate * PPB * 9 // 10


@pytest.mark.parametrize("profile", PLAYED)
def test_a_leap_second_is_slewed(machine, profile):
    rates = RATES[profile]
    seen = steer(machine, shipped(profile), rates.maxdrift + rates.maxslewrate + 10, [], 50)
    assert seen.back_ns == 0
    assert seen.jump_ns <= NS_PER_MS
    assert -seen.slowest_ppb >= rates.maxslewrate * PPB * 9 // 10


def test_debian_s_own_configuration_steps(machine):
    seen = steer(machine, DEBIAN.format(*SOCKETS), 100_000, [[0, 5 * NS_PER_S]], 20)
    assert seen.jump_ns > NS_PER_S
    if PLAYED == PROFILES:
        seen = steer(machine, DEBIAN.format(*SOCKETS), 100_000, [], 50)
        assert seen.back_ns > NS_PER_S // 2
