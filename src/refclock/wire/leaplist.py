"""The leap-second list that IERS and NIST publish (leap-seconds.list)."""

from refclock.wire.sntp import NTP_TO_POSIX_S

Table = dict[str, object]


def parse_leap_list(text: str) -> Table:
    """The arguments of a ``leap-table`` command: ``expires_s`` (POSIX seconds) and ``steps``, pairs of
    POSIX second and TAI - UTC (s) from then on.

    Format: ``#@ S`` holds the expiry and each other line ``S OFFSET``, S in NTP seconds since 1900 and
    without era (the file's own comments; RFC 5905's epoch). Raises ValueError naming the line.
    """
    expires_s: int | None = None
    steps: list[list[int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        fields, is_expiry = line.split("#", 1)[0].split(), line.startswith("#@")
        if is_expiry:
            fields = line[2:].split()[:1]
        if not fields:
            continue
        if not all(field.isascii() and field.isdigit() for field in fields[:2]):
            raise ValueError(f"line {number}: expected numbers, found {line[:40]!r}")
        second = int(fields[0]) - NTP_TO_POSIX_S
        if is_expiry:
            expires_s = second
            continue
        if len(fields) != 2:
            raise ValueError(f"line {number}: expected a second and TAI-UTC, found {line[:40]!r}")
        offset = int(fields[1])
        if steps and (second <= steps[-1][0] or abs(offset - steps[-1][1]) != 1):
            raise ValueError(f"line {number}: expected a later second and a change by 1, found {line[:40]!r}")
        steps.append([second, offset])
    if expires_s is None:
        raise ValueError("no line '#@ SECOND' that says when it expires")
    if not steps:
        raise ValueError("no leap seconds in it")
    return {"expires_s": expires_s, "steps": steps}
