"""A receiver that gpsd owns: against Debian's gpsd before a pty, and against a server that misbehaves."""

import json
import os
import socket
import time
from datetime import UTC

import gpsd
import pytest

from refclock import cli
from refclock.errors import PortError
from refclock.jsonform import event_line, parse_event
from refclock.model import Event, PortChange, SerialBytes, SerialSent
from refclock.policy import parse_policy
from refclock.ports import gpsd as gpsd_port
from refclock.ports import ports_of, stamp
from refclock.ports.gpsd import GpsdPort
from refclock.ports.gpsdlibrary import Position, position
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire import nmea, ubx
from refclock.wire.report import Label
from refclock.wire.scanner import Scanner
from tests.integration.gpsd import (
    PATH,
    VERSION,
    Fake,
    Gpsd,
    Pty,
    Script,
    devices,
    free_port,
    listen,
    raw,
    saying,
    silent,
    tpv,
    watch,
)

pytestmark = pytest.mark.integration

POLL = b'{"class":"POLL","active":1,"tpv":[],"gst":[],"sky":[]}\r\n'


@pytest.fixture
def quick(monkeypatch):
    """Deadlines of a tenth, so that the tests need not wait for them."""
    for name in ("ANSWER_NS", "POLL_NS", "SILENT_NS"):
        monkeypatch.setattr(gpsd_port, name, getattr(gpsd_port, name) // 10)


_made: list[GpsdPort] = []


@pytest.fixture(autouse=True)
def closed():
    """Also where a test failed."""
    yield
    while _made:
        _made.pop().close()


def make(port: int, device: str = PATH, unit: int | None = 20) -> GpsdPort:
    shm = "" if unit is None else f"\n[shm]\nunit = {unit}"
    policy = parse_policy(f'[receiver]\ndevice = "gpsd://127.0.0.1:{port}{device}"{shm}')
    found = ports_of(policy)[1]
    assert isinstance(found, GpsdPort)
    _made.append(found)
    return found


def told(events: list[Event]) -> list[tuple[bool, str]]:
    return [(one.up, one.reason) for one in events if isinstance(one, PortChange)]


def first(port: GpsdPort) -> list[Event]:
    """What a port that is opened tells up to the first news of itself."""
    events = port.open()
    for event in listen(port, 20):
        events.append(event)
        if isinstance(event, PortChange):
            break
    return events


def received(events: list[Event]) -> bytes:
    return b"".join(one.data for one in events if isinstance(one, SerialBytes))


def sent(events: list[Event]) -> bytes:
    return b"".join(one.data for one in events if isinstance(one, SerialSent))


def hear(script: Script, seconds: float = 0.6, device: str = PATH, **more: int | None) -> list[Event]:
    """What a port tells of a server that does this to each client."""
    with Fake(script) as fake:
        port = make(fake.port, device, **more)
        events = [*port.try_open(), *listen(port, seconds)]
        port.close()
    return events


def labels(events: list[Event]) -> list[int]:
    return [one.utc_s for one in Scanner("gpsd").feed(received(events)) if isinstance(one, Label)]


# Debian's gpsd


def sentences(second: int) -> bytes:
    at = time.gmtime(second)
    clock, date = time.strftime("%H%M%S.00", at), time.strftime("%d%m%y", at)
    place = "4807.038,N,01131.000,E"
    bodies = (
        f"GPRMC,{clock},A,{place},0.0,0.0,{date},,,A",
        f"GPGGA,{clock},{place},1,04,0.9,545.4,M,46.9,M,,",
        "GPGSA,A,3,05,12,24,29,,,,,,,,,1.5,0.9,1.2",
        "GPGSV,1,1,04,05,40,083,46,12,17,308,41,24,07,344,39,29,22,228,45",
    )
    return b"".join(b"$%s*%02X\r\n" % (body.encode(), nmea.checksum(body.encode())) for body in bodies)


def test_a_real_gpsd_names_each_second_and_replays_to_the_same(require_program):
    receiver = Pty(sentences)
    try:
        with Gpsd(require_program, receiver.path) as real:
            port = make(real.port, receiver.path)
            events = [*first(port), *listen(port, 5.5)]
            port.close()
    finally:
        receiver.close()
    up, second = told(events)[:2]
    assert up[0]
    assert f"at 127.0.0.1:{real.port} watches {receiver.path}" in up[1]
    assert second == (True, f"{receiver.path}: {second[1].partition(': ')[2]}")
    scanner, seen = Scanner("gpsd"), set()
    for event in events:
        if isinstance(event, SerialBytes):
            for report in scanner.feed(event.data):
                if isinstance(report, Label):
                    # Each names the second that the pty spoke of, 100 ms before.
                    assert 0 <= event.real_ns - report.utc_s * NS_PER_S < 900 * NS_PER_MS
                    assert report.utc_valid is None
                    seen.add((report.message, report.utc_s))
    assert len(seen) >= 6
    assert scanner.counters.damaged == {"gpsd": 0}
    assert scanner.counters.skipped_bytes == 0
    for event in events:  # a capture carries all of it
        again = parse_event(json.loads(event_line(event)))
        assert again == event


def test_what_gpsd_py3_makes_of_the_same_gpsd(require_program):
    """The library as its authors meant it: an independent reader of the same TPV, where it can read it."""
    receiver = Pty(sentences)
    try:
        with Gpsd(require_program, receiver.path) as real:
            port = make(real.port, receiver.path)
            events = [*first(port), *listen(port, 3.5)]
            gpsd.connect("127.0.0.1", real.port)
            try:
                answer = gpsd.get_current()
            finally:
                gpsd.gpsd_stream.close()
                gpsd.gpsd_socket.close()
                gpsd.gpsd_stream = gpsd.gpsd_socket = None
                gpsd.state = {}
            events += listen(port, 1.5)
            port.close()
    finally:
        receiver.close()
    assert answer.mode == 3
    naive = answer.get_time()
    assert naive.tzinfo is None
    second = int(naive.replace(tzinfo=UTC).timestamp())
    assert second in labels(events)
    assert any(one[1].endswith("3D fix, 4 of 4 satellites used") for one in told(events))


def ubx_second(second: int) -> bytes:
    """NAV-PVT: a 3D fix that is fully resolved."""
    at = time.gmtime(second)
    payload = (
        bytes(4) + at.tm_year.to_bytes(2, "little")
        + bytes((at.tm_mon, at.tm_mday, at.tm_hour, at.tm_min, at.tm_sec, 7))
        + (20).to_bytes(4, "little") + bytes(4) + bytes((3, 1, 0, 9)) + bytes(68)
    )  # fmt: skip
    covered = b"\x01\x07" + len(payload).to_bytes(2, "little") + payload
    # gpsd knows the end of an epoch by NAV-EOE.
    epoch = b"\x01\x61\x04\x00" + bytes(4)
    return b"".join(b"\xb5\x62" + one + bytes(ubx.checksum(one)) for one in (covered, epoch))


def test_a_real_gpsd_before_a_ublox(require_program):
    receiver = Pty(ubx_second)
    try:
        with Gpsd(require_program, receiver.path) as real:
            port = make(real.port, receiver.path)
            events = [*first(port), *listen(port, 5)]
            port.close()
    finally:
        receiver.close()
    heard = labels(events)
    assert len(set(heard)) >= 2
    assert all(abs(second - time.time()) < 10 for second in heard)


def test_a_gpsd_that_is_stopped_and_started_again(require_program):
    receiver = Pty(sentences)
    real = Gpsd(require_program, receiver.path)
    port = make(real.port, receiver.path)
    try:
        with pytest.raises(PortError, match="Connection refused; start it"):
            port.open()
        assert port.try_open() == []  # told once
        real.start()
        events = list(listen(port, 3))
        assert told(events)[0][0] is True
        real.stop()
        events = list(listen(port, 2))
        assert [up for up, _ in told(events)] == [False, False]
        assert "hung up; dialling again" in told(events)[0][1]
        assert "Connection refused" in told(events)[1][1]
        real.start()
        events = list(listen(port, 6))
        assert told(events)[0][0] is True
        assert labels(events)
    finally:
        port.close()
        real.stop()
        receiver.close()


def test_a_real_gpsd_with_two_devices(require_program):
    receivers = [Pty(sentences), Pty(lambda second: sentences(second - 1000))]
    paths = [one.path for one in receivers]
    try:
        with Gpsd(require_program, *paths) as real:
            port = make(real.port, "")
            (trouble,) = told(first(port))
            port.close()
            for late_s, path in zip((0, 1000), paths, strict=True):
                port = make(real.port, path)
                events = [*first(port), *listen(port, 4)]
                port.close()
                heard = labels(events)
                assert heard
                assert all(0 <= time.time() - late_s - second < 10 for second in heard)
    finally:
        for one in receivers:
            one.close()
    assert not trouble[0]
    assert all(path in trouble[1] for path in ("has 2 devices", *paths, "receiver.device"))


def test_a_real_gpsd_without_our_device(require_program, tmp_path):
    receiver = Pty(sentences)
    link = tmp_path / "receiver"
    os.symlink(receiver.path, link)
    try:
        with Gpsd(require_program, receiver.path) as real:
            port = make(real.port, "/dev/ttyACM9")
            (trouble,) = told(first(port))
            port.close()
            assert not trouble[0]
            assert f"has no /dev/ttyACM9, but {receiver.path}; plug" in trouble[1]
            # By another name of the same device it is found.
            port = make(real.port, str(link))
            assert told(first(port))[0][1].endswith(f"watches {receiver.path}")
            port.close()
    finally:
        receiver.close()


# A server that misbehaves


def test_a_silent_gpsd_stalls_nobody_and_is_left_after_a_while(quick):
    """gpsd-py3 would wait for its greeting for ever."""
    with Fake(silent) as fake:
        port = make(fake.port)
        assert port.try_open() == []
        assert port.fd is not None
        events = list(listen(port, 3))
        port.close()
        assert fake.clients >= 2  # it was dialled again
    assert told(events) == [
        (False, f"gpsd at 127.0.0.1:{fake.port}: no greeting in 1 s; see whether it runs.")
    ]


@pytest.mark.parametrize(
    ("script", "missing"),
    [
        (raw(VERSION), "list of devices"),
        (raw(VERSION, devices(PATH)), "agreement to watch"),
        (raw(VERSION, devices(PATH), watch()), "answer to a POLL"),
    ],
)
def test_a_gpsd_that_falls_silent_later(quick, script, missing):
    events = hear(script, 2.5)
    assert (False, missing) in [(up, missing if missing in reason else reason) for up, reason in told(events)]


def test_a_mute_receiver_behind_a_gpsd_that_answers(quick):
    def script(client: socket.socket) -> bool:
        saying()(client)
        while client.recv(100):
            client.sendall(POLL)
        return False

    reasons = told(hear(script, 5))
    assert f"heard nothing of {PATH} for 2 s; see its cable" in next(why for up, why in reasons if not up)


def test_a_gpsd_that_hangs_up_is_dialled_again():
    with Fake(saying(tpv("2026-11-23T06:00:00Z"), hold=False), saying(tpv("2026-11-23T06:00:02Z"))) as fake:
        port = make(fake.port)
        events = [*port.try_open(), *listen(port, 2)]
        port.close()
    assert [up for up, _ in told(events)] == [True, False, True]
    before, after = labels(events)
    assert after == before + 2


def test_polls_without_sky_and_with_whatever_else(quick):
    """gpsd-py3 raises IndexError, KeyError or UserWarning on each of these."""
    answers = iter(
        [
            POLL,
            POLL.replace(b'"active":1', b'"active":0'),
            b'{"class":"POLL"}\r\n',
            b'{"class":"POLL","active":1,"tpv":[{"class":"TPV"}],"sky":[{"satellites":[{}]}]}\r\n',
            b'{"class":"POLL","active":1,"tpv":[{"mode":[]}],"sky":7}\r\n',
            b'{"class":"POLL","active":1,"tpv":[{"mode":3}],"sky":[]}\r\n',
        ]
    )

    def script(client: socket.socket) -> bool:
        saying()(client)
        while client.recv(100):
            client.sendall(tpv("2026-11-23T06:00:00.000Z") + next(answers, b""))
        return False

    reasons = [reason.partition(": ")[2] for up, reason in told(hear(script, 7.5)) if up][1:]
    assert reasons == ["no fix seen yet", "an answer that gpsd-py3 cannot read", "3D fix"]
    assert gpsd.state == {}
    assert gpsd.gpsd_socket is None


def test_what_is_asked_of_the_library_mixes_no_devices():
    poll = {
        "tpv": [{"device": PATH, "mode": 2}, {"device": "/dev/other", "mode": 3}],
        "sky": [{"device": "/dev/other", "satellites": [{"used": True}]}],
    }
    assert position(poll, PATH) == Position("2D fix")
    assert str(position(poll, "/dev/other")) == "3D fix, 1 of 1 satellites used"


def test_an_interleaved_device_object_a_leap_second_and_a_missing_fraction():
    """gpsd-py3 raises an Exception on the first and ValueError on the others."""
    events = hear(
        saying(
            f'{{"class":"DEVICE","path":"{PATH}","activated":"2026-11-23T06:00:00Z"}}\r\n'.encode(),
            tpv("2016-12-31T23:59:60.000Z"),
            tpv("2017-01-01T00:00:01Z"),
        )
    )
    assert [up for up, _ in told(events)] == [True]
    (leap, after) = [one for one in Scanner("gpsd").feed(received(events)) if isinstance(one, Label)]
    assert (leap.second60, after.second60) == (True, False)
    assert leap.utc_s + 2 == after.utc_s == 1_483_228_801


def test_garbage_before_the_greeting():
    for garbage in (b"SSH-2.0-OpenSSH_9.2\r\n", b'{"class":7}\n', b"\xff\xfe\n"):
        ((up, reason),) = told(hear(raw(garbage)))
        assert not up
        assert "expected JSON, found" in reason


def test_a_little_garbage_is_passed_over_and_much_of_it_is_no_gpsd():
    good = tpv("2026-11-23T06:00:00Z")
    events = hear(saying(*[b"x\r\n"] * 16, good, *[b"y\n"] * 16, good))
    assert [up for up, _ in told(events)] == [True]
    assert len(labels(events)) == 2
    assert "expected JSON, found b'x'" in told(hear(saying(*[b"x\n"] * 17)))[1][1]


def test_half_lines_are_put_together():
    line = tpv("2026-11-23T06:00:00Z")

    def script(client: socket.socket) -> bool:
        saying()(client)
        for at in range(len(line)):
            client.sendall(line[at : at + 1])
            time.sleep(0.002)
        return True

    assert len(labels(hear(script, 1))) == 1


def test_a_line_without_an_end_is_left():
    (_, (up, reason)) = told(hear(saying(b'{"class":"TPV",' + b" " * 40_000), 0.8))
    assert not up
    assert "bytes without an end of line; that is no gpsd" in reason


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (raw(VERSION.replace(b'major":3', b'major":4')), "speaks protocol 4, expected 3"),
        (raw(b'{"class":"ERROR","message":"too many clients"}\n'), "says 'too many clients'"),
        (raw(VERSION, b'{"class":"DEVICES"}\n'), f"has no {PATH}, but none"),
        (raw(VERSION, b'{"class":"DEVICES","devices":[7,{}]}\n'), f"has no {PATH}, but none"),
        (raw(VERSION, devices(PATH), watch("/dev/other")), f"does not watch {PATH}"),
        (raw(VERSION, devices(PATH), watch().replace(b"true", b"false", 1)), f"does not watch {PATH}"),
        (saying(b'{"class":"DEVICE","path":"/dev/ttyACM0","activated":0}\n'), f"lost {PATH}; waiting"),
    ],
)
def test_a_gpsd_that_is_of_no_use(script, complaint):
    up, reason = told(hear(script, 0.4))[-1]
    assert not up
    assert complaint in reason


