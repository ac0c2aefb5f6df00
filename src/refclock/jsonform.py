"""Events and decisions as lines of JSON, and events back from them: the forms other tools rely on.

Integers only; bytes travel as text, each byte as U+0000-U+00FF; keys in a fixed order, so that equal
values are equal bytes.
"""

import json
from collections.abc import Callable, Mapping
from operator import itemgetter

from refclock.errors import CaptureError
from refclock.model import (
    Command,
    Decision,
    Event,
    KdcReply,
    Mark,
    NtpReply,
    PhcReading,
    PortChange,
    PpsEdge,
    Publish,
    RtcTick,
    SerialBytes,
    SerialSent,
    SourceReport,
    SystemClock,
    Tick,
    decision_fields,
)

Fields = dict[str, object]
_ENCODER = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False, allow_nan=False)
_STAMP = ("raw", "real", "unc")
_LIMIT = 1 << 63

# kind: (event class, its JSON keys after the stamp, their types), the keys in the order of the fields.
_PLAIN: dict[str, tuple[type[Event], tuple[str, ...], tuple[type, ...]]] = {
    "rx": (SerialBytes, ("port", "data"), (str, str)),
    "tx": (SerialSent, ("port", "data"), (str, str)),
    "pps": (PpsEdge, ("port", "edge", "seq", "at"), (str, str, int, int)),
    "rtc": (RtcTick, ("port", "rtc_s"), (str, int)),
    "phc": (PhcReading, ("port", "phc"), (str, int)),
    "src": (
        SourceReport,
        ("port", "peer", "offset", "error", "age_s", "auth", "leap", "reach"),
        (str, str, int, int, int, bool, int, int),
    ),
    "sys": (
        SystemClock,
        ("freq_ppb", "tick_us", "status", "maxerror_us", "tai_s", "clocksource", "boot_id"),
        (int, int, int, int, int, str, str),
    ),
    "port": (PortChange, ("port", "up", "reason"), (str, bool, str)),
    "tick": (Tick, (), ()),
    "mark": (Mark, ("text",), (str,)),
}
# The last fields of a kind, integers, which captures from before they were thought of lack.
_LATER: dict[str, tuple[str, ...]] = {"sys": ("suspended_ms", "clock_sets")}
_KIND_OF = {entry[0]: kind for kind, entry in _PLAIN.items()}


def dump(fields: Mapping[str, object]) -> str:
    """One compact line of JSON without its newline."""
    return _ENCODER.encode(fields)


def event_line(event: Event) -> str:
    """An event as its line of a capture, without the newline."""
    fields: Fields = {"k": "", "raw": event.raw_ns, "real": event.real_ns, "unc": event.unc_ns}
    if isinstance(event, SerialBytes | SerialSent):
        fields["k"] = _KIND_OF[type(event)]
        fields["port"] = event.port
        fields["data"] = event.data.decode("latin-1")
    elif isinstance(event, PpsEdge):
        fields["k"] = "pps"
        fields |= {"port": event.port, "edge": event.edge, "seq": event.seq, "at": event.at_ns}
    elif isinstance(event, NtpReply):
        fields["k"] = "ntp"
        fields |= {"port": event.port, "peer": event.peer, "cookie": event.cookie}
        fields |= {"t1": event.t1_raw_ns, "t4": event.t4_raw_ns}
        fields |= _data_or_lost(event.data)
    elif isinstance(event, KdcReply):
        fields["k"] = "kdc"
        fields |= {"port": event.port, "peer": event.peer, "cookie": event.cookie, "over": event.over}
        fields |= {"t1": event.t1_raw_ns, "t4": event.t4_raw_ns}
        fields |= _data_or_lost(event.data)
    elif isinstance(event, Command):
        fields["k"] = "cmd"
        # What a hand-edited memory may carry must not overwrite the stamp.
        fields = {**event.args, **fields, "verb": event.verb}
    else:
        kind = _KIND_OF[type(event)]
        fields["k"] = kind
        # A dataclass's own slots, in order, after the three of the stamp.
        names = _PLAIN[kind][1] + _LATER.get(kind, ())
        for key, name in zip(names, event.__slots__, strict=True):
            value = getattr(event, name)
            if value is not None:
                fields[key] = value
    return _ENCODER.encode(fields)


def _data_or_lost(data: bytes | None) -> Fields:
    return {"lost": True} if data is None else {"data": data.decode("latin-1")}


