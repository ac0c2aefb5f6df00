"""Events and decisions as lines: there and back, and nothing hostile gets in."""

import json
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refclock.errors import CaptureError
from refclock.jsonform import decision_line, dump, event_line, parse_event
from refclock.model import (
    Accuse,
    Command,
    Event,
    KdcReply,
    Mark,
    Mode,
    ModeChange,
    NtpReply,
    PhcReading,
    PortChange,
    PpsEdge,
    Publish,
    Request,
    RtcTick,
    SerialBytes,
    SerialSent,
    SourceReport,
    SystemClock,
    Tick,
    Withhold,
)
from tests.unit.test_core_host import Host

INT = st.integers(-(1 << 63), (1 << 63) - 1)
UNC = st.integers(0, (1 << 63) - 1)
TEXT = st.text(max_size=9)
DATA = st.binary(max_size=60)
VALUE = st.recursive(INT | TEXT | st.booleans(), lambda inner: st.lists(inner, max_size=3), max_leaves=5)
ARGS = st.dictionaries(
    TEXT.filter(lambda key: key not in ("k", "verb", "raw", "real", "unc")), VALUE, max_size=4
)
EVENTS = st.one_of(
    st.builds(SerialBytes, INT, INT, UNC, TEXT, DATA),
    st.builds(SerialSent, INT, INT, UNC, TEXT, DATA),
    st.builds(PpsEdge, INT, INT, UNC, TEXT, st.sampled_from(["assert", "clear"]), INT, INT),
    st.builds(RtcTick, INT, INT, UNC, TEXT, INT),
    st.builds(NtpReply, INT, INT, UNC, TEXT, TEXT, TEXT, INT, INT, st.none() | DATA),
    st.builds(
        KdcReply, INT, INT, UNC, TEXT, TEXT, TEXT, st.sampled_from(["udp", "tcp"]), INT, INT, st.none() | DATA
    ),
    st.builds(PhcReading, INT, INT, UNC, TEXT, INT),
    st.builds(SourceReport, INT, INT, UNC, TEXT, TEXT, INT, INT, INT, st.booleans(), INT, INT),
    st.builds(SystemClock, INT, INT, UNC, INT, INT, INT, INT, INT, TEXT, TEXT),
    st.builds(PortChange, INT, INT, UNC, TEXT, st.booleans(), TEXT),
    st.builds(Command, INT, INT, UNC, TEXT, ARGS),
    st.builds(Tick, INT, INT, UNC),
    st.builds(Mark, INT, INT, UNC, TEXT),
)


@given(EVENTS)
def test_every_event_comes_back_as_itself(event):
    line = event_line(event)
    assert line.isascii()
    assert "\n" not in line
    assert parse_event(json.loads(line)) == event
    assert event_line(cast(Event, parse_event(json.loads(line)))) == line


def test_the_memory_of_a_running_daemon_goes_through_a_capture():
    """The daemon's own ``restore`` is an event as well; its fields must not fall upon the stamp's."""
    memory = Host().feed().bridge.memory()
    event = Command(1, 2, 3, "restore", json.loads(json.dumps(memory)))
    assert parse_event(json.loads(event_line(event))) == event


def test_arguments_cannot_forge_a_stamp():
    event = Command(1, 2, 3, "x", {"raw": 9, "real": 9, "unc": 9, "k": "pps", "verb": "y", "z": 4})
    assert parse_event(json.loads(event_line(event))) == Command(1, 2, 3, "x", {"z": 4})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"k": 5}, "k: expected the kind of an event, found 5"),
        ({"raw": "1"}, "raw: expected an integer, found '1'"),
        ({"raw": 1.5}, "raw: expected an integer, found 1.5"),
        ({"raw": True}, "raw: expected an integer, found True"),
        ({"raw": 1 << 63}, "does not fit 64 bits"),
        ({"at": -(1 << 63) - 1}, "does not fit 64 bits"),
        ({"unc": -1}, "unc: expected a half-width of 0 or more, found -1"),
        ({"port": None}, "port: expected a string, found None"),
        ({"edge": "both"}, "edge: expected 'assert' or 'clear', found 'both'"),
    ],
)
def test_each_complaint(change, complaint):
    fields = {"k": "pps", "raw": 1, "real": 2, "unc": 3, "port": "p", "edge": "assert", "seq": 4, "at": 5}
    assert isinstance(parse_event(dict(fields)), PpsEdge)
    with pytest.raises(CaptureError, match=r".") as caught:
        parse_event({**fields, **change})
    assert complaint in str(caught.value)


