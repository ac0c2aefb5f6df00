"""The modes, as one transition table (docs/vetting.md, "Modes").

cold: nothing heard. acquiring: heard, not yet trusted. vetted: feeding, every witness needed agrees.
degraded: feeding, a witness is lost. holdover: not feeding, the bound grows. locked: not feeding until
an operator rearms. A pair of mode and trigger that is not listed changes nothing.
"""

from enum import Enum

from refclock.model import Mode


class Trigger(Enum):
    """What can move the mode."""

    HEARD = "the receiver was heard"
    SILENT = "the receiver fell silent before it was trusted"
    DWELT = "agreement lasted long enough"
    WITNESS_LOST = "too few witnesses agree"
    WITNESS_BACK = "enough witnesses agree again"
    MISSING = "no acceptable second for too long"
    RETURNED = "an acceptable second came back"
    LATCHED = "the rejection lasted too long, or came too often"
    VIOLATION = "a wrong date or numbering was repeated"
    ATTRIBUTED = "the receiver was found to be wrong"
    TAMPERED = "the remembered state was tampered with, or holds a lock"
    REARMED = "an operator rearmed"
    DISRUPTED = "the raw counter lost its continuity"


_FEEDING = (Mode.VETTED, Mode.DEGRADED)
_TRUSTED = (*_FEEDING, Mode.HOLDOVER)

TABLE: dict[tuple[Mode, Trigger], Mode] = {
    (Mode.COLD, Trigger.HEARD): Mode.ACQUIRING,
    (Mode.ACQUIRING, Trigger.SILENT): Mode.COLD,
    (Mode.ACQUIRING, Trigger.DWELT): Mode.VETTED,
    (Mode.VETTED, Trigger.WITNESS_LOST): Mode.DEGRADED,
    (Mode.DEGRADED, Trigger.WITNESS_BACK): Mode.VETTED,
    (Mode.HOLDOVER, Trigger.RETURNED): Mode.VETTED,
    (Mode.LOCKED, Trigger.REARMED): Mode.ACQUIRING,
    **{(mode, Trigger.MISSING): Mode.HOLDOVER for mode in _FEEDING},
    **{(mode, Trigger.LATCHED): Mode.LOCKED for mode in _TRUSTED},
    **{(mode, Trigger.VIOLATION): Mode.LOCKED for mode in _TRUSTED},
    **{(mode, Trigger.ATTRIBUTED): Mode.LOCKED for mode in _TRUSTED},
    **{(mode, Trigger.TAMPERED): Mode.LOCKED for mode in Mode if mode is not Mode.LOCKED},
    **{(mode, Trigger.DISRUPTED): Mode.ACQUIRING for mode in _TRUSTED},
}


def after(mode: Mode, trigger: Trigger) -> Mode:
    """The mode that a trigger leads to; the same mode where the table has no entry."""
    return TABLE.get((mode, trigger), mode)
