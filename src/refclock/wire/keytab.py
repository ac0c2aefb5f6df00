"""MIT's keytab file, version 0x0502: whose keys lie in it (krb5's doc/formats/keytab_file_format.rst).

Two bytes 5 and 2, then records, all numbers with the high byte first. A record is a signed 32-bit length and
so many bytes: a key where it is positive, a hole where a key was removed if it is negative, the end if it is
0. A key may be smaller than its record. Heimdal, and MIT since 1.14, put a key version of 32 bits behind the
key where four bytes are left, because the first one has 8.
"""

from dataclasses import dataclass, field

_VERSION_2, _VERSION_1 = b"\x05\x02", b"\x05\x01"
_MOST_COMPONENTS = 64
# What krb5_unparse_name(3) puts a backslash before.
_QUOTED = str.maketrans(
    {"\\": "\\\\", "/": "\\/", "@": "\\@", "\n": "\\n", "\t": "\\t", "\b": "\\b", "\0": "\\0"}
)


class DamagedKeytabError(ValueError):
    """No keytab of this version, or damaged; the text says what, and at which byte."""


@dataclass(frozen=True, slots=True)
class KeytabEntry:
    """One key: ``principal`` as krb5_unparse_name(3) writes it (what is no UTF-8 in it as U+FFFD), its
    version, its encryption type (RFC 3961), when it was written (POSIX s), and the key itself."""

    principal: str
    kvno: int
    enctype: int
    written_s: int
    key: bytes = field(repr=False)


def decode(data: bytes) -> list[KeytabEntry]:
    """The keys of a file, in its order. Raises DamagedKeytabError."""
    if data[:2] == _VERSION_1:
        raise DamagedKeytabError(
            "it is of version 1, whose numbers are in its maker's byte order; rewrite it with ktutil"
        )
    if data[:2] != _VERSION_2:
        raise DamagedKeytabError("it does not begin with the bytes 05 02: no keytab")
    entries, at = [], 2
    while at < len(data):
        size = int.from_bytes(_cut(data, at, 4), signed=True)
        at += 4
        if size == 0:
            break
        record = _cut(data, at, abs(size))
        if size > 0:
            entries.append(_entry(record, at))
        at += abs(size)
    return entries


def _entry(record: bytes, offset: int) -> KeytabEntry:
    reader = _Reader(record, offset)
    count = reader.number(2)
    if not 0 < count <= _MOST_COMPONENTS:
        raise DamagedKeytabError(f"byte {offset}: a principal of {count} components")
    realm = reader.text()
    name = "/".join(reader.text() for _ in range(count))
    reader.number(4)  # the kind of name, which says nothing about the key
    written_s, kvno, enctype = reader.number(4), reader.number(1), reader.number(2)
    key = reader.counted()
    if reader.left >= 4:
        kvno = reader.number(4) or kvno
    return KeytabEntry(f"{name}@{realm}", kvno, enctype, written_s, key)


class _Reader:
    """Takes one field after the other. Raises DamagedKeytabError where the record ends too early."""

    def __init__(self, record: bytes, offset: int) -> None:
        self._record, self._offset, self._at = record, offset, 0

    @property
    def left(self) -> int:
        return len(self._record) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left:
            raise DamagedKeytabError(
                f"byte {self._offset + self._at}: a field of {size} bytes where {self.left} are left"
            )
        self._at += size
        return self._record[self._at - size : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def counted(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return self.counted().decode("utf-8", "replace").translate(_QUOTED)


def _cut(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise DamagedKeytabError(f"byte {at}: {size} bytes are announced where {len(data) - at} are left")
    return data[at : at + size]
