"""gpsd and chrony's own PPS driver beside refclock, by one receiver and under the same attacks: docs/vm.md
has the figures of one run.

    make vm ARGS='-k peers'

Asserted is what makes a comparison of it: that each arrangement keeps the clock right while nobody lies, and
that refclock's does throughout. What becomes of a peer's clock under attack is measured and told.
"""

import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.vm import contest, peers
from tests.vm.bench import TOLERANCE_NS, Bench, bench, check
from tests.vm.contest import ATTACKS, Outcome, Steadiness
from tests.vm.image import wheel
from tests.vm.peers import ARRANGEMENTS, REFCLOCK, Arrangement

pytestmark = pytest.mark.vm

Say = Callable[[str], None]
Told = Outcome | dict[str, Steadiness]

_BESIDE, _UNDISTURBED = "side by side", "undisturbed"
# Each arrangement has its turn.
_TURNS = {
    one: [
        *([_BESIDE] if one is REFCLOCK else []),
        *([_UNDISTURBED, *ATTACKS] if one.servers else contest.ALONE),
    ]
    for one in ARRANGEMENTS
}


@pytest.fixture(scope="session")
def outcomes(guest_image, say, request) -> dict[tuple[str, str], Told | Exception]:
    """What was asked for, played on one machine in its order, whatever order pytest asks for it in."""
    asked = {
        (item.callspec.params["one"].name, item.callspec.params["what"])
        for item in request.session.items
        if "what" in getattr(getattr(item, "callspec", None), "params", {})
    }
    told: dict[tuple[str, str], Told | Exception] = {}
    with tempfile.TemporaryDirectory(prefix="refclock-vm-") as place:
        directory = Path(place)
        with bench(guest_image, directory, wheel(directory), "nmea", peers=True) as machine:
            late_s = peers.install(machine)
            say(f"messages are {late_s:.3f} s late, as chronyd measures it")
            for one, turns in _TURNS.items():
                well = False
                for what in turns:
                    if (one.name, what) in asked:
                        told[one.name, what] = outcome = _play(say, machine, one, what, late_s, well=well)
                        well = not isinstance(outcome, Exception) and not contest.followed(outcome)
    say(contest.table([one.name for one in ARRANGEMENTS], told))
    return told


def _play(
    say: Say, machine: Bench, one: Arrangement, what: str, late_s: float, *, well: bool
) -> Told | Exception:
    """Once; a second time where it failed, for the emulator may be held up. ``well``: what came before has
    left everything as it should be."""
    outcome: Told | Exception = RuntimeError("not played")
    for as_it_is in (well, False):
        began = time.monotonic()
        try:
            machine.sound()
            peers.begin(machine, one, late_s, well=as_it_is)
            outcome = _measure(machine, one, what, late_s)
        except (AssertionError, OSError, RuntimeError) as error:
            outcome = error
        failed = isinstance(outcome, Exception)
        for name, each in outcome.items() if isinstance(outcome, dict) else [("", outcome)]:
            first = str(each).partition("\n")[0]
            say(f"{one.name} | {what} {name} ({time.monotonic() - began:.0f} s) | {'FAIL ' * failed}{first}")
        if not failed:
            break
        if one is REFCLOCK:
            with suppress(AssertionError, OSError):
                machine.mend()
    return outcome


def _measure(machine: Bench, one: Arrangement, what: str, late_s: float) -> Told:
    if what == _BESIDE:
        peers.beside(machine, late_s)
        try:
            return contest.undisturbed(machine, "RCLK", "OWN", "GPSD")
        finally:
            peers.alone(machine)
    if what == _UNDISTURBED:
        return contest.undisturbed(machine, one.source)
    return contest.attacked(machine, one, ATTACKS[what])


@pytest.mark.parametrize(
    ("one", "what"),
    [pytest.param(one, what, id=f"{one.name}: {what}") for one, turns in _TURNS.items() for what in turns],
)
def test_peers(outcomes, one, what):
    outcome = outcomes[one.name, what]
    if isinstance(outcome, Exception):
        raise outcome
    if isinstance(outcome, Outcome):
        assert outcome.readings > 0, "no reading of the guest's clocks"
        if one is REFCLOCK:
            assert outcome.followed_s is None, str(outcome)
        return
    for steady in outcome.values():
        check(steady.seen, bounded=False)
        assert abs(steady.seen.worst_ns) - steady.seen.known_ns <= TOLERANCE_NS, str(steady)
        assert abs(steady.offset_s) < 1e-2, str(steady)
