"""MIT's keytab and replay cache files, as bytes: what is right, and what is meant to trip us."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.wire.keytab import DamagedKeytabError, KeytabEntry, decode
from refclock.wire.rcache import stamps

HEAD = b"\x05\x02"


def counted(data):
    return len(data).to_bytes(2) + data


def key_record(names=(b"host", b"a.test"), realm=b"EXAMPLE.TEST", kvno=3, more=b""):
    principal = len(names).to_bytes(2) + counted(realm) + b"".join(map(counted, names)) + (1).to_bytes(4)
    return principal + (1000).to_bytes(4) + bytes([kvno & 255]) + (18).to_bytes(2) + counted(b"k" * 32) + more


def record(body):
    return len(body).to_bytes(4) + body


def hole(size):
    return (-size).to_bytes(4, signed=True) + bytes(size)


def keytab(*records):
    return HEAD + b"".join(records)


def test_a_key():
    assert decode(keytab(record(key_record()))) == [
        KeytabEntry("host/a.test@EXAMPLE.TEST", 3, 18, 1000, b"k" * 32)
    ]
    assert decode(HEAD) == []


def test_a_key_is_not_printed():
    assert "kkkk" not in repr(decode(keytab(record(key_record()))))


def test_holes_and_an_end():
    data = keytab(hole(40), record(key_record()), hole(1), record(key_record(kvno=4)), bytes(4), b"whatever")
    assert [one.kvno for one in decode(data)] == [3, 4]


def test_a_key_version_of_32_bits_replaces_the_one_of_8():
    data = keytab(
        record(key_record(kvno=300, more=(300).to_bytes(4))),
        record(key_record(kvno=7, more=bytes(4))),
        record(key_record(kvno=8, more=b"\1\2\3")),
        record(key_record(kvno=9, more=(9).to_bytes(4) + b"flags")),
    )
    assert [one.kvno for one in decode(data)] == [300, 7, 8, 9]


def test_names_are_written_as_krb5_writes_them():
    data = keytab(record(key_record(names=(b"a/b@c\\", b"d\n\te"), realm=b"R")))
    assert decode(data)[0].principal == "a\\/b\\@c\\\\/d\\n\\te@R"
    assert decode(keytab(record(key_record(names=(b"\xff",), realm=b"R"))))[0].principal == "\ufffd@R"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no keytab"),
        (b"\x05", "no keytab"),
        (b"\x05\x01" + bytes(8), "version 1"),
        (b"PK\x03\x04", "no keytab"),
        (HEAD + b"\0\0", "byte 2: 4 bytes are announced where 2 are left"),
        (HEAD + record(key_record())[:-1], "are announced where"),
        (HEAD + b"\x7f\xff\xff\xff", "byte 6: 2147483647 bytes are announced where 0 are left"),
        (HEAD + b"\x80\0\0\0", "byte 6: 2147483648 bytes are announced where 0 are left"),
        (HEAD + b"\xff\xff\xff\xf0" + bytes(4), "byte 6: 16 bytes are announced where 4 are left"),
        (keytab(record(b"\0")), "a field of 2 bytes where 1 are left"),
        (keytab(record(bytes(40))), "a principal of 0 components"),
        (keytab(record(b"\xff\xff" + bytes(40))), "a principal of 65535 components"),
        (keytab(record(b"\0\1\xff\xff" + bytes(40))), "a field of 65535 bytes where 40 are left"),
        (keytab(record(key_record()[:-1])), "a field of 32 bytes where 31 are left"),
    ],
)
def test_what_is_no_keytab(data, complaint):
    with pytest.raises(DamagedKeytabError, match=complaint):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_give_keys_or_a_complaint(data):
    for whole in (data, HEAD + data, keytab(record(data))):
        try:
            entries = decode(whole)
        except DamagedKeytabError:
            continue
        assert all(isinstance(one, KeytabEntry) for one in entries)


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_flipped_byte_gives_keys_or_a_complaint(at, value):
    data = bytearray(keytab(record(key_record()), hole(9), record(key_record(kvno=4))))
    data[at % len(data)] = value
    try:
        entries = decode(bytes(data))
    except DamagedKeytabError:
        return
    assert len(entries) <= 2


def test_the_times_in_a_replay_cache():
    place = b"t" * 12
    data = b"s" * 16 + place + (5).to_bytes(4) + bytes(16) + place + (9).to_bytes(4) + b"cut off"
    assert stamps(data) == [5, 9]
    assert stamps(b"s" * 15) == stamps(b"") == []
