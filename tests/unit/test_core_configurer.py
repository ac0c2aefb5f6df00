"""Configuring a u-blox: RAM only, on request, read back; and what it says when it will not."""

from typing import Any

import pytest

from refclock.core.asking.configurer import Configurer
from refclock.core.bridge import Bridge
from refclock.errors import ConfigError
from refclock.model import PortChange, Request, SerialBytes, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire import ubxconfig
from refclock.wire.ubxconfig import ACK, MSG, NAK, VALGET, VALSET, VERSION, WANTED, Listener, frame
from refclock.world.voices.ubxset import Settings
from tests.unit.test_core_host import BUILD_S

# u-blox F9, as its own evaluation software writes it: TIM-TP, NAV-TIMEUTC and NAV-TIMELS on UART1, RAM only.
BY_UCENTER = bytes.fromhex("b562068a1300000100007e019120015c009120016100912001f63e")
PROBE = bytes.fromhex("b5620a0400000e34")


class Line:
    """A configurer and a receiver; time in ms."""

    def __init__(self, settings: Settings, lossy: int = 0) -> None:
        self.configurer, self.settings, self.lossy = Configurer("gps0"), settings, lossy
        self.sent: list[bytes] = []
        self.told: list[tuple[str, int]] = []

    def take(self, found: list[Request | Withhold], now: int) -> None:
        """Carry out what is decided, and hear the answers."""
        for one in found:
            if isinstance(one, Withhold):
                self.told.append((one.reason, one.value))
                continue
            self.sent.append(one.data)
            if self.lossy:
                self.lossy -= 1
                continue
            self.take(
                self.configurer.on_bytes(b"$GNRMC,noise*00\r\n" + self.settings.hears(one.data), now), now
            )

    def run(self, until_ms: int = 20_000) -> str:
        """Let time pass; the state that it ends in."""
        for ms in range(0, until_ms, 100):
            self.take(self.configurer.on_time(ms * NS_PER_MS), ms * NS_PER_MS)
        return self.configurer.state


def test_a_new_receiver_gets_its_items_in_ram_and_shows_them():
    settings = Settings("27.31")
    line = Line(settings)
    assert line.run() == "configured"
    assert line.sent[0] == PROBE
    assert settings.items == {item: 1 for wanted in WANTED for item in wanted.items}
    assert settings.stored == 0
    assert line.told == []
    assert len(line.sent) == 1 + 2 * len(WANTED)
    assert line.configurer.wake_at() is None


def test_the_items_are_the_ones_that_u_center_sets():
    ((key, payload),) = Listener().feed(BY_UCENTER)
    assert key == VALSET
    theirs = {int.from_bytes(payload[at : at + 4], "little") for at in range(4, len(payload), 5)}
    assert theirs == {wanted.items[0] for wanted in WANTED}
    assert payload[1] == 1


@pytest.mark.parametrize("protocol", ["18.00", "23.01", ""])
def test_an_old_receiver_gets_its_messages(protocol):
    settings = Settings(protocol)
    line = Line(settings)
    assert line.run() == "configured"
    assert settings.rates == {wanted.key: 1 for wanted in WANTED}
    assert settings.items == {}


@pytest.mark.parametrize(("protocol", "refused"), [("27.31", 0x2091017E), ("18.00", 0x0D01)])
def test_a_refusal_is_told_and_the_others_are_set(protocol, refused):
    settings = Settings(protocol)
    settings.refuses = frozenset((refused,))
    line = Line(settings)
    assert line.run() == "refused"
    assert line.told == [("configure-refused", 0x0D01)]
    assert len(settings.items) + len(settings.rates) >= 2
    assert len(line.sent) == 1 + 1 + 2 * 2


@pytest.mark.parametrize("protocol", ["27.31", "18.00"])
def test_what_was_not_kept_is_told(protocol):
    settings = Settings(protocol)
    settings.forgetful = True
    line = Line(settings)
    assert line.run() == "differs"
    assert line.told == [("configure-differs", wanted.key) for wanted in WANTED]


