"""The question to a KDC and the reading of its answer: nothing but the KDC's own refusal tells a time, and no
bytes whatever raise anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.wire import der, krb5
from refclock.wire.der import MalformedError, Reader, application, context, element
from refclock.wire.krb5 import KdcClock, KdcQuestion, KdcRefusal, decode_answer, encode_question

# What MIT's krb5kdc 1.20.1 answered to this question, its clock being shifted by 30 s.
ASKED = KdcQuestion("EXAMPLE.TEST", "095f5503b327fa81")
ANSWER = bytes.fromhex(
    "7e81ab3081a8a003020105a10302011ea411180f32303236313132333036333631305aa5050203070308a603020106a70e1b0c45"
    "58414d504c452e54455354a8263024a003020101a11d301b1b19726566636c6f636b2d30393566353530336233323766613831a9"
    "0e1b0c4558414d504c452e54455354aa21301fa003020102a11830161b066b72627467741b0c4558414d504c452e54455354ab12"
    "1b10434c49454e545f4e4f545f464f554e44"
)
STIME = b"20261123063610Z"
AT_NS, END_NS = 1_795_415_770_459_528_000, 1_795_415_770_999_999_999


def string(text):
    return element(der.GENERAL_STRING, text.encode())


def name(*parts, kind=1):
    listed = element(der.SEQUENCE, *map(string, parts))
    return element(der.SEQUENCE, element(context(0), der.integer(kind)), element(context(1), listed))


def stamp(text):
    return element(der.GENERALIZED_TIME, text)


GOOD = {
    0: der.integer(5), 1: der.integer(30), 4: stamp(STIME), 5: der.integer(459_528), 6: der.integer(6),
    9: string(ASKED.realm), 10: name("krbtgt", ASKED.realm, kind=2),
}  # fmt: skip


def error(changed=None):
    """A KRB-ERROR of the needed fields; a field that is changed to None is left out."""
    fields = {**GOOD, **(changed or {})}
    inner = [element(context(number), value) for number, value in sorted(fields.items()) if value is not None]
    return element(application(30), element(der.SEQUENCE, *inner))


def test_the_question_is_the_one_that_a_kdc_was_asked():
    assert encode_question(ASKED).hex() == (
        "6a81a230819fa103020105a20302010aa4819230818fa00703050000000000a1263024a003020101a11d301b1b1972656663"
        "6c6f636b2d30393566353530336233323766613831a20e1b0c4558414d504c452e54455354a321301fa003020102a1183016"
        "1b066b72627467741b0c4558414d504c452e54455354a511180f31393730303130313030303030305aa70602043327fa81a8"
        "0e300c020112020111020114020113"
    )


def test_the_answer_of_a_real_kdc():
    assert decode_answer(ANSWER, ASKED) == KdcClock(AT_NS, END_NS, krb5.PRINCIPAL_UNKNOWN, matched=True)


def test_a_time_may_be_as_old_as_its_second():
    said = decode_answer(error({5: der.integer(0)}), ASKED)
    assert isinstance(said, KdcClock)
    assert (said.earliest_ns, said.latest_ns) == (1_795_415_770_000_000_000, END_NS)


def test_the_answer_to_another_question_is_none():
    other = KdcQuestion("EXAMPLE.TEST", "195f5503b327fa81")
    assert decode_answer(ANSWER, other) == KdcRefusal("kdc-echo", 8, 0)


def test_what_repeats_nothing_is_not_matched():
    assert decode_answer(error(), ASKED) == KdcClock(AT_NS, END_NS, 6, matched=False)


def test_the_nonce_comes_back_as_the_client_s_time():
    """As older KDCs of MIT's do it."""
    asked = KdcQuestion("EXAMPLE.TEST", "0000000080000e10")
    assert asked.nonce == 3600
    told = error({2: stamp(b"19700101010000Z"), 3: der.integer(0)})
    assert decode_answer(told, asked) == KdcClock(AT_NS, END_NS, 6, matched=True)
    told = error({2: stamp(b"19700101010001Z")})
    assert decode_answer(told, asked) == KdcRefusal("kdc-echo", 2, 0)


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({0: der.integer(4)}, KdcRefusal("kdc-version", 4, 5)),
        ({1: der.integer(11)}, KdcRefusal("kdc-no-time", 11, 30)),
        ({9: string("OTHER.TEST")}, KdcRefusal("kdc-other-realm", 9, 0)),
        ({7: string("OTHER.TEST")}, KdcRefusal("kdc-other-realm", 7, 0)),
        ({10: name("krbtgt", "OTHER.TEST")}, KdcRefusal("kdc-other-realm", 10, 0)),
        ({10: name("host", ASKED.realm)}, KdcRefusal("kdc-other-realm", 10, 0)),
        ({10: name("krbtgt", ASKED.realm, "x")}, KdcRefusal("kdc-other-realm", 10, 0)),
        ({10: name()}, KdcRefusal("kdc-other-realm", 10, 0)),
        ({8: name("alice")}, KdcRefusal("kdc-echo", 8, 0)),
        ({8: name(ASKED.client, "x")}, KdcRefusal("kdc-echo", 8, 0)),
    ],
)
def test_each_refusal(changed, refusal):
    assert decode_answer(error(changed), ASKED) == refusal


def test_an_as_rep_tells_no_time():
    assert decode_answer(element(application(11), b"whatever"), ASKED) == KdcRefusal("kdc-no-time", 11, 30)


