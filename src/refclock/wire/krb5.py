"""Asking a Kerberos KDC for its time, and reading the answer (RFC 4120).

The question is an AS-REQ without pre-authentication for a client that does not exist (section 5.4.1). Every
KDC refuses it with a KRB-ERROR (section 5.9.1), and that carries ``stime`` and ``susec``: the KDC's clock.
Nobody vouches for it: the message has no checksum, so it may veto or alarm, and never set anything.

A question is known by 64 random bits, the cookie. They are in the client's name, and 31 of them in the
nonce. A KDC says in ``cname``, if it likes, who asked; MIT's did so in every version that was read or tried,
and older ones repeat the nonce as ``ctime`` (do_as_req.c, prepare_error_as). So an answer that repeats one
of them was made by somebody who saw the question, and one that repeats something else answers another.

No two questions may be alike: MIT's KDC keeps its recent answers and sends the same one again, over another
transport too, with the time that was (tried with 1.20).
"""

import re
from dataclasses import dataclass

from refclock.units import NS_PER_S, NS_PER_US
from refclock.wire import der
from refclock.wire.calendar import date_s
from refclock.wire.der import MalformedError, Reader, application, context, element

AS_REQ, AS_REP, KRB_ERROR = 10, 11, 30
# Error codes, RFC 4120, section 7.5.9.
PRINCIPAL_UNKNOWN, PREAUTH_REQUIRED, RESPONSE_TOO_BIG = 6, 25, 52
# Over TCP four bytes of length precede a message, the highest bit being reserved (section 7.2.2).
FRAME_SIZE = 4
# No KDC needs more to refuse a question.
LONGEST = 65_535

_VERSION = 5
_NT_PRINCIPAL, _NT_SRV_INST = 1, 2
_SERVICE = "krbtgt"
# "As long as the policy allows", section 5.4.1. It says nothing about our clock.
_TILL = b"19700101000000Z"
# aes256-cts, aes128-cts, and their SHA-2 forms; a KDC that knows none of them says so, with its time.
_ENCRYPTIONS = (18, 17, 20, 19)
_NO_OPTIONS = bytes(5)
_TIME = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})([01][0-9]|2[0-3])([0-5][0-9])([0-5][0-9])Z")
_MAX_MICROSECONDS = 999_999
_KNOWN_FIELDS, _GREATEST_TAG = 12, 30
_CTIME, _CUSEC, _STIME, _SUSEC, _CODE, _CREALM, _CNAME, _REALM, _SNAME = range(2, 11)
_NEEDED = (0, 1, _STIME, _SUSEC, _CODE, _REALM, _SNAME)


@dataclass(frozen=True, slots=True)
class KdcQuestion:
    """Who is asked, and what the question is known by: 64 random bits as 16 hexadecimal digits."""

    realm: str
    cookie: str

    @property
    def client(self) -> str:
        """The client's name: one that no realm has."""
        return f"refclock-{self.cookie}"

    @property
    def nonce(self) -> int:
        """31 bits of the cookie: some KDCs take it for a signed number."""
        return int(self.cookie, 16) & 0x7FFF_FFFF


@dataclass(frozen=True, slots=True)
class KdcClock:
    """At some moment between question and answer the KDC's clock showed a time from ``earliest_ns`` to
    ``latest_ns`` (POSIX ns): from what it says, to the end of that second.

    What it says may be late by so much. MIT's krb5 from 1.16 on, until it was mended in 2024, takes the
    microseconds of the first message of a second for all that follow in it (krb5_crypto_us_timeofday;
    pull request 1374 of krb5/krb5; tried with 1.20.1), and nothing tells which KDC does so.

    ``code`` is the error that was answered. ``matched`` says that the answer repeats the cookie or the
    nonce; without it only addresses, ports and names tell that it belongs to the question.
    """

    earliest_ns: int
    latest_ns: int
    code: int
    matched: bool


@dataclass(frozen=True, slots=True)
class KdcRefusal:
    """An answer that tells no time: the reason, the value found and the limit.

    ``kdc-malformed``: at byte ``value`` of ``limit`` it is no KRB-ERROR; ``kdc-no-time``: a message of type
    ``value``, an AS-REP (11), whose times are encrypted for its client; ``kdc-version``: of protocol version
    ``value``; ``kdc-other-realm``: of a realm or a service that was not asked (``value`` is the number of
    the field); ``kdc-echo``: it answers another question (likewise).
    """

    reason: str
    value: int
    limit: int


def encode_question(question: KdcQuestion) -> bytes:
    """The AS-REQ, as a datagram carries it. The realm is ASCII."""
    body = element(
        der.SEQUENCE,
        element(context(0), element(der.BIT_STRING, _NO_OPTIONS)),
        element(context(1), _principal(_NT_PRINCIPAL, question.client)),
        element(context(2), _text(question.realm)),
        element(context(3), _principal(_NT_SRV_INST, _SERVICE, question.realm)),
        element(context(5), element(der.GENERALIZED_TIME, _TILL)),
        element(context(7), der.integer(question.nonce)),
        element(context(8), element(der.SEQUENCE, *map(der.integer, _ENCRYPTIONS))),
    )
    request = element(
        der.SEQUENCE,
        element(context(1), der.integer(_VERSION)),
        element(context(2), der.integer(AS_REQ)),
        element(context(4), body),
    )
    return element(application(AS_REQ), request)


