"""The modes, over their whole input product."""

from itertools import product

import pytest

from refclock.core.rules.modes import TABLE, Trigger, after
from refclock.model import Mode

COLD, ACQUIRING, VETTED = Mode.COLD, Mode.ACQUIRING, Mode.VETTED
DEGRADED, HOLDOVER, LOCKED = Mode.DEGRADED, Mode.HOLDOVER, Mode.LOCKED
# Rows: triggers. Columns: cold, acquiring, vetted, degraded, holdover, locked; None: stays.
EXPECTED: dict[Trigger, tuple[Mode | None, ...]] = {
    Trigger.HEARD: (ACQUIRING, None, None, None, None, None),
    Trigger.SILENT: (None, COLD, None, None, None, None),
    Trigger.DWELT: (None, VETTED, None, None, None, None),
    Trigger.WITNESS_LOST: (None, None, DEGRADED, None, None, None),
    Trigger.WITNESS_BACK: (None, None, None, VETTED, None, None),
    Trigger.MISSING: (None, None, HOLDOVER, HOLDOVER, None, None),
    Trigger.RETURNED: (None, None, None, None, VETTED, None),
    Trigger.LATCHED: (None, None, LOCKED, LOCKED, LOCKED, None),
    Trigger.VIOLATION: (None, None, LOCKED, LOCKED, LOCKED, None),
    Trigger.ATTRIBUTED: (None, None, LOCKED, LOCKED, LOCKED, None),
    Trigger.TAMPERED: (LOCKED, LOCKED, LOCKED, LOCKED, LOCKED, None),
    Trigger.REARMED: (None, None, None, None, None, ACQUIRING),
    Trigger.DISRUPTED: (None, None, ACQUIRING, ACQUIRING, ACQUIRING, None),
}


def test_the_expectation_is_complete():
    assert set(EXPECTED) == set(Trigger)


@pytest.mark.parametrize(("mode", "trigger"), list(product(Mode, Trigger)))
def test_every_mode_under_every_trigger(mode, trigger):
    expected = EXPECTED[trigger][list(Mode).index(mode)]
    assert after(mode, trigger) is (mode if expected is None else expected)


def test_only_an_operator_leaves_locked():
    assert {trigger for (mode, trigger) in TABLE if mode is LOCKED} == {Trigger.REARMED}


def test_nothing_leads_to_feeding_but_the_dwell_a_return_or_a_witness():
    feeding = {trigger for (_, trigger), mode in TABLE.items() if mode in (VETTED, DEGRADED)}
    assert feeding == {Trigger.DWELT, Trigger.RETURNED, Trigger.WITNESS_BACK, Trigger.WITNESS_LOST}