def test_a_second_device_comes_while_none_was_named():
    more = b'{"class":"DEVICE","path":"/dev/ttyUSB1","activated":"2026-11-23T06:00:00Z"}\n'
    assert "has a second device, /dev/ttyUSB1; name" in told(hear(saying(more), device=""))[1][1]
    assert [up for up, _ in told(hear(saying(more)))] == [True]


def test_a_gpsd_that_writes_our_segment_is_not_listened_to():
    toff = f'{{"class":"TOFF","device":"{PATH}","real_sec":1,"real_nsec":0,"shm":"NTP20"}}\r\n'.encode()
    up, reason = told(hear(saying(toff)))[1]
    assert not up
    assert "writes SHM unit 20 itself" in reason
    for unit in (21, None):
        assert [up for up, _ in told(hear(saying(toff), unit=unit))] == [True]


def test_two_devices_of_one_gpsd_are_never_mixed():
    """Even where gpsd sends the other one's, unasked."""
    events = hear(saying(tpv("2026-11-23T06:00:00Z", "/dev/other"), tpv("2026-11-23T06:00:05Z")))
    assert len(labels(events)) == 1


def test_the_receiver_takes_no_bytes_through_gpsd_and_a_port_that_is_closed_tells_nothing():
    with Fake(saying()) as fake:
        port = make(fake.port)
        port.try_open()
        with pytest.raises(PortError, match="it only listens"):
            port.perform(b"x")
        assert sent(list(listen(port, 0.5))).startswith(
            b'?DEVICES;\n?WATCH={"enable":true,"json":true,"pps":true'
        )
        port.close()
        port.close()
    assert port.on_ready() == []
    assert port.wake_at() is None