def frame(message: bytes) -> bytes:
    """A message as TCP carries it."""
    return len(message).to_bytes(FRAME_SIZE, "big") + message


def framed_size(head: bytes) -> int | None:
    """How many bytes follow the first four of a TCP answer; None for what no KDC would send: nothing,
    more than LONGEST, or the reserved bit."""
    size = int.from_bytes(head[:FRAME_SIZE], "big")
    return size if 0 < size <= LONGEST else None


def decode_answer(data: bytes, question: KdcQuestion) -> KdcClock | KdcRefusal:
    """What a KDC's answer (without TCP's frame) says of its clock; whatever the bytes, it raises nothing."""
    if not 0 < len(data) <= LONGEST:
        return KdcRefusal("kdc-malformed", min(len(data), LONGEST), len(data))
    if data[0] == application(AS_REP):
        return KdcRefusal("kdc-no-time", AS_REP, KRB_ERROR)
    try:
        return _read(data, question)
    except MalformedError as error:
        return KdcRefusal("kdc-malformed", error.offset, len(data))


def _read(data: bytes, question: KdcQuestion) -> KdcClock | KdcRefusal:
    """Raises MalformedError."""
    message = Reader(data)
    outer = message.enter(application(KRB_ERROR))
    message.finish()
    fields = _fields(outer)
    version, kind = _integer(fields[0]), _integer(fields[1])
    if version != _VERSION:
        return KdcRefusal("kdc-version", version, _VERSION)
    if kind != KRB_ERROR:
        return KdcRefusal("kdc-no-time", kind, KRB_ERROR)
    time_s, microseconds = _time(fields[_STIME]), _integer(fields[_SUSEC], _MAX_MICROSECONDS)
    code = _integer(fields[_CODE])
    cname = _name(fields[_CNAME]) if _CNAME in fields else None
    ctime_s = _time(fields[_CTIME]) if _CTIME in fields else None
    if _CUSEC in fields:
        _integer(fields[_CUSEC], _MAX_MICROSECONDS)
    realm = question.realm.encode("ascii", "replace")
    for field in (_REALM, _CREALM):
        if field in fields and _string(fields[field]) != realm:
            return KdcRefusal("kdc-other-realm", field, 0)
    if _name(fields[_SNAME]) != (_SERVICE.encode(), realm):
        return KdcRefusal("kdc-other-realm", _SNAME, 0)
    if cname not in (None, (question.client.encode(),)):
        return KdcRefusal("kdc-echo", _CNAME, 0)
    if ctime_s not in (None, question.nonce):
        return KdcRefusal("kdc-echo", _CTIME, 0)
    matched = cname is not None or ctime_s is not None
    begin_ns = time_s * NS_PER_S
    return KdcClock(begin_ns + microseconds * NS_PER_US, begin_ns + NS_PER_S - 1, code, matched)


def _fields(outer: Reader) -> dict[int, Reader]:
    """A KRB-ERROR's fields by their numbers, which rise. Those beyond the ones that RFC 4120 has are
    passed over: drafts had a checksum there, which we could not check."""
    body = outer.enter(der.SEQUENCE)
    outer.finish()
    fields: dict[int, Reader] = {}
    latest = -1
    while (tag := body.next_tag()) is not None:
        at, number = body.offset, tag - context(0)
        if not latest < number <= _GREATEST_TAG:
            raise MalformedError(at)
        field, latest = body.enter(tag), number
        if number <= _KNOWN_FIELDS:
            fields[number] = field
    if any(number not in fields for number in _NEEDED):
        raise MalformedError(body.offset)
    return fields


def _integer(field: Reader, greatest: int | None = None) -> int:
    begin, value = field.offset, field.integer()
    field.finish()
    if greatest is not None and not 0 <= value <= greatest:
        raise MalformedError(begin)
    return value


def _time(field: Reader) -> int:
    """A KerberosTime (section 5.2.3: UTC, to the second, no leap second) in POSIX s."""
    begin, content = field.offset, field.content(der.GENERALIZED_TIME)
    field.finish()
    found = _TIME.fullmatch(content)
    midnight_s = date_s(int(found[1]), int(found[2]), int(found[3])) if found else None
    if found is None or midnight_s is None:
        raise MalformedError(begin)
    return midnight_s + int(found[4]) * 3600 + int(found[5]) * 60 + int(found[6])


def _string(field: Reader) -> bytes:
    content = field.content(der.GENERAL_STRING)
    field.finish()
    return content


def _name(field: Reader) -> tuple[bytes, ...]:
    """A PrincipalName's components. Its type is a hint and does not count (section 6.2)."""
    principal = field.enter(der.SEQUENCE)
    field.finish()
    _integer(principal.enter(context(0)))
    listed = principal.enter(context(1))
    principal.finish()
    strings = listed.enter(der.SEQUENCE)
    listed.finish()
    components = []
    while strings.next_tag() is not None:
        components.append(strings.content(der.GENERAL_STRING))
    return tuple(components)


def _text(text: str) -> bytes:
    return element(der.GENERAL_STRING, text.encode("ascii", "replace"))


def _principal(kind: int, *components: str) -> bytes:
    names = element(der.SEQUENCE, *map(_text, components))
    return element(der.SEQUENCE, element(context(0), der.integer(kind)), element(context(1), names))
