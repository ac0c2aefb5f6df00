"""The battery clock as a witness. It counts whole seconds and the kernel offers its time as text
(/sys/class/rtc/rtcN/since_epoch), so the instant at which a second begins is found by looking often."""

import errno
import os

from refclock.errors import PortError
from refclock.model import Event, RtcTick
from refclock.policy import RtcSettings
from refclock.ports import stamp
from refclock.ports.port import DevicePort
from refclock.units import NS_PER_MS, NS_PER_S, NS_PER_US

_COARSE_NS = 25 * NS_PER_MS
_FINE_NS = NS_PER_MS
# An RTC that stands still is not worth a percent of the processor.
_STILL_AFTER_NS = 3 * NS_PER_S
_STILL_NS = NS_PER_S // 2
# Looking from this much before a predicted tick, besides what its own uncertainty asks for.
_MARGIN_NS = 2 * NS_PER_MS
# How far RTC and counter may run apart: a crystal at -10 C and an unenrolled counter, both badly off.
_DRIFT_PPM = 250
# Seconds from one reported tick to the next: dense at first, for a date right after boot.
_SPACING_S = (1, 1, 2, 4, 8)
_SPACING_LATER_S = 16
# A look this near the end of a second does not tell whether somebody set the RTC.
_CLEAR_NS = NS_PER_S // 4
# 64-bit text of a time after 1970; a value with more digits is no date.
_DIGITS = 12


class RtcPort(DevicePort):
    """Ticks of ``<device>/since_epoch``, each reported as the midpoint between the last look that saw the
    old second and the first that saw the new one, give or take half that bracket (both readings' own
    duration included).

    A coarse search (every 25 ms) finds the first tick, which is not reported; the next is looked for every
    millisecond in a window around its prediction. A tick that is not in its window, or a count that moves
    by more than one (someone set the RTC, or this process stood still), starts a new search. So that this
    is seen within a second, the RTC is glanced at half-way through each second between the windows.
    """

    def __init__(self, settings: RtcSettings, name: str) -> None:
        super().__init__(name)
        self._path = os.path.join(settings.device, "since_epoch")
        self._old_s = 0  # what the last look saw
        self._old_ns: int | None = None  # raw: when that look began; None: not seen in this window yet
        self._from_ns = 0  # raw: begin of the window
        self._until_ns: int | None = None  # raw: end of the window; None while searching
        self._last = 0, 0  # the last tick: when it was (raw), and what it showed
        self._since_ns = 0  # raw: when the search began
        self._reported = 0  # ticks since the port came up

    def _open(self) -> str:
        before = stamp.raw()
        try:
            self._old_s = self._read()
        except (OSError, ValueError) as error:
            raise _explain(self._path, error) from None
        self._old_ns = before
        self._reported = 0
        self._search(stamp.raw())
        return f"reading {self._path}"

    def _read(self) -> int:
        """The count of seconds. Raises OSError, or ValueError for what is no number.

        Opened anew each time (about 15 us): a regular file that is replaced, as the demo does it, would
        go stale behind an open descriptor. The driver itself takes 40-300 us for a PC's RTC.
        """
        handle = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            text = os.read(handle, 64).strip()
        finally:
            os.close(handle)
        if not text.isdigit() or len(text) > _DIGITS:  # bytes.isdigit knows ASCII digits only
            raise ValueError(f"it says {text[:32]!r}")
        return int(text)

    def _timer(self, raw_ns: int) -> list[Event]:
        before = stamp.raw()
        try:
            seen = self._read()
        except (OSError, ValueError) as error:
            return self._lost(str(_explain(self._path, error)))
        when = stamp.now()
        if when[0] < self._from_ns:
            self._glance(before, when[0], seen)
            return []
        low_ns = self._old_ns
        if seen == self._old_s:
            self._old_ns = before
            self._look_again(when[0])
            return []
        regular, window = seen == self._old_s + 1, self._until_ns is not None
        self._old_s, self._old_ns = seen, before
        if low_ns is None or not regular:
            self._search(when[0])
            return []
        # The bracket: the old second was seen at some instant after ``low_ns``, the new one before ``when``.
        tick_ns, half_ns = (low_ns + when[0]) // 2, (when[0] - low_ns + 1) // 2
        if not window:
            self._predict(tick_ns, half_ns, 1, when[0])
            return []
        spacing = _SPACING_S[self._reported] if self._reported < len(_SPACING_S) else _SPACING_LATER_S
        self._reported += 1
        self._predict(tick_ns, half_ns, spacing, when[0])
        # REALTIME at the tick: the two clocks do not part by a nanosecond over so short a bracket, save by
        # a step, and a stepped clock is the core's to notice.
        real_ns = when[1] - (when[0] - tick_ns)
        return [RtcTick(tick_ns, real_ns, half_ns + when[2], port=self.name, rtc_s=seen)]

    def _predict(self, tick_ns: int, half_ns: int, spacing_s: int, now_ns: int) -> None:
        """Open a window around the tick ``spacing_s`` after this one. Its first look must find the second
        before that tick, or the tick was missed."""
        width_ns = half_ns + _MARGIN_NS + spacing_s * _DRIFT_PPM * NS_PER_US
        due_ns = tick_ns + spacing_s * NS_PER_S
        self._from_ns, self._until_ns = due_ns - width_ns, due_ns + width_ns
        self._last = tick_ns, self._old_s
        self._wait(now_ns)
        self._old_s, self._old_ns = self._old_s + spacing_s - 1, None

    def _wait(self, now_ns: int) -> None:
        """For the middle of the next second, or for the window."""
        next_ns = now_ns + NS_PER_S - (now_ns - self._last[0] - NS_PER_S // 2) % NS_PER_S
        self._wake_ns = max(min(next_ns, self._from_ns), now_ns + _FINE_NS)

    def _glance(self, before_ns: int, after_ns: int, seen: int) -> None:
        """A look before the window: one that shows another second than it should starts a new search."""
        passed_s, rest_ns = divmod(before_ns - self._last[0], NS_PER_S)
        clear = _CLEAR_NS <= rest_ns <= NS_PER_S - _CLEAR_NS - (after_ns - before_ns)
        if clear and seen != self._last[1] + passed_s:
            self._old_s, self._old_ns = seen, before_ns
            self._search(after_ns)
        else:
            self._wait(after_ns)

    def _look_again(self, now_ns: int) -> None:
        if self._until_ns is None:
            slow = now_ns - self._since_ns > _STILL_AFTER_NS
            self._wake_ns = now_ns + (_STILL_NS if slow else _COARSE_NS)
        elif now_ns < self._until_ns:
            self._wake_ns = now_ns + _FINE_NS
        else:  # no tick where one was due
            self._search(now_ns)

    def _search(self, now_ns: int) -> None:
        self._from_ns, self._until_ns, self._since_ns = 0, None, now_ns
        self._wake_ns = now_ns + _COARSE_NS


def _explain(path: str, error: OSError | ValueError) -> PortError:
    if isinstance(error, ValueError):
        return PortError(f"{path}: {error}, expected seconds since 1970; set rtc.device to an RTC.")
    if error.errno == errno.EINVAL:
        return PortError(
            f"{path}: the RTC holds no valid date (empty battery?); change the battery, set it with "
            "hwclock, or remove [rtc] from the configuration."
        )
    if error.errno in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        return PortError(
            f"{path}: no such RTC; set rtc.device to one of /sys/class/rtc/rtc*, or remove [rtc] from the "
            "configuration."
        )
    return PortError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}; see rtc.device.")
