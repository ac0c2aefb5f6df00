"""As much of ASN.1's distinguished encoding (ITU-T X.690) as a Kerberos message needs, and no more.

Written with the shortest lengths, as DER wants it. Read a little wider: a length may be longer than it
need be, as BER allows, because there are KDCs that write such; an indefinite one, a tag of several bytes
and anything that reaches beyond what contains it is refused.
"""

from typing import Self

INTEGER, BIT_STRING, OCTET_STRING, SEQUENCE = 0x02, 0x03, 0x04, 0x30
GENERALIZED_TIME, GENERAL_STRING = 0x18, 0x1B
_CONTEXT, _APPLICATION = 0xA0, 0x60
_LONG, _LONGEST_LENGTH = 0x80, 4
_MANY_BYTES = 0x1F
_LONGEST_INTEGER = 8


def context(number: int) -> int:
    """The tag of ``[number]``, explicit; 0 to 30."""
    return _CONTEXT | number


def application(number: int) -> int:
    """The tag of ``[APPLICATION number]``; 0 to 30."""
    return _APPLICATION | number


def element(tag: int, *contents: bytes) -> bytes:
    """Tag, length and contents."""
    content = b"".join(contents)
    size = len(content)
    if size < _LONG:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG | len(length)]) + length + content


def integer(value: int) -> bytes:
    """An INTEGER in as few bytes as it takes."""
    # The bits that are needed beside the sign: one less for -128 than for 128.
    bits = (value if value >= 0 else ~value).bit_length()
    return element(INTEGER, value.to_bytes(bits // 8 + 1, "big", signed=True))


class MalformedError(Exception):
    """Raised by Reader, and caught by the codec that uses it: at ``offset`` the bytes are not what they
    should be."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Reader:
    """Reads the elements between two offsets of a message, one after the other. Every method that reads
    raises MalformedError where what it wants is not there."""

    def __init__(self, data: bytes, start: int = 0, end: int | None = None) -> None:
        self._data = data
        self._at = start
        self._end = len(data) if end is None else end

    @property
    def offset(self) -> int:
        """Where the next element begins."""
        return self._at

    def next_tag(self) -> int | None:
        """The tag of the next element; None at the end."""
        return self._data[self._at] if self._at < self._end else None

    def enter(self, tag: int) -> Self:
        """A reader of the contents of the next element, which must have this tag; it is passed over here."""
        begin = self._at
        if self.next_tag() != tag or tag & _MANY_BYTES == _MANY_BYTES:
            raise MalformedError(begin)
        size, start = self._length(begin + 1)
        if size > self._end - start:
            raise MalformedError(begin)
        self._at = start + size
        return type(self)(self._data, start, self._at)

    def _length(self, at: int) -> tuple[int, int]:
        """The length that stands at an offset, and the offset behind it."""
        if at >= self._end:
            raise MalformedError(at)
        first = self._data[at]
        if first < _LONG:
            return first, at + 1
        count = first - _LONG
        if not 1 <= count <= min(_LONGEST_LENGTH, self._end - at - 1):
            raise MalformedError(at)
        return int.from_bytes(self._data[at + 1 : at + 1 + count], "big"), at + 1 + count

    def content(self, tag: int) -> bytes:
        """The contents of the next element as they are."""
        inner = self.enter(tag)
        return self._data[inner._at : inner._end]

    def integer(self) -> int:
        """An INTEGER of up to 64 bits."""
        begin, content = self._at, self.content(INTEGER)
        if not 1 <= len(content) <= _LONGEST_INTEGER:
            raise MalformedError(begin)
        return int.from_bytes(content, "big", signed=True)

    def finish(self) -> None:
        """Nothing may be left."""
        if self._at != self._end:
            raise MalformedError(self._at)