def test_missing_fields_and_bytes_that_are_none():
    stamp: dict[str, object] = {"raw": 1, "real": 2, "unc": 3}
    with pytest.raises(CaptureError, match="no field 'rtc_s' in an event of kind 'rtc'"):
        parse_event({"k": "rtc", **stamp, "port": "p"})
    with pytest.raises(CaptureError, match="data: expected characters"):
        parse_event({"k": "rx", **stamp, "port": "p", "data": "€"})
    with pytest.raises(CaptureError, match="up: expected true or false, found 1"):
        parse_event({"k": "port", **stamp, "port": "p", "up": 1, "reason": ""})
    ntp = {"k": "ntp", **stamp, "port": "p", "peer": "a", "cookie": "0", "t1": 0, "t4": 0}
    with pytest.raises(CaptureError, match="no field 'data'"):
        parse_event(ntp)
    with pytest.raises(CaptureError, match="no field 'data'"):
        parse_event({**ntp, "lost": 1})
    kdc = {**ntp, "k": "kdc", "over": "udp"}
    assert parse_event({**kdc, "lost": True}) == KdcReply(1, 2, 3, "p", "a", "0", "udp", 0, 0, None)
    with pytest.raises(CaptureError, match="no field 'data' in an event of kind 'kdc'"):
        parse_event(kdc)
    with pytest.raises(CaptureError, match="over: expected 'udp' or 'tcp', found 'sctp'"):
        parse_event({**kdc, "over": "sctp"})


def test_a_kind_of_tomorrow_is_none_and_a_field_of_tomorrow_is_ignored():
    assert parse_event({"k": "xyz"}) is None
    assert parse_event({"k": "tick", "raw": 1, "real": 2, "unc": 3, "new": {}}) == Tick(1, 2, 3)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KINDS = [
    "rx",
    "tx",
    "pps",
    "rtc",
    "ntp",
    "kdc",
    "phc",
    "src",
    "sys",
    "port",
    "cmd",
    "tick",
    "mark",
    "end",
    "?",
]
KEYS = [
    "raw",
    "real",
    "unc",
    "port",
    "data",
    "edge",
    "seq",
    "at",
    "rtc_s",
    "peer",
    "cookie",
    "over",
    "t1",
    "t4",
    "verb",
]


@given(st.sampled_from(KINDS) | JSON, st.dictionaries(st.sampled_from(KEYS), JSON | st.integers(0, 9)))
def test_no_object_whatever_raises_anything_else(kind, fields):
    complaint = ""
    try:
        parse_event({**fields, "k": kind})
    except CaptureError as error:
        complaint = str(error)
    assert "\n" not in complaint


def test_the_lines_of_decisions():
    assert [
        decision_line(one)
        for one in (
            Publish(1, 2, 3, 0, 4),
            Withhold(1, "dwell", 2, 3),
            Withhold(1, "drift-mask", 2, 3, 4, 1),
            ModeChange(1, Mode.COLD, Mode.ACQUIRING, "é"),
            Accuse(1, "rtc", {"moved_ns": 2}),
            Request(1, "gps0", b"\xff\x00"),
        )
    ] == [
        '{"d":"publish","raw":1,"utc":2,"sys":3,"leap":0,"bound":4}',
        '{"d":"withhold","raw":1,"reason":"dwell","value":2,"limit":3}',
        '{"d":"withhold","raw":1,"reason":"drift-mask","value":2,"limit":3,"utc":4,"mask":1}',
        '{"d":"mode","raw":1,"from":"cold","to":"acquiring","reason":"\\u00e9"}',
        '{"d":"accuse","raw":1,"source":"rtc","evidence":{"moved_ns":2}}',
        '{"d":"request","raw":1,"port":"gps0","data":"\\u00ff\\u0000"}',
    ]


def test_no_number_that_json_does_not_know():
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump({"x": float("nan")})


def test_a_field_that_came_later_may_be_absent_and_must_be_an_integer():
    line = (
        '{"k":"sys","raw":1,"real":2,"unc":3,"freq_ppb":0,"tick_us":1,"status":0,"maxerror_us":0,"tai_s":37,'
    )
    line += '"clocksource":"tsc","boot_id":"b"'
    old, new = parse_event(json.loads(line + "}")), parse_event(json.loads(line + ',"suspended_ms":5}'))
    assert isinstance(old, SystemClock)
    assert isinstance(new, SystemClock)
    assert (old.suspended_ms, new.suspended_ms) == (None, 5)
    assert (event_line(old), event_line(new)) == (line + "}", line + ',"suspended_ms":5}')
    for wrong in ("true", "1.5", "null", str(1 << 63)):
        with pytest.raises(CaptureError, match="suspended_ms: expected an integer of 64 bits"):
            parse_event(json.loads(line + f',"suspended_ms":{wrong}' + "}"))