def test_a_spurious_wake_up_and_a_question_that_nobody_takes(quick):
    with Fake(silent) as fake:
        port = make(fake.port)
        port.try_open()
        assert port.on_ready() == []
        assert port._socket is not None
        port._awaited = ""
        port._socket.shutdown(socket.SHUT_WR)
        (change,) = port.on_timer(stamp.raw() + 2 * NS_PER_S)
        port.close()
    assert isinstance(change, PortChange)
    assert "takes no question: Broken pipe" in change.reason


def test_no_address_family(monkeypatch):
    """A sandbox without IPv6, say."""

    def refuse(*_args: object) -> None:
        raise OSError(97, "Address family not supported by protocol")

    monkeypatch.setattr(socket, "socket", refuse)
    port = ports_of(parse_policy('receiver.device = "gpsd://[::1]"'))[1]
    with pytest.raises(PortError, match="Address family not supported"):
        port.open()


def test_a_reset_connection(quick):
    def script(client: socket.socket) -> bool:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, (1).to_bytes(4, "little") + bytes(4))
        return False

    ((up, reason),) = told(hear(script))
    assert not up
    assert "reset by peer" in reason or "hung up" in reason


def test_nobody_listens():
    port = make(free_port())
    with pytest.raises(PortError, match="Connection refused; start it"):
        port.open()