BAD = {
    "no stime": {4: None},
    "no susec": {5: None},
    "no error code": {6: None},
    "no realm": {9: None},
    "no sname": {10: None},
    "no version": {0: None},
    "the 30th of February": {4: stamp(b"20260230063610Z")},
    "before 1970": {4: stamp(b"19691231235959Z")},
    "the 60th second": {4: stamp(b"20261231235960Z")},
    "the 24th hour": {4: stamp(b"20261231245900Z")},
    "a fraction of a second": {4: stamp(b"20261231235959.1Z")},
    "local time": {4: stamp(b"20261123063610")},
    "another alphabet's digits": {4: stamp("٢026112306361Z".encode())},
    "a time that is a string": {4: element(der.GENERAL_STRING, STIME)},
    "something behind the time": {4: stamp(STIME) + b"\0"},
    "a million microseconds": {5: der.integer(1_000_000)},
    "microseconds below nothing": {5: der.integer(-1)},
    "the client's likewise": {3: der.integer(1_000_000)},
    "an integer of nine bytes": {5: element(der.INTEGER, bytes(9))},
    "an integer of none": {5: element(der.INTEGER)},
    "a realm that is no string": {9: element(der.OCTET_STRING, b"EXAMPLE.TEST")},
    "a name without a type": {10: element(der.SEQUENCE, element(context(1), element(der.SEQUENCE)))},
    "a name of numbers": {
        8: element(
            der.SEQUENCE,
            element(context(0), der.integer(1)),
            element(context(1), element(der.SEQUENCE, der.integer(1))),
        )
    },
    "something behind the name": {8: name(ASKED.client) + b"\0"},
    "a field that is empty": {6: b""},
}


@pytest.mark.parametrize("changed", BAD.values(), ids=BAD)
def test_a_field_that_is_none(changed):
    data = error(changed)
    said = decode_answer(data, ASKED)
    assert isinstance(said, KdcRefusal)
    assert said.reason == "kdc-malformed"
    assert 0 < said.value <= said.limit == len(data)


@pytest.mark.parametrize(
    "data",
    [
        ANSWER + b"\0",
        ANSWER[:-1],
        b"\x7e\x80" + ANSWER[3:] + b"\0\0",  # of indefinite length
        b"\x7e\x85\0\0\0\0\xab" + ANSWER[3:],  # a length of five bytes
        b"\x7e\x84\xff\xff\xff\xff" + ANSWER[3:],
        b"\x7e\x81",
        b"\x7e",
        element(application(30), element(der.SEQUENCE), b"\0"),
        element(application(30), element(der.SEQUENCE, b"\xbf\x81\x01\0")),  # a tag of several bytes
        element(application(30), element(der.SEQUENCE, b"\xc1\0")),
        element(application(30), element(der.SEQUENCE, b"\x02\0")),
        element(application(30), element(der.SEQUENCE, element(context(1), b""), element(context(0), b""))),
        b"<html>",
        encode_question(ASKED),
        b"",
        bytes(krb5.LONGEST + 1),
    ],
)
def test_a_message_that_is_none(data):
    said = decode_answer(data, ASKED)
    assert isinstance(said, KdcRefusal)
    assert said.reason == "kdc-malformed"


def test_lengths_longer_than_they_need_be_are_read():
    """As BER allows; some KDCs write them."""
    size = len(ANSWER) - 3
    assert decode_answer(b"\x7e\x84" + size.to_bytes(4) + ANSWER[3:], ASKED) == decode_answer(ANSWER, ASKED)


def test_fields_of_tomorrow_are_passed_over():
    more = {12: element(der.OCTET_STRING, b"e-data"), 13: b"\x30\x00", 30: b""}
    assert decode_answer(error(more), ASKED) == decode_answer(error(), ASKED)


def test_a_realm_beyond_ascii_is_never_met():
    said = decode_answer(error(), KdcQuestion("EXÄMPLE", ASKED.cookie))
    assert said == KdcRefusal("kdc-other-realm", 9, 0)


def test_the_frame_of_tcp():
    assert krb5.frame(b"abc") == b"\0\0\0\3abc"
    assert krb5.framed_size(krb5.frame(bytes(krb5.LONGEST))) == krb5.LONGEST
    for head in (b"\0\0\0\0", b"\0\1\0\0", b"\x80\0\0\1", b"HTTP"):
        assert krb5.framed_size(head) is None


@given(st.binary(max_size=300))
def test_no_bytes_whatever_raise_anything(data):
    assert isinstance(decode_answer(data, ASKED), KdcClock | KdcRefusal)


@given(st.integers(0, len(ANSWER) - 1), st.binary(max_size=4), st.integers(0, 4))
def test_nor_does_a_good_answer_that_was_changed(place, put, cut):
    data = ANSWER[:place] + put + ANSWER[place + cut :]
    said = decode_answer(data, ASKED)
    assert isinstance(said, KdcClock | KdcRefusal)
    if isinstance(said, KdcClock):
        assert said.earliest_ns <= said.latest_ns < said.earliest_ns + 1_000_000_000


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_integers_there_and_back(value):
    data = der.integer(value)
    reader = Reader(data)
    assert reader.integer() == value
    reader.finish()
    # Nine bits that are all alike would be a byte too many (X.690, 8.3.2).
    assert len(data) == 3 or data[2:4] not in (b"\0", b"\xff")
    if len(data) > 3:
        assert data[2] << 1 | data[3] >> 7 not in (0, 0x1FF)


@given(st.binary(max_size=70_000), st.sampled_from([der.OCTET_STRING, context(3), application(30)]))
def test_elements_there_and_back(content, tag):
    reader = Reader(element(tag, content))
    assert reader.content(tag) == content
    reader.finish()
    with pytest.raises(MalformedError):
        reader.content(tag)