def _bytes(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise CaptureError("data: expected characters U+0000-U+00FF, one for each byte") from None


class _Shape:
    """The keys that a kind of event must have, with their types; picked and checked in few C calls."""

    def __init__(self, keys: tuple[str, ...], types: tuple[type, ...]) -> None:
        self.keys, self.types = _STAMP + keys, (int, int, int, *types)
        self._pick = itemgetter(*self.keys)
        self._integers = itemgetter(
            *(key for key, kind in zip(self.keys, self.types, strict=True) if kind is int)
        )

    def values(self, fields: Fields) -> list[object]:
        """The values in order. Raises CaptureError for a missing, ill-typed or oversized one."""
        try:
            values = self._pick(fields)
        except KeyError as error:
            raise CaptureError(
                f"no field {error.args[0]!r} in an event of kind {fields.get('k')!r}"
            ) from None
        if tuple(map(type, values)) != self.types:
            for key, value, wanted in zip(self.keys, values, self.types, strict=True):
                if type(value) is not wanted:
                    name = {int: "an integer", str: "a string", bool: "true or false"}[wanted]
                    raise CaptureError(f"{key}: expected {name}, found {value!r:.60}")
        integers = self._integers(fields)
        if max(integers) >= _LIMIT or min(integers) < -_LIMIT:
            raise CaptureError("a number in it does not fit 64 bits")
        if fields["unc"] < 0:  # type: ignore[operator]  # an int: checked above
            raise CaptureError(f"unc: expected a half-width of 0 or more, found {fields['unc']}")
        return list(values)


def _later(fields: Fields, key: str) -> int | None:
    if key not in fields:
        return None
    value = fields[key]
    if type(value) is not int or not -_LIMIT <= value < _LIMIT:
        raise CaptureError(f"{key}: expected an integer of 64 bits, found {value!r:.60}")
    return value


_READ = {kind: (maker, _Shape(keys, types)) for kind, (maker, keys, types) in _PLAIN.items()}
_NTP = _Shape(("port", "peer", "cookie", "t1", "t4"), (str, str, str, int, int))
_KDC = _Shape(("port", "peer", "cookie", "over", "t1", "t4"), (str, str, str, str, int, int))
_DATA = _Shape(("data",), (str,))
_COMMAND = _Shape(("verb",), (str,))


def _ntp(fields: Fields) -> Event:
    return NtpReply(*_NTP.values(fields), _answer(fields))  # type: ignore[call-arg, arg-type]


def _kdc(fields: Fields) -> Event:
    values = _KDC.values(fields)
    if values[6] not in ("udp", "tcp"):
        raise CaptureError(f"over: expected 'udp' or 'tcp', found {values[6]!r:.60}")
    return KdcReply(*values, _answer(fields))  # type: ignore[call-arg, arg-type]


def _answer(fields: Fields) -> bytes | None:
    """The data of a reply; None where it is lost."""
    return None if fields.get("lost") is True else _bytes(str(_DATA.values(fields)[3]))


def _command(fields: Fields) -> Event:
    values = _COMMAND.values(fields)
    rest = {key: value for key, value in fields.items() if key not in ("k", "verb", *_STAMP)}
    return Command(*values, rest)  # type: ignore[call-arg, arg-type]


_SPECIAL: dict[str, Callable[[Fields], Event]] = {"ntp": _ntp, "kdc": _kdc, "cmd": _command}


def parse_event(fields: Fields) -> Event | None:
    """The event of one decoded line; None for a kind that this version does not know.

    Raises CaptureError (without file and line; the reader adds them) for a missing or ill-typed field.
    """
    kind = fields.get("k")
    if not isinstance(kind, str):
        raise CaptureError(f"k: expected the kind of an event, found {kind!r}")
    entry = _READ.get(kind)
    if entry is None:
        special = _SPECIAL.get(kind)
        return special(fields) if special else None
    maker, shape = entry
    values = shape.values(fields)
    if maker is SerialBytes or maker is SerialSent:
        values[4] = _bytes(values[4])  # type: ignore[arg-type]
    elif maker is PpsEdge and values[4] not in ("assert", "clear"):
        raise CaptureError(f"edge: expected 'assert' or 'clear', found {values[4]!r:.60}")
    elif kind in _LATER:
        values += [_later(fields, key) for key in _LATER[kind]]
    return maker(*values)  # type: ignore[arg-type]


def decision_line(decision: Decision) -> str:
    """A decision as its line, without the newline: what the daemon logs and ``replay`` prints."""
    if isinstance(decision, Publish):
        # Nearly all of them, and integers only: the same text at a third of the price.
        return (
            f'{{"d":"publish","raw":{decision.raw_ns},"utc":{decision.utc_ns},"sys":{decision.sys_ns},'
            f'"leap":{decision.leap},"bound":{decision.bound_ns}}}'
        )
    return _ENCODER.encode(decision_fields(decision))
