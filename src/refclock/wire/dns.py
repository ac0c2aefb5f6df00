"""One question to the DNS (RFC 1035): the SRV records of a name (RFC 2782). No more of it is needed here.

Nobody vouches for an answer. What it names is asked for its time, and judged by that.
"""

from dataclasses import dataclass

_CNAME, _SRV, _IN = 5, 33, 1
_HEADER = 12
_ANSWER, _TRUNCATED, _RECURSION_WANTED = 0x8000, 0x0200, 0x0100
_OPCODE, _RCODE = 0x7800, 0x000F
_POINTER = 0xC0
_LONGEST_LABEL, _LONGEST_NAME, _MOST_LABELS = 63, 253, 127
NO_SUCH_NAME = 3


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """A service's place: the lower ``priority`` is asked first. ``target`` has no dot at its end, and is
    empty where the service is said not to exist (RFC 2782, "Target")."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """An answer to the question: its RCODE (0 is well, 3 is NO_SUCH_NAME), the records, and whether it was
    cut off and is to be asked for over TCP."""

    code: int
    records: tuple[SrvRecord, ...]
    truncated: bool


def encode_query(number: int, name: str) -> bytes | None:
    """The question for a name's SRV records, known by 16 random bits; None for what is no domain name."""
    labels = [label.encode("ascii", "replace") for label in name.removesuffix(".").split(".")]
    fit = all(0 < len(label) <= _LONGEST_LABEL for label in labels)
    if not fit or not name.isascii() or len(name) > _LONGEST_NAME:
        return None
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _u16s(number, _RECURSION_WANTED, 1, 0, 0, 0) + question + _u16s(_SRV, _IN)


def decode_answer(data: bytes, query: bytes) -> DnsAnswer | None:
    """What a name server answers to a query of ``encode_query``; None for anything that answers another,
    or is damaged. Records of other kinds are passed over, and an alias (CNAME) is followed."""
    try:
        return _read(data, query)
    except IndexError:
        return None


def _read(data: bytes, query: bytes) -> DnsAnswer | None:
    """Raises IndexError where the message ends too early."""
    flags, questions, answers = _u16(data, 2), _u16(data, 4), _u16(data, 6)
    if data[:2] != query[:2] or flags & (_ANSWER | _OPCODE) != _ANSWER or questions != 1:
        return None
    name, at = _name(data, _HEADER)
    asked, end = _name(query, _HEADER)
    if name != asked or data[at : at + 4] != query[end:]:
        return None
    names, records, at = {name}, [], at + 4
    for _ in range(answers):
        owner, at = _name(data, at)
        kind, group, size = _u16(data, at), _u16(data, at + 2), _u16(data, at + 8)
        at += 10
        if at + size > len(data):
            raise IndexError
        if owner in names and group == _IN and kind == _CNAME:
            names.add(_name(data, at)[0])
        elif owner in names and group == _IN and kind == _SRV:
            target = _name(data, at + 6)[0]
            records.append(SrvRecord(_u16(data, at), _u16(data, at + 2), _u16(data, at + 4), target))
        at += size
    return DnsAnswer(flags & _RCODE, tuple(records), bool(flags & _TRUNCATED))


def _name(data: bytes, at: int) -> tuple[str, int]:
    """A domain name in lower case, and the offset behind it. Pointers lead back only, so they end.

    Raises IndexError for what is no name.
    """
    labels: list[str] = []
    end = 0
    limit = at
    while (size := data[at]) != 0:
        if size >= _POINTER:
            end = end or at + 2
            at = _u16(data, at) & 0x3FFF
            if at >= limit:
                raise IndexError
            limit = at
            continue
        if size > _LONGEST_LABEL or at + 1 + size > len(data) or len(labels) > _MOST_LABELS:
            raise IndexError
        # What is no host name's character cannot be asked for anyway.
        labels.append(data[at + 1 : at + 1 + size].decode("ascii", "replace").lower())
        at += 1 + size
    name = ".".join(labels)
    if len(name) > _LONGEST_NAME:
        raise IndexError
    return name, end or at + 1


def _u16(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _u16s(*values: int) -> bytes:
    return b"".join(value.to_bytes(2, "big") for value in values)
