"""A receiver that is asked, in the whole core."""

from typing import Any, ClassVar

from refclock.core.bridge import Bridge
from refclock.model import Decision, Mode, PortChange, Request, SerialBytes, SerialSent, Tick, Withhold
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_core_host import BEGIN_S, BUILD_S, KDC, RAW_0, Host, only
from tests.unit.test_core_standard import TEXT

PRS10 = TEXT.replace("pps-only", "prs10")
HP = KDC + '[receiver]\nprotocol = "hp"\n'
MS = NS_PER_MS


class Asked(Host):
    """A host whose receiver answers what it is asked, at once."""

    answers: ClassVar[dict[bytes, bytes]] = {}
    deaf = False
    asked: list[bytes]

    def step(self, event: Any) -> list[Decision]:
        found = super().step(event)
        for one in only(found, Request):
            self.asked = [*getattr(self, "asked", []), one.data]
            true_ns = event.raw_ns - RAW_0
            super().step(SerialSent(*self.stamp(true_ns), "gps0", one.data))
            answer = b"" if self.deaf else self.answer(one.data.strip(), true_ns)
            if answer:
                super().step(SerialBytes(*self.stamp(true_ns + MS), "gps0", answer))
        return found

    def answer(self, question: bytes, true_ns: int) -> bytes:
        """What it says to a question; ``answers`` are class wide."""
        return self.answers.get(question, b"")


class Rubidium(Asked):
    """A PRS10."""

    answers: ClassVar = {b"ID?": b"PRS10_3.24_SN_1\r", b"LO?": b"1\r", b"ST?": b"0,0,0,0,4,0\r"}


class Hp(Asked):
    """A Z3801A in UTC."""

    answers: ClassVar = {b":PTIME:TZONE?": b":PTIME:TZONE?\r\n+0,+0\r\nscpi > "}

    def answer(self, question: bytes, true_ns: int) -> bytes:
        if question != b":PTIME:TCODE?":
            return super().answer(question, true_ns)
        from refclock.wire.calendar import show_utc

        coming = BEGIN_S + true_ns // NS_PER_S + 1
        body = "T2" + "".join(one for one in show_utc(coming) if one.isdigit()) + "30000"
        return f"{body}{sum(body.encode()) & 255:02X}\r\n".encode()


def test_a_rubidium_that_is_asked_and_says_it_is_locked():
    host = Rubidium(text=PRS10, labels=False)
    host.second(1900)
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0
    assert {one.strip() for one in host.asked} == {b"ID?", b"LO?", b"ST?"}


def test_a_rubidium_that_is_deaf_is_not_believed():
    host = Rubidium(text=PRS10, labels=False)
    host.deaf = True
    found = host.second(300)
    assert {one.reason for one in only(found[-100:], Withhold)} == {"standard-unknown"}
    assert all(b"S" not in one for one in host.asked)


def test_an_hp_is_asked_150_ms_after_its_pulse():
    host = Hp(text=HP, labels=False)
    for _ in range(1900):
        begin = host.now_s * NS_PER_S
        host.second()
        for at_ms in range(140, 620, 20):
            host.step(Tick(*host.stamp(begin + at_ms * MS)))
    assert host.mode is Mode.VETTED
    assert host.worst_ns() == 0
    coded = [one for one in host.events if isinstance(one, SerialSent) and b"TCODE" in one.data]
    assert len(coded) > 1600  # two of its questions go unanswered here, and cost a second each
    assert {(one.raw_ns - RAW_0) % NS_PER_S // MS for one in coded[2:]} <= {140, 160}


def test_the_bridge_wants_to_be_woken_for_the_next_question():
    bridge = Bridge(parse_policy(PRS10), BUILD_S)
    assert bridge.wake_at() == 0
    (request,) = bridge.step(PortChange(RAW_0, 0, 5, "gps0", True, "opened"))
    assert isinstance(request, Request)
    assert (request.port, request.data) == ("gps0", b"\rLO?\r")
    bridge.step(SerialSent(RAW_0 + 5, 5, 5, "gps0", request.data))
    assert bridge.wake_at() == RAW_0 + 5 + 900 * MS
    bridge.step(SerialSent(RAW_0 + 6, 6, 5, "num0", b"ID?\r"))
    assert bridge.wake_at() == RAW_0 + 5 + 900 * MS
    assert bridge.step(PortChange(RAW_0 + 7, 7, 5, "pps0", True, "opened")) == []
    assert bridge.poller is not None


def test_who_is_not_asked_is_not_asked():
    bridge = Bridge(parse_policy(KDC), BUILD_S)
    assert bridge.poller is None
    assert bridge.wake_at() is None
    assert bridge.step(SerialSent(RAW_0, 0, 5, "gps0", b"$PUBX,00*33\r\n")) == []
    assert bridge.step(PortChange(RAW_0, 0, 5, "gps0", False, "gone")) == []


def test_a_recorder_asks_a_receiver_that_speaks_only_then():
    from refclock.cli.record import Nobody
    from refclock.model import PpsEdge

    assert list(Nobody("nmea").step(PortChange(RAW_0, 0, 5, "gps0", True, ""))) == []
    assert Nobody("nmea").wake_at() is None
    nobody = Nobody("prs10")
    (request,) = nobody.step(PortChange(RAW_0, 0, 5, "gps0", True, ""))
    assert isinstance(request, Request)
    assert request.data == b"\rLO?\r"
    assert list(nobody.step(SerialSent(RAW_0, 0, 5, "gps0", request.data))) == []
    (request,) = nobody.step(SerialBytes(RAW_0 + MS, 0, 5, "gps0", b"1\r"))
    assert isinstance(request, Request)
    assert request.data == b"ID?\r"
    assert list(nobody.step(PpsEdge(RAW_0 + 2 * MS, 2 * MS, 5, "pps0", "assert", 1, MS))) == []
    assert nobody.wake_at() is not None
    assert list(nobody.step(PortChange(RAW_0 + 3 * MS, 0, 5, "gps0", False, ""))) == []
    assert nobody.wake_at() is None
    assert nobody.view(0) == nobody.memory() == {}
