"""Integer units. Time is nanoseconds, rates are parts in 10**12 (``ppt``); nothing here is ever a float.

A float of seconds since 1970 resolves 238 ns, and its rounding depends on how it was made. Integers
replay bit for bit. Where a product does not divide evenly the caller says which way is the safe one:
a bound is rounded outward (``_up``), a permission inward (``_down``).
"""

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_US = 1_000
PPT_ONE = 1_000_000_000_000
PPT_PER_PPM = 1_000_000
PPT_PER_PPB = 1_000
S_PER_DAY = 86_400
S_PER_WEEK = 604_800

# 1980-01-06T00:00:00Z, the origin of GPS time, in POSIX seconds (IS-GPS-200, 3.3.4).
GPS_EPOCH_S = 315_964_800


def scale_down(duration_ns: int, rate_ppt: int) -> int:
    """``duration * rate`` in ns, rounded towards minus infinity."""
    return duration_ns * rate_ppt // PPT_ONE


def scale_up(duration_ns: int, rate_ppt: int) -> int:
    """``duration * rate`` in ns, rounded towards plus infinity."""
    return -(-duration_ns * rate_ppt // PPT_ONE)


def rate_ppt(numerator_ns: int, denominator_ns: int) -> int:
    """``numerator / denominator`` in ppt, rounded half up; the denominator is positive.

    Raises ZeroDivisionError when the denominator is zero.
    """
    return (2 * numerator_ns * PPT_ONE + denominator_ns) // (2 * denominator_ns)


def nearest_second(instant_ns: int) -> int:
    """The whole second nearest to an instant (half up), in seconds."""
    return (instant_ns + NS_PER_S // 2) // NS_PER_S


def show_ns(value_ns: int) -> str:
    """A duration for people, three significant digits, cut off: ``+3.20 ms``, ``-17.0 us``, ``0 ns``.

    Cut off, so that what falls short of a limit is never shown as the limit; but whole seconds of a
    thousand or more (a date gone wrong) are rounded.
    """
    size = abs(value_ns)
    sign = "-" if value_ns < 0 else "+" if value_ns > 0 else ""
    if size >= 1000 * NS_PER_S:
        return f"{sign}{nearest_second(size)} s"
    return sign + _scaled(size, ((NS_PER_S, "s"), (NS_PER_MS, "ms"), (NS_PER_US, "us"), (1, "ns")))


def show_rate(value_ppt: int) -> str:
    """A rate for people, three significant digits, cut off: ``+8.33 %``, ``-12.3 ppm``, ``0 ppm``."""
    if value_ppt == 0:
        return "0 ppm"
    sign = "-" if value_ppt < 0 else "+"
    units = ((10_000 * PPT_PER_PPM, "%"), (PPT_PER_PPM, "ppm"), (PPT_PER_PPB, "ppb"), (1, "ppt"))
    return sign + _scaled(abs(value_ppt), units)


def show(value: int, unit: str) -> str:
    """A value for people in the unit that a reason names (core.rules.reasons): durations and rates scaled."""
    if unit == "ns":
        return show_ns(value)
    return show_rate(value) if unit == "ppt" else f"{value} {unit}".rstrip()


def show_length(seconds: int) -> str:
    """A length of time for people, in its two largest units: ``3 d 4 h``, ``1 min 1 s``, ``59 s``."""
    units = ((S_PER_DAY, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
    for unit, name, smaller, less in units:
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // smaller} {less}"
    return f"{seconds} s"


def printable(value: object) -> str:
    """A text that came from elsewhere, so that it cannot drive a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(value))


def _scaled(size: int, units: tuple[tuple[int, str], ...]) -> str:
    """A size in the largest unit of which it has a whole one; the last is the least, and written out."""
    for unit, name in units[:-1]:
        if size >= unit:
            whole, rest = divmod(size, unit)
            digits = 3 - len(str(whole))
            shown = f"{whole}.{rest * 10**digits // unit:0{digits}d}" if digits > 0 else str(whole)
            return f"{shown} {name}"
    return f"{size} {units[-1][1]}"