def test_check_asks_gpsd_and_says_what_it_found(tmp_path, capsys):
    def answering(client: socket.socket) -> bool:
        saying()(client)
        while client.recv(100):
            client.sendall(POLL.replace(b'"tpv":[]', b'"tpv":[{"mode":3}]'))
        return False

    config = tmp_path / "c.toml"

    def check(port: int, unit: int = 20) -> str:
        config.write_text(
            f'[receiver]\ndevice = "gpsd://127.0.0.1:{port}{PATH}"\n[shm]\nunit = {unit}\n'
            '[limits]\nwitnesses = 1\n[loosened]\nwitnesses = "a test"\n'
        )
        cli.main(["check", "--config", str(config)])
        told = capsys.readouterr()
        return " ".join((told.out + told.err).split())

    with Fake(answering) as fake:
        shown = check(fake.port)
    assert f"ok receiver gpsd 3.22 at 127.0.0.1:{fake.port} watches {PATH}; {PATH}: 3D fix" in shown
    assert "FAIL receiver gpsd at 127.0.0.1:" in check(fake.port)  # it is gone by now
    with Fake(raw(VERSION, devices())) as fake:
        assert f"has no {PATH}, but none" in check(fake.port)
    refused = check(fake.port, unit=3)
    assert refused.startswith(
        f"refclock check: {config}:4: shm.unit: gpsd, which owns a receiver, writes units 0 to"
    )
    assert cli.main(["run", "--config", str(config), "--seconds", "0"]) == 2
