"""Whatever is fed to the core, it neither raises nor publishes outside the lemmas."""

import json
from dataclasses import fields, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from refclock.core.bridge import Bridge
from refclock.jsonform import decision_line, event_line
from refclock.model import (
    Command,
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
)
from refclock.policy import parse_policy
from refclock.units import NS_PER_S
from refclock.wire.scanner import Scanner
from tests.unit.test_core_host import BEGIN_S, BUILD_S, KDC, RAW_0, Host, burst

MOST = (1 << 63) - 1
EXTREME = st.sampled_from([0, 1, -1, MOST, -MOST - 1, NS_PER_S, 10**15])
NEAR = st.integers(RAW_0 - 5 * NS_PER_S, RAW_0 + 5 * NS_PER_S)
INT = EXTREME | NEAR | st.integers(-MOST - 1, MOST)
UNC = st.sampled_from([0, 100, 10**6, MOST])
NAME = st.sampled_from(["gps0", "pps0", "a:123", "b:123", "", "é", "\ud800"])
COOKIE = st.sampled_from(["0000000000000001", "", "x", "0" * 16])
LABEL = st.integers(BEGIN_S - 3, BEGIN_S + 3) | st.sampled_from([0, BUILD_S, 4 * 10**9])


def spoilt(data: bytes, at: int, strange: bytes) -> bytes:
    """A burst with something in it."""
    return data[:at] + strange + data[at:]


BYTES = st.one_of(
    st.binary(max_size=80),
    st.builds(burst, LABEL, st.booleans(), st.booleans(), st.sampled_from([None, True, False])),
    st.builds(spoilt, st.builds(burst, LABEL), st.integers(0, 90), st.binary(max_size=3)),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | INT | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
KEYS = [
    "floor_utc_ns", "raw_rate_ppt", "raw_rate_unc_ppt", "rtc_rate_ppt", "rtc_rate_unc_ppt", "episodes_s",
    "phc_rate_ppt", "phc_rate_unc_ppt",
    "boot_id", "clocksource", "judge", "locked", "reason", "expires_s", "steps", "probes", "tampered",
    "lock_reason", "version",
]  # fmt: skip
VERB = st.sampled_from(["restore", "rearm", "leap-table", "enroll", "?"])
COMMANDS = st.builds(
    Command, INT, INT, UNC, VERB,
    st.dictionaries(st.sampled_from(KEYS), JSON | INT | st.sampled_from(["boot", "tsc"]), max_size=6),
)  # fmt: skip
EVENTS = st.one_of(
    st.builds(SerialBytes, INT, INT, UNC, NAME, BYTES),
    st.builds(SerialSent, INT, INT, UNC, NAME, st.binary(max_size=9)),
    st.builds(PpsEdge, INT, INT, UNC, NAME, st.sampled_from(["assert", "clear", "?"]), INT, INT),
    st.builds(RtcTick, INT, INT, UNC, NAME, INT),
    st.builds(NtpReply, INT, INT, UNC, NAME, NAME, COOKIE, INT, INT, st.none() | st.binary(max_size=60)),
    st.builds(NtpReply, INT, INT, UNC, NAME, NAME, COOKIE, INT, INT, st.binary(min_size=48, max_size=48)),
    st.builds(
        KdcReply, INT, INT, UNC, NAME, NAME, COOKIE, NAME, INT, INT, st.none() | st.binary(max_size=60)
    ),
    st.builds(PhcReading, INT, INT, UNC, NAME, INT),
    st.builds(SourceReport, INT, INT, UNC, NAME, NAME, INT, INT, INT, st.booleans(), INT, INT),
    st.builds(SystemClock, INT, INT, UNC, INT, INT, INT, INT, INT, NAME, NAME),
    st.builds(PortChange, INT, INT, UNC, NAME, st.booleans(), NAME),
    COMMANDS,
    st.builds(Tick, INT, INT, UNC),
    st.builds(Mark, INT, INT, UNC, NAME),
)
POLICIES = st.sampled_from(
    [
        KDC,
        "",
        'profile = "appserver"\n' + KDC,
        'profile = "kdc-cesium"\n' + KDC,
        KDC.replace("[pps]", "[shm]")[:0],
    ]
)


def push(bridge: Bridge, event: Event) -> list[Publish]:
    """One event; everything that the shell asks of the core must hold as well."""
    decisions = bridge.step(event)
    for one in decisions:
        json.loads(decision_line(one))
    wake = bridge.wake_at()
    assert wake is None or isinstance(wake, int)
    return [one for one in decisions if isinstance(one, Publish)]


def finish(bridge: Bridge, raw_ns: int) -> None:
    """The state must be fit for people and for a file."""
    json.dumps(bridge.view(raw_ns))
    json.dumps(bridge.memory(), allow_nan=False)


@given(POLICIES, st.lists(EVENTS, max_size=25), st.booleans() | st.none())
def test_random_events_never_raise_and_publish_nothing(text, events, has_pps):
    bridge = Bridge(parse_policy(text), BUILD_S, has_pps)
    for event in events:
        assert push(bridge, event) == []
    finish(bridge, events[-1].raw_ns if events else 0)


BASE = Host()
BASE.second(135)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, len(BASE.events)), EVENTS), max_size=12))
def test_random_events_between_honest_ones_publish_nothing_wrong(strangers):
    """Honest bytes and pulses with anything in between: what is published is true within its bound.

    Servers and raw stamps of the strangers are arbitrary, so the counter may be thrown back and forth: what
    is published after that must have been vetted anew.
    """
    bridge = Bridge(parse_policy(KDC), BUILD_S)
    events = list(BASE.events)
    for at, stranger in sorted(strangers, key=lambda one: -one[0]):
        events.insert(at, stranger)
    published = [one for event in events for one in push(bridge, event)]
    for one in published:
        assert abs(BASE.error_ns(one)) <= one.bound_ns
    utc = [one.utc_ns for one in published]
    assert utc == sorted(set(utc))
    finish(bridge, RAW_0)


