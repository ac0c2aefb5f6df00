"""What a standard's pulses are counted from, and who may name one."""

import pytest

from refclock.core.gate.judge import Anchor, Judge
from refclock.core.seconds.interval import Interval, RawRate
from refclock.core.trust.numbering import counted, namers
from refclock.core.trust.vetting import Vetting
from refclock.model import Mode, RtcTick
from refclock.policy import parse_policy
from refclock.units import NS_PER_MS, NS_PER_S
from refclock.wire.report import Label
from tests.unit.test_core_host import BEGIN_S, BUILD_S, KDC

PULSE = KDC + '[receiver]\nprotocol = "pps-only"\n[companion]\ndevice = "/dev/ttyS1"\nprotocol = "nmea"\n'
AT = 10**15


@pytest.mark.parametrize("mode", Mode)
def test_seconds_are_counted_from_the_last_one_that_was_accepted_and_only_while_it_is_trusted(mode):
    """A judge of before a restart counts nothing: the dwell names each second anew (N3)."""
    made = Vetting(parse_policy(PULSE), BUILD_S)
    made.mode = mode
    assert counted(made) is None
    made.judge = Judge(made.policy, Anchor(AT, BEGIN_S * NS_PER_S, 7), RawRate(0, 0))
    made.judge.last_raw_ns, made.judge.last_si_ns = AT + 5, BEGIN_S * NS_PER_S + 6
    anew = mode in (Mode.COLD, Mode.ACQUIRING)
    assert counted(made) == (None if anew else (AT + 5, BEGIN_S * NS_PER_S + 6))


def test_quorum_battery_clock_and_second_receiver_may_name_a_second_if_they_speak():
    made = Vetting(parse_policy(PULSE), BUILD_S)
    assert namers(made, AT) == []
    said = Interval(BEGIN_S * NS_PER_S, BEGIN_S * NS_PER_S + NS_PER_MS, AT)
    made.witnesses.quorum.interval = said
    assert namers(made, AT) == [said]
    made.witnesses.on_rtc(RtcTick(AT, 0, 0, "rtc0", BEGIN_S))
    label = Label("nmea", "RMC", 0, 1, BEGIN_S, label_edge="previous", timescale="utc", valid=True)
    made.witnesses.companion.hear(label, AT, 0, made.witnesses.leap)
    centres = [(one.lo_ns + one.hi_ns) // 2 for one in namers(made, AT)]
    assert centres[:2] == [BEGIN_S * NS_PER_S + NS_PER_MS // 2, BEGIN_S * NS_PER_S]
    assert len(centres) == 3
