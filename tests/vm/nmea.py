"""Another receiver on the UART: it speaks NMEA, and says nothing of where its leap count is from."""

from tests.vm import lies, site
from tests.vm.bench import Bench, check, since


def nmea(bench: Bench) -> str:
    """It is vetted, chronyd steers by it, and its lie of a second is refused and named."""
    _exchange(bench, "ubx", "nmea")
    try:
        bench.settled()
        mark = bench.recorder.mark()
        before = bench.status()["counters"]["published"]
        bench.wait("chronyd selects RCLK", "chronyc -n sources | grep '^#\\* RCLK'")
        bench.rest(15)
        fed = bench.status()["counters"]["published"] - before
        assert fed >= 10, f"only {fed} seconds were fed in 15 s"
        figures = check(since(bench, mark))
        return f"{fed} s fed, {figures}; then {lies.lie(lies.LIES['receiver +1 s'])(bench)}"
    finally:
        _exchange(bench, "nmea", "ubx")
        bench.fed()


def _exchange(bench: Bench, old: str, new: str) -> None:
    """The one receiver for the other, and the word for it in the configuration."""
    bench.run(f"systemctl stop {site.UNIT}")
    bench.stage.speak(new)
    bench.run(f'sed -i \'s/^protocol = "{old}"/protocol = "{new}"/\' {site.CONFIG}')
    assert f'"{new}"' in bench.run(f"grep ^protocol {site.CONFIG}")
    bench.run(f"systemctl start {site.UNIT}")
    bench.until("the daemon answers", lambda told: "mode" in told, 30)
