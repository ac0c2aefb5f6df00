"""A whole KDC in a virtual machine, attacked: docs/vm.md says what each scenario shows.

All are played once, in their order, on one machine, whatever order pytest asks for them in: a machine is too
dear to be booted for each. Each test is one scenario's outcome.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from refclock.units import NS_PER_S
from tests.vm import site
from tests.vm.bench import Bench, bench
from tests.vm.image import cache, wheel
from tests.vm.machine import GuestError
from tests.vm.scenarios import SCENARIOS, Scenario

pytestmark = pytest.mark.vm

Say = Callable[[str], None]

_EVIDENCE = {
    "journal.txt": "journalctl -o short-precise --no-pager",
    "status.json": f"refclock status --json --config {site.CONFIG}",
    "chrony.txt": "chronyc -n sources; chronyc -n sourcestats; chronyc tracking; cat /etc/chrony/chrony.conf",
    "capture.jsonl": f"cat {site.CAPTURE}",
    "decisions.jsonl": f"cat {site.DECISIONS}",
}
# Longer than anything in the guest waits for an answer of the host's.
_HELD_UP_S = 0.3
_MAKING = 2  # the first ones, which make the machine
_SERIES = 3  # scenarios that fail one after the other: the machine is beyond help


@pytest.fixture(scope="session")
def outcomes(guest_image, say, request) -> dict[str, str | Exception]:
    """What each scenario that was asked for said, or how it failed; the first two are always played."""
    given = [item.callspec.params.get("one") for item in request.session.items if hasattr(item, "callspec")]
    asked = {one.name for one in given if isinstance(one, Scenario)}
    told: dict[str, str | Exception] = {}
    with tempfile.TemporaryDirectory(prefix="refclock-vm-") as place:
        directory = Path(place)
        with bench(guest_image, directory, wheel(directory)) as machine:
            failed = 0
            for number, scenario in enumerate(SCENARIOS):
                if number >= _MAKING and scenario.name not in asked:
                    continue
                began = time.monotonic()
                try:
                    told[scenario.name] = _play(say, scenario, machine, anew=number >= _MAKING)
                    failed = 0
                except (AssertionError, OSError, RuntimeError) as error:
                    told[scenario.name] = error
                    _keep(say, machine, scenario)
                    failed += 1
                    with suppress(AssertionError, OSError):
                        machine.mend()
                _tell(say, scenario, told[scenario.name], time.monotonic() - began)
                if failed == _SERIES or (failed and number == 0):
                    break
    return told


def _play(say: Say, scenario: Scenario, machine: Bench, *, anew: bool) -> str:
    """Once; a second time where the emulator itself was held up meanwhile, and the guest with it: its edges
    came late, which a lock may have followed. So with ``anew`` all is begun anew before."""
    machine.sound()
    mark = machine.recorder.mark()
    try:
        return scenario.play(machine)
    except AssertionError as error:
        held_s = machine.recorder.held_ns(mark) / NS_PER_S
        if held_s < _HELD_UP_S:
            raise
        told = str(error).partition("\n")[0]
        say(f"     held up for {held_s:.1f} s, so again: {scenario.name}: {told}")
        if anew:
            machine.mend()
        return scenario.play(machine)


def _tell(say: Say, scenario: Scenario, outcome: str | Exception, took_s: float) -> None:
    first = str(outcome).partition("\n")[0]
    word = "FAIL" if isinstance(outcome, Exception) else "ok  "
    say(f"{word} {scenario.name} ({took_s:.0f} s): {first}")


def _keep(say: Say, machine: Bench, scenario: Scenario) -> None:
    """The guest's journal, the capture and what else helps to understand a failure."""
    named = os.environ.get("REFCLOCK_VM_KEEP")
    place = Path(named) if named else cache() / "failures"
    place = place / f"{time.strftime('%Y%m%d-%H%M%S')}-{scenario.name.replace(' ', '-').replace('%', '')}"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(machine.machine.console, place / "console.txt")
    for name, command in _EVIDENCE.items():
        with suppress(GuestError, OSError):
            (place / name).write_text(machine.machine.run(command, check=False).output)
    say(f"     kept: {place}")


def _asked_for(one: Scenario) -> bool:
    """CI has the time for some; `make vm` plays all but the long ones."""
    if one.long:
        return os.environ.get("REFCLOCK_VM_LONG") == "1"
    return one.short or os.environ.get("REFCLOCK_VM") == "all"


@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in SCENARIOS if _asked_for(one)])
def test_scenario(outcomes, one):
    outcome = outcomes.get(one.name)
    assert outcome is not None, "not played: what came before failed too often"
    if isinstance(outcome, Exception):
        raise outcome
