"""The state for people: always JSON, in every mode."""

import json

from refclock.model import Mode
from refclock.units import NS_PER_MS, NS_PER_S
from tests.unit.test_core_host import KDC, Host


def seen(host: Host) -> dict[str, object]:
    """The view now, through JSON."""
    told: dict[str, object] = json.loads(json.dumps(host.bridge.view(host.stamp(host.now_s * NS_PER_S)[0])))
    return told


def host_off_ns(host: Host) -> int:
    """The system clock less the vetted time, by another road: both clocks as the host's stamps have them."""
    raw_ns, real_ns, *_ = host.stamp(host.now_s * NS_PER_S)
    vetting = host.bridge.vetting
    assert vetting.judge is not None
    return vetting.witnesses.leap.si_ns(real_ns) - vetting.judge.predicted_ns(raw_ns)


def rows(host: Host) -> dict[str, dict[str, object]]:
    """The witnesses' rows by name."""
    found = seen(host)["witnesses"]
    assert isinstance(found, list)
    return {row["name"]: row for row in found}


def test_before_the_first_word():
    host = Host()
    told = seen(host)
    assert told["mode"] == "cold"
    assert told["mode_since_ns"] is None
    assert (
        told["last_publish"] is told["last_withhold"] is told["last_accusation"] is told["bound_ns"] is None
    )
    assert rows(host)["rtc"]["detail"] == "not heard"
    assert rows(host)["ntp"]["state"] == "no opinion"


def test_without_servers():
    host = Host(KDC.replace('servers = ["a", "b", "c", "d"]', "servers = []"))
    assert rows(host)["ntp"]["detail"] == "no server configured"


def test_during_the_dwell():
    host = Host()
    host.second(60)
    told = seen(host)
    assert told["mode"] == "acquiring"
    assert told["dwell"] == {"elapsed_ns": 60 * NS_PER_S, "needed_ns": 120 * NS_PER_S}
    withheld = told["last_withhold"]
    assert isinstance(withheld, dict)
    assert withheld["words"] == "agreement has not yet lasted long enough"


def test_while_feeding():
    host = Host().feed()
    host.ntp_one_ns = 300 * NS_PER_MS
    host.second(100)
    told = seen(host)
    assert told["mode"] == "vetted"
    assert told["enrolled"] is True
    assert told["alarm"] is False
    assert told["system_off_ns"] == host_off_ns(host)
    assert told["dwell"] is None
    assert {name: row["state"] for name, row in rows(host).items()} == {
        "ntp": "agrees", "ntp:a:123": "falseticker", "ntp:b:123": "agrees", "ntp:c:123": "agrees",
        "ntp:d:123": "agrees", "rtc": "agrees",
    }  # fmt: skip
    assert told["last_accusation"] is not None


def test_in_holdover_the_bound_grows_until_the_alarm():
    host = Host(KDC + "[limits]\nholdover_alarm_us = 20000\n").feed()
    host.silent = True
    host.second(60)
    before = seen(host)
    host.second(3000)
    after = seen(host)
    assert before["mode"] == after["mode"] == "holdover"
    assert isinstance(before["bound_ns"], int)
    assert isinstance(after["bound_ns"], int)
    assert before["bound_ns"] < after["bound_ns"]
    assert (before["alarm"], after["alarm"]) == (False, True)


def test_witnesses_that_are_none():
    host = Host(status=0)
    host.second(200)
    assert rows(host)["rtc"]["detail"] == "follows the system clock and is no witness"
    host = Host().feed()
    host.rtc_ns = 5 * NS_PER_S
    host.ntp_silent = True
    host.second(64)
    assert rows(host)["rtc"]["detail"] == "was set or jumped and is no witness"
    assert rows(host)["ntp:a:123"]["detail"] == "ntp-lost"


def test_a_witness_that_disagrees():
    host = Host().feed()
    host.ntp_ns = 300 * NS_PER_MS
    host.second(40)
    assert rows(host)["ntp"]["state"] == "disagrees"


def test_locked():
    host = Host().feed()
    host.label_s = -1
    host.second(100)
    told = seen(host)
    assert host.mode is Mode.LOCKED
    assert told["mode"] == "locked"
    assert told["mode_reason"] == "label-continuity" or "receiver" in str(told["mode_reason"])
