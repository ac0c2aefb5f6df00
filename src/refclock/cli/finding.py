"""What ``refclock check`` finds: the form of it."""

from dataclasses import dataclass

OK, WARN, FAIL = "ok", "warn", "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, what was found, how it is judged (OK, WARN, FAIL), and how to mend it."""

    what: str
    found: str
    verdict: str = OK
    mend: str = ""
