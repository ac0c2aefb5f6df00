"""A real leap second, which receiver and servers announce: chronyd slews it, and nothing is stepped."""

from refclock.units import NS_PER_MS, NS_PER_S
from tests.vm import site
from tests.vm.bench import Bench, check, off_ns, since

# 2027-01-01T00:00:00Z: chronyd takes a leap second at the end of June or December only.
_AT_S = 1_798_761_600
_LEAD_S = 300
_NEAR_NS = 10 * NS_PER_MS


def leap_second(bench: Bench) -> str:
    """Both go into it a few minutes before, as a first installation: all dates are later than they were."""
    stage = bench.stage
    bench.run(f"systemctl stop {site.UNIT} chrony; rm -rf {site.STATE}/*")
    # The image's list of leap seconds knows none of this one, and may not have expired.
    bench.run(f"sed -i '/^leap_file/d' {site.CONFIG}")
    stage.move((_AT_S - _LEAD_S) * NS_PER_S, _AT_S)
    with bench.attack("ntp-leap:+1"):
        bench.run(f"date -s @{stage.utc_ns() / NS_PER_S:.3f} && hwclock --systohc --utc")
        bench.run(f"systemctl start chrony {site.UNIT}")
        bench.enrolled(30)
        bench.fed()
        bench.until("chronyd has it at true time", lambda told: abs(off_ns(told)) < _NEAR_NS, 150)
        bench.until("it is announced to chronyd", lambda told: told["last_publish"]["leap"] == 1, 60)
        bench.wait("chronyd announces it", "chronyc tracking | grep 'Insert second'", 60)
        before = bench.status()["counters"]
        mark = bench.recorder.mark()
        left_s = _AT_S - stage.truth.now_ns() / NS_PER_S
        assert left_s > 5, f"chronyd knew of it {left_s:.0f} s before it only"
        bench.rest(left_s)
    bench.rest(5)
    bench.fed(30)
    told = bench.status()
    assert told["mode"] == "vetted", (told["mode"], told["mode_reason"])
    assert off_ns(told) < -NS_PER_S // 2, f"{off_ns(told)} ns: the clock is not a second ahead"
    bench.until("chronyd has slewed it", lambda told: abs(off_ns(told)) < _NEAR_NS, 400)
    figures = check(since(bench, mark), bounded=False)
    after = bench.status()["counters"]
    alarms = [key for key in ("clock-step", "clock-rate", "clock-ahead") if after.get(key) != before.get(key)]
    assert not alarms, alarms
    bench.kdc_runs()
    return f"announced by both, passed on, slewed; {figures}"