@settings(max_examples=40)
@given(st.data())
def test_honest_events_reordered_duplicated_lost_or_changed_publish_nothing_wrong(data):
    events = list(BASE.events)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(1, len(events) - 1))
        deed = data.draw(st.sampled_from(["swap", "double", "lose", "field", "late"]))
        event = events[at]
        if deed == "swap":
            other = data.draw(st.integers(max(1, at - 6), at))
            events[at], events[other] = events[other], events[at]
        elif deed == "double":
            events.insert(at, event)
        elif deed == "lose":
            del events[at]
        elif deed == "late":
            events.append(events.pop(at))
        else:
            name = data.draw(st.sampled_from([one.name for one in fields(event) if one.name != "args"]))
            value = getattr(event, name)
            if isinstance(value, int) and not isinstance(value, bool):
                changed = data.draw(EXTREME if name != "unc_ns" else UNC)
                events[at] = replace(event, **{name: changed})
            elif isinstance(value, bytes):
                events[at] = replace(event, **{name: data.draw(BYTES)})
    bridge = Bridge(parse_policy(KDC), BUILD_S)
    published = [one for event in events for one in push(bridge, event)]
    for one in published:
        assert abs(BASE.error_ns(one)) <= one.bound_ns
    utc = [one.utc_ns for one in published]
    assert utc == sorted(set(utc))
    finish(bridge, RAW_0)


@given(COMMANDS)
def test_a_command_of_anything_between_honest_seconds_never_raises(command):
    host = Host().feed()
    stamp = host.stamp(host.now_s * NS_PER_S - 600_000_000)
    push(host.bridge, Command(*stamp, command.verb, command.args))
    host.second(3)
    finish(host.bridge, stamp[0])


MEMORY = Host().feed().bridge.memory()


@given(st.data())
def test_a_memory_with_anything_in_it_never_raises(data):
    """Leaves of a true memory replaced by anything that JSON can hold."""
    memory = json.loads(json.dumps(MEMORY))
    for _ in range(data.draw(st.integers(1, 3))):
        place = memory
        while True:
            keys = sorted(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            inner = place[key]
            if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
                place = inner
                continue
            place[key] = data.draw(JSON | INT | st.integers(-(10**25), 10**25))
            break
    host = Host(enrolled=False, now_s=128)
    push(host.bridge, Command(*host.stamp(127 * NS_PER_S), "restore", memory))
    host.second(130)
    finish(host.bridge, host.stamp(host.now_s * NS_PER_S)[0])


def test_nesting_as_deep_as_a_capture_allows_never_raises():
    depth = 900
    reason: object = "x"
    for _ in range(depth):
        reason = [reason]
    host = Host().feed()
    host.label_s = -1
    host.second(100)
    push(host.bridge, Command(*host.stamp(host.now_s * NS_PER_S), "rearm", {"reason": reason}))


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_random_serial_bytes_never_raise_and_hold_no_memory(chunks):
    host = Host()
    for chunk in chunks:
        push(host.bridge, SerialBytes(*host.stamp(0), "gps0", chunk))
    assert Scanner().offset == 0


def test_every_event_of_these_tests_has_a_line():
    for event in BASE.events[:50]:
        assert json.loads(event_line(event))
