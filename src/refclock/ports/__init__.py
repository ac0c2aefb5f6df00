"""Ports turn the world into events: one module per kind, none of which decides anything about time."""

from refclock.policy import CESIUM_PORT, COMPANION_PORT, Policy, ReceiverSettings
from refclock.ports.identity import Known
from refclock.ports.ntp import ntp_ports
from refclock.ports.phc import PhcPort
from refclock.ports.port import DevicePort, Port
from refclock.ports.pps import open_pps
from refclock.ports.rtc import RtcPort
from refclock.ports.serialport import SerialPort
from refclock.ports.systemclock import SystemClockPort

__all__ = ["DevicePort", "Port", "ports_of"]


def ports_of(policy: Policy, known: Known | None = None) -> list[Port]:
    """The ports that a policy names, none of them open yet: sys0, gps0, pps0, cs0, rtc0, phc0,
    ntp0, ..., kdc0, ..., chrony0. ``known`` remembers which receiver is behind a line's name."""
    ports: list[Port] = [SystemClockPort("sys0")]
    if policy.receiver.device:
        ports.append(_receiver(policy.receiver, policy.shm_unit, "gps0", known))
    if policy.companion is not None:
        ports.append(_receiver(policy.companion, policy.shm_unit, COMPANION_PORT, known))
    if policy.pps is not None:
        ports.append(open_pps(policy.pps, "pps0"))
    if policy.cesium is not None:
        ports.append(open_pps(policy.cesium, CESIUM_PORT))
    if policy.rtc is not None:
        ports.append(RtcPort(policy.rtc, "rtc0"))
    if policy.phc is not None:
        ports.append(PhcPort(policy.phc, "phc0"))
    ports.extend(ntp_ports(policy.ntp))
    # These two only for those who want them.
    if policy.realm.kdcs:
        from refclock.ports.kdc import kdc_ports  # noqa: PLC0415

        ports.extend(kdc_ports(policy.realm))
    if policy.chrony is not None:
        # What starts its child costs a fifteenth of a start-up.
        from refclock.ports.chronysources import ChronySourcesPort  # noqa: PLC0415

        ports.append(ChronySourcesPort(policy.chrony, "chrony0"))
    return ports


def _receiver(settings: ReceiverSettings, unit: int | None, name: str, known: Known | None) -> Port:
    """A receiver on a line of its own, or one that gpsd owns."""
    if settings.gpsd is None:
        return SerialPort(settings, name, known)
    # Only for those who have one: gpsd-py3 costs 24 ms and 3.6 MB.
    from refclock.ports.gpsd import GpsdPort  # noqa: PLC0415

    return GpsdPort(settings.gpsd, unit, name)
