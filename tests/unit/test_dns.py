"""The SRV question and its answer: what names a KDC, and nothing that answers another question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.wire.dns import DnsAnswer, SrvRecord, decode_answer, encode_query

NAME = "_kerberos._udp.EXAMPLE.TEST"
QUERY = encode_query(0x1234, NAME) or b""
TO_QUESTION = b"\xc0\x0c"


def u16(*values):
    return b"".join(value.to_bytes(2) for value in values)


def name(text):
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def record(data, owner=TO_QUESTION, kind=33, group=1):
    return owner + u16(kind, group, 0, 300, len(data)) + data


def srv(target, port=88, priority=10, weight=5, **how):
    return record(u16(priority, weight, port) + name(target), **how)


def answer(*records, flags=0x8180, number=0x1234, questions=1, question=QUERY[12:]):
    return u16(number, flags, questions, len(records), 0, 0) + question + b"".join(records)


def test_the_question():
    assert (
        QUERY.hex() == "123401000001000000000000095f6b65726265726f73045f756470074558414d504c45045445535400"
        "00210001"
    )
    assert encode_query(0x1234, NAME + ".") == QUERY


@pytest.mark.parametrize("text", ["", ".", "a..b", "a" * 64, "é.test", ".".join(["a" * 60] * 5)])
def test_what_is_no_domain_name(text):
    assert encode_query(1, text) is None


def test_its_records():
    told = decode_answer(answer(srv("KDC1.example.test"), srv("kdc2.example.test", 8888, 20, 0)), QUERY)
    assert told == DnsAnswer(
        0, (SrvRecord(10, 5, 88, "kdc1.example.test"), SrvRecord(20, 0, 8888, "kdc2.example.test")), False
    )


def test_no_such_name_and_none_at_all_and_cut_off():
    assert decode_answer(answer(flags=0x8183), QUERY) == DnsAnswer(3, (), False)
    assert decode_answer(answer(flags=0x8380), QUERY) == DnsAnswer(0, (), True)
    assert decode_answer(answer(srv(".")), QUERY) == DnsAnswer(0, (SrvRecord(10, 5, 88, ""),), False)


def test_the_case_of_letters_does_not_count():
    told = decode_answer(answer(srv("a.b"), question=QUERY[12:].lower()), QUERY)
    assert told is not None
    assert len(told.records) == 1


def test_an_alias_is_followed_and_what_belongs_to_others_is_not():
    alias = record(name("_kerberos._udp.other.test"), kind=5)
    there = srv("kdc.other.test", owner=name("_kerberos._udp.other.test"))
    foreign = srv("evil.test", owner=name("_kerberos._udp.foreign.test"))
    text = record(b"\x03abc", kind=16)
    chaos = srv("evil.test", group=3)
    told = decode_answer(answer(foreign, chaos, text, alias, there), QUERY)
    assert told == DnsAnswer(0, (SrvRecord(10, 5, 88, "kdc.other.test"),), False)


def test_a_target_may_point_back():
    told = decode_answer(answer(record(u16(1, 2, 3) + b"\x03kdc\xc0\x1b")), QUERY)
    assert told == DnsAnswer(0, (SrvRecord(1, 2, 3, "kdc.example.test"),), False)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        QUERY,  # no answer
        answer(number=0x1235),
        answer(flags=0x9180),  # another operation
        answer(questions=0, question=b""),
        answer(questions=2),
        answer(question=name("_kerberos._udp.other.test") + u16(33, 1)),
        answer(question=QUERY[12:-4] + u16(1, 1)),
        answer(srv("kdc.test"))[:-1],
        answer(srv("kdc.test", owner=b"\xc0\xff")),  # forwards
        answer(srv("kdc.test", owner=b"\x01a\xc0\x2d")),  # around in a circle
        answer(srv("kdc.test", owner=b"\x80")),
        answer(record(u16(1, 2, 3) + b"\x3fkdc")),
        answer(srv("a." * 127 + "a")),
        answer(srv(".".join(["a" * 60] * 5))),
        answer(record(b"", kind=33))[:-2],
    ],
)
def test_what_answers_nothing(data):
    assert decode_answer(data, QUERY) is None


@given(st.binary(max_size=200))
def test_no_bytes_whatever_raise_anything(data):
    decode_answer(data, QUERY)
    decode_answer(answer() + data, QUERY)
    decode_answer(u16(0x1234, 0x8180, 1, 7, 0, 0) + QUERY[12:] + data, QUERY)
