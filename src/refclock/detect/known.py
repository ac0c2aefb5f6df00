"""USB ids, as vendor:product in hexadecimal: which name a receiver, and which front any device."""

# What a receiver of these ids speaks on USB. udev/70-refclock.rules names the same ids.
_UBLOX = ("01a5", "01a6", "01a7", "01a8", "01a9", "01ab", "0502", "0506", "050c", "050d")
SPECIFIC = {
    **{f"1546:{product}": "ubx" for product in _UBLOX},
    "0e8d:3329": "nmea",
    "091e:0003": "garmin",
}

# Bridges from USB to a serial line: FTDI, Prolific, Silicon Labs CP210x, WCH. They say nothing of what is on
# the line, so none is acted on without the operator's enrolment.
GENERIC = frozenset(
    f"{vendor}:{product}"
    for vendor, products in {
        "0403": ("6001", "6010", "6011", "6014", "6015"),
        "067b": ("2303", "23a3"),
        "10c4": ("ea60", "ea70", "ea71"),
        "1a86": ("7523", "55d4"),
    }.items()
    for product in products
)