def test_a_lost_question_is_asked_again_and_silence_ends_it():
    line = Line(Settings(), lossy=3)
    assert line.run() == "configured"
    assert line.sent[:4] == [PROBE] * 4
    line = Line(Settings(), lossy=100)
    assert line.run() == "silent"
    assert line.sent == [PROBE] * 5
    assert line.told == [("configure-silent", VERSION)]
    assert line.configurer.on_bytes(Settings().hears(PROBE), 0) == []
    line = Line(Settings())
    line.take(line.configurer.on_time(NS_PER_S), NS_PER_S)
    line = Line(Settings())
    line.lossy = 0
    first = line.configurer.on_time(NS_PER_S)
    found = line.configurer.on_bytes(line.settings.hears(PROBE), NS_PER_S)
    assert len(first) == len(found) == 1
    for second in range(2, 20):
        line.take([one for one in line.configurer.on_time(second * NS_PER_S) if isinstance(one, Withhold)], 0)
    assert line.told == [("configure-silent", 0x0D01)]


def test_answers_to_others_are_nobody_s():
    line = Line(Settings(), lossy=100)
    configurer = line.configurer
    assert configurer.on_bytes(frame(ACK, b"\x06\x8a"), 0) == []  # nothing was asked yet
    line.take(configurer.on_time(NS_PER_S), NS_PER_S)
    assert configurer.on_bytes(frame(ACK, b"\x06\x8a"), 0) == []
    line.take(configurer.on_bytes(Settings().hears(PROBE), 0), 0)
    for strange in (frame(ACK, b"\x06\x01\x00"), frame(NAK, b"\x06\x24"), frame(0x0121, b"\x06\x8a")):
        assert configurer.on_bytes(strange, 0) == []
    (again,) = configurer.on_bytes(frame(ACK, b"\x06\x8a"), 0)
    assert isinstance(again, Request)
    for strange in (
        frame(VALGET, b"\x01\x00\x00\x00"),
        frame(VALGET, b"\x01\x01\x00\x00" + bytes(10)),
        frame(VALGET, b"\x01\x00\x00\x00" + bytes(10)),
        frame(MSG, b"\x0d\x02" + bytes(6)),
        frame(MSG, b"\x0d\x01"),
    ):
        assert configurer.on_bytes(strange, 0) == []


def test_a_length_that_lies_costs_one_byte_and_little_is_held():
    listener = Listener()
    liar = b"\xb5\x62\x06\x8a\xff\xff"
    assert listener.feed(liar * 50 + PROBE) == [(VERSION, b"")]
    assert listener.feed(b"\xb5\x62\x0a\x04\x00\x00\x0e\x35" + PROBE) == [(VERSION, b"")]
    for at in range(len(BY_UCENTER) - 1):
        assert listener.feed(BY_UCENTER[at : at + 1]) == []
    assert listener.feed(BY_UCENTER[-1:])[0][0] == VALSET
    for _ in range(100):
        listener.feed(b"\xb5\x62\x06\x8a\x00\x04" + bytes(60))
        assert len(listener._rest) <= 1100


