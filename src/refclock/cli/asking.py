"""Ports that answer only after a while, asked once for `refclock check`."""

import select

from refclock.errors import PortError
from refclock.finding import FAIL, WARN, Finding
from refclock.model import Event, PortChange, SourceReport
from refclock.ports import Port, stamp
from refclock.units import NS_PER_S

_PATIENCE_NS = 16 * NS_PER_S


def _listen(port: Port, enough: int) -> tuple[list[SourceReport], list[PortChange]]:
    """What a port that was opened tells, until it reports, goes down, or told ``enough`` of itself."""
    reports: list[SourceReport] = []
    changes: list[PortChange] = []
    end = stamp.raw() + _PATIENCE_NS
    while not reports and not any(not one.up for one in changes) and len(changes) < enough:
        if stamp.raw() >= end:
            break
        select.select([] if port.fd is None else [port.fd], [], [], 0.01)
        events: list[Event] = [*port.on_ready(), *port.on_timer(stamp.raw())]
        reports += [one for one in events if isinstance(one, SourceReport)]
        changes += [one for one in events if isinstance(one, PortChange)]
    return reports, changes


def chrony_sources(port: Port) -> Finding:
    """One round of chronyc."""
    what = "chrony's sources"
    try:
        opened = [one.reason for one in port.open() if isinstance(one, PortChange)]
        reports, changes = _listen(port, 1)
    except PortError as error:
        return Finding(what, str(error), FAIL)
    finally:
        port.close()
    if changes:
        return Finding(what, changes[-1].reason, WARN)
    heard = ", ".join(one.peer for one in reports)
    return Finding(what, f"authenticated: {heard}" if heard else opened[0])


def gpsd(port: Port) -> Finding:
    """A gpsd: that it greets, watches our device, and what it says of the fix."""
    try:
        port.open()
        _, changes = _listen(port, 2)
    except PortError as error:
        return Finding("receiver", str(error), FAIL)
    finally:
        port.close()
    for one in changes:
        if not one.up:
            return Finding("receiver", one.reason, FAIL)
    if not changes:
        return Finding("receiver", "gpsd does not answer in 16 s", FAIL, "see whether it runs")
    return Finding("receiver", "; ".join(one.reason for one in changes))
