"""What `refclock check` and `refclock doctor` find: the form of it."""

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, how it is judged (OK, WARN, FAIL), and how to mend it.

    ``clause`` holds the numbers of docs/requirements.md that ask for it. ``known`` is false where it could
    not be looked at, so that nothing is proven either way.
    """

    what: str
    found: str
    verdict: str = OK
    mend: str = ""
    clause: str = ""
    known: bool = True