def test_the_bridge_configures_on_request_only_and_again_when_the_line_comes_back():
    text = '[receiver]\nprotocol = "ubx"\n'
    assert Bridge(parse_policy(text), BUILD_S).configurer is None
    bridge = Bridge(parse_policy(text + "configure = true\n"), BUILD_S)
    settings, asked, now = Settings(), list[bytes](), 0

    def take(found: list[Any]) -> None:
        for one in found:
            if isinstance(one, Request):
                asked.append(one.data)
                take(bridge.step(SerialBytes(now, now, 5, "gps0", settings.hears(one.data))))

    for up in (True, False, True):
        take(bridge.step(PortChange(now, now, 5, "gps0", up, "")))
    assert bridge.configurer is not None
    assert bridge.configurer.wake_at() == NS_PER_S
    now = 2 * NS_PER_S
    take(bridge.step(PortChange(now, now, 5, "pps0", True, "")))
    assert bridge.configurer.state == "configured"
    assert asked[0] == ubxconfig.ASK_VERSION
    take(bridge.step(PortChange(now, now, 5, "gps0", True, "")))
    assert bridge.configurer.state == "waiting"
    take(bridge.step(PortChange(now, now, 5, "gps0", False, "")))
    assert bridge.configurer.wake_at() is None


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("configure = 1", "receiver.configure: expected true or false, found 1"),
        ("configure = true", 'receiver.configure: only the receiver is, with protocol = "ubx"'),
    ],
)
def test_who_cannot_be_configured(text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        parse_policy(f"[receiver]\n{text}\n")
    assert not parse_policy("[receiver]\nconfigure = false\n").receiver.configure


def test_settings_that_would_be_stored_are_noticed():
    settings = Settings()
    assert settings.hears(frame(0x0609, bytes(12))) == frame(NAK, b"\x06\x09")
    assert settings.hears(frame(VALSET, b"\x00\x07\x00\x00")) == frame(NAK, b"\x06\x8a")
    assert settings.stored == 2


def test_it_begins_a_second_after_the_line_came_up_and_asks_five_times_1200_ms_apart():
    configurer, ms = Configurer("gps0"), NS_PER_MS
    assert (configurer.wake_at(), configurer.state) == (1000 * ms, "waiting")
    assert configurer.on_bytes(Settings().hears(PROBE), 0) == []  # it did not ask yet
    for at_ms in range(1000, 7000, 1200):
        assert configurer.on_time(at_ms * ms - 1) == []
        assert configurer.on_time(at_ms * ms) == [Request(at_ms * ms, "gps0", PROBE)]
        assert (configurer.wake_at(), configurer.state) == ((at_ms + 1200) * ms, "asking")
    assert configurer.on_time(7000 * ms) == [Withhold(7000 * ms, "configure-silent", VERSION, 0)]
    assert (configurer.wake_at(), configurer.state) == (None, "silent")


def test_each_step_is_asked_as_often_and_its_silence_told_as_its_own():
    configurer = Configurer("gps0")
    configurer.on_time(NS_PER_S)
    first = WANTED[0]
    asked = configurer.on_bytes(Settings("27.31").hears(PROBE), 5 * NS_PER_S)
    for at_s in range(7, 20, 2):
        asked += configurer.on_time(at_s * NS_PER_S)
    assert [one.data for one in asked if isinstance(one, Request)] == [first.set_items] * 5
    assert asked[5:] == [Withhold(15 * NS_PER_S, "configure-silent", first.key, 0)]


@pytest.mark.parametrize(
    ("change", "reason"), [("refuses", "configure-refused"), ("forgetful", "configure-differs")]
)
def test_what_it_did_not_get_is_told_with_its_message_and_forgotten_when_the_line_comes_up_again(
    change, reason
):
    settings = Settings("27.31")
    setattr(settings, change, frozenset((WANTED[0].items[0],)) if change == "refuses" else True)
    configurer = Configurer("gps0")
    found, told = configurer.on_time(NS_PER_S), []
    while found:
        one = found.pop(0)
        if isinstance(one, Withhold):
            told.append(one)
        else:
            assert isinstance(one, Request)
            found += configurer.on_bytes(settings.hears(one.data), 7)
    assert told[0] == Withhold(7, reason, WANTED[0].key, 0)
    assert configurer.state in {"refused", "differs"}
    line = Line(Settings("27.31"))
    line.configurer = configurer
    configurer.begin_anew(0)
    assert line.run() == "configured"


def test_what_follows_the_last_answer_in_the_same_bytes_is_nobody_s():
    settings, configurer = Settings("27.31"), Configurer("gps0")
    (one,) = configurer.on_time(NS_PER_S)
    while isinstance(one, Request):
        answer = settings.hears(one.data)
        found = configurer.on_bytes(answer * 2 if len(configurer._steps) == 1 else answer, 7)
        one = found[0] if found else Withhold(0, "", 0, 0)
    assert configurer.state == "configured"
