"""What the kernel and the running chronyd tell, judged: looks at adjtimex, and reports as chrony 4.3 prints
them."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.kernel import judge_discipline, judge_eleven, judge_rate, kernel, rate_ppb
from refclock.chrony.leap import leap_file
from refclock.chrony.live import command_socket, live
from refclock.chrony.processes import Process
from refclock.finding import FAIL, OK, WARN, Finding
from refclock.model import SystemClock
from refclock.wire.chronyconf import parse_text

KDC, APPSERVER = Wanted("kdc"), Wanted("appserver", rtc=False)
NOW = SystemClock(
    1, 1, 1, freq_ppb=0, tick_us=10_000, status=0x40, maxerror_us=0, tai_s=37, clocksource="tsc", boot_id="b",
    suspended_ms=0,
)  # fmt: skip
LINES = """\
refclock SOCK /run/chrony.refclock.a.sock refid RCLK poll 4
server 192.0.2.1 nts
server ntp.example.org nts
"""


def conf(*lines: str, text: str = LINES) -> Effective:
    return Effective("c", parse_text("\n".join([text, *lines]), "c"))


@pytest.mark.parametrize(
    ("tick", "ppm", "wanted", "steered", "verdict"),
    [
        (10_000, 0, KDC, True, OK),
        (10_000, 12, KDC, False, OK),
        (10_050, 0, KDC, True, OK),
        (10_050, 0, KDC, None, OK),
        # 5000 ppm and nobody there: a slew that was left behind.
        (10_050, 0, KDC, False, FAIL),
        (10_100, 0, KDC, True, OK),
        (10_100, 1, KDC, True, FAIL),
        (9_899, 0, KDC, True, FAIL),
        (10_833, 0, APPSERVER, True, OK),
        (10_833, 0, APPSERVER, False, FAIL),
        (11_000, 1, APPSERVER, True, FAIL),
        (10_000, 400, Wanted("kdc-cesium"), False, FAIL),
    ],
)
def test_the_kernel_s_rate(tick, ppm, wanted, steered, verdict):
    row = judge_rate(replace(NOW, tick_us=tick, freq_ppb=ppm * 1000), wanted, steered)
    assert row.verdict == verdict
    assert ("left behind" in row.found) is (steered is False and verdict == FAIL)


def test_the_rate_that_tick_and_freq_make():
    assert rate_ppb(replace(NOW, tick_us=9_999, freq_ppb=-500)) == -100_500
    row = judge_rate(replace(NOW, tick_us=9_999, freq_ppb=-500), KDC, True)
    assert "100.500 ppm slow" in row.found


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        (0, ""),
        (0x01, "PLL"),
        (0x08, "PLL"),
        (0x02, "pulse"),
        (0x04, "pulse"),
        (0x10, "midnight"),
        (0x20, "midnight"),
    ],
)
def test_whoever_steers_by_the_kernel(bits, said):
    row = judge_discipline(replace(NOW, status=0x40 | bits), KDC)
    assert row.verdict == (FAIL if bits else OK)
    assert said in row.found


@pytest.mark.parametrize(
    ("status", "lines", "wanted", "verdict", "said"),
    [
        (0x40, (), KDC, OK, "off"),
        (0, ("rtcsync",), KDC, FAIL, "rtcsync asks for it"),
        (0, (), KDC, FAIL, "some other program"),
        (0, (), APPSERVER, WARN, "some other program"),
    ],
)
def test_the_kernel_s_copies_into_the_rtc(status, lines, wanted, verdict, said):
    row = judge_eleven(replace(NOW, status=status), wanted, conf(*lines))
    assert (row.verdict, said in row.found) == (verdict, True)


def test_this_machine_s_own_kernel_is_looked_at_and_left_alone():
    rows = list(kernel(APPSERVER, None, None))
    assert [row.what for row in rows] == ["kernel's rate", "kernel's discipline", "11-minute mode"]
    assert all(row.known for row in rows)


def leap_list(root: Path, expires: int) -> None:
    place = root / "usr/share/zoneinfo/leap-seconds.list"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#@ {expires + 2_208_988_800}\n2272060800 10\n")


@pytest.mark.parametrize(
    ("line", "zone", "expires", "judged"),
    [
        ("leapsectz right/UTC", True, 4_000_000_000, (OK, "good for")),
        ("leapsectz right/UTC", True, 1_000_000_000, (WARN, "expired")),
        ("leapsectz right/UTC", True, None, (OK, "does not say")),
        ("leapsectz right/UTC", False, 4_000_000_000, (FAIL, "not there, so chronyd passes over")),
        ("leapseclist /usr/share/zoneinfo/leap-seconds.list", False, 4_000_000_000, (OK, "good for")),
        ("leapseclist /usr/share/zoneinfo/leap-seconds.list", False, None, (FAIL, "No such file")),
    ],
)
def test_where_leap_seconds_come_from(tmp_path, line, zone, expires, judged):
    if expires is not None:
        leap_list(tmp_path, expires)
    if zone:
        (tmp_path / "usr/share/zoneinfo/right").mkdir(parents=True)
        (tmp_path / "usr/share/zoneinfo/right/UTC").touch()
    (row,) = leap_file(tmp_path, KDC, conf(line))
    assert row.verdict == judged[0]
    assert judged[1] in row.found


def test_a_list_that_is_none(tmp_path):
    leap_list(tmp_path, 1)
    (tmp_path / "usr/share/zoneinfo/leap-seconds.list").write_text("what")
    (row,) = leap_file(tmp_path, KDC, conf("leapseclist /usr/share/zoneinfo/leap-seconds.list"))
    assert row.verdict == FAIL
    assert list(leap_file(tmp_path, KDC, conf())) == []


TRACKING = "52434C4B,RCLK,1,1795409546.8,{slow},-0.1,0.4,{ppm},-0.025,0.575,0.00001,0.000002,16.0,{leap}\n"
REFCLOCK = "#,{state},RCLK,0,4,{reach},{age},{off},0.000000000,0.000000001\n"
SERVERS = """\
^,+,192.0.2.1,1,6,377,12,0.000000000,0.000000000,0.000000001
^,-,198.51.100.2,1,6,377,3,0.000000000,0.000000000,0.000000001
"""
NAMES = SERVERS.replace("198.51.100.2", "ntp.example.org")
STATS = "RCLK,32,12,480,0.001,0.002,0.000000213,0.000000450\n"
VOUCHED = "192.0.2.1,NTS,1,15,256,7,0,0,8,100\n198.51.100.2,NTS,1,15,256,7,0,0,8,100\n"


class Chronyc:
    """A stand-in for chronyc that prints what it is told to."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.said = {
            "tracking": TRACKING.format(slow="0.000000100", ppm="-1.500", leap="Normal"),
            "refclock": REFCLOCK.format(state="*", reach="377", age="7", off="0.000000000"),
            "servers": SERVERS, "names": NAMES, "stats": STATS, "authdata": VOUCHED,
        }  # fmt: skip
        self.script = home / "chronyc"

    def rows(
        self, wanted: Wanted = KDC, configuration: Effective | None = None, **said: str
    ) -> list[Finding]:
        """What is made of it. An empty ``authdata`` is refused, as it is over UDP."""
        told = self.said | said
        for name, text in told.items():
            (self.home / name).write_text(text)
        ending = "" if told["authdata"] else "echo '501 Not authorised'; exit 1"
        self.script.write_text(
            f'#!/bin/sh\ncd {self.home}\ncase "$*" in\n'
            f"*authdata*) cat authdata; {ending};;\n"
            "*-N*) cat refclock names;;\n*) cat tracking refclock servers stats;;\nesac\n"
        )
        self.script.chmod(0o755)
        running = [Process(9, "chronyd", ("chronyd",), 0, 1 << 25, started_s=2_000_000_000)]
        return list(live([str(self.script)], wanted, configuration or conf(), running, True))


@pytest.fixture
def chronyc(tmp_path) -> Chronyc:
    return Chronyc(tmp_path)


@pytest.fixture
def row(chronyc) -> Callable[..., Finding]:
    """A function: the row of a name that what chronyc says gives; the worst, where there are several."""

    def find(name: str, wanted: Wanted = KDC, configuration: Effective | None = None, **said: str) -> Finding:
        rows: list[Finding] = chronyc.rows(wanted, configuration, **said)
        found = [one for one in rows if one.what == name]
        return max(found, key=lambda one: (OK, WARN, FAIL).index(one.verdict))

    return find


def test_all_is_well(chronyc):
    rows = chronyc.rows()
    assert [(one.what, one.verdict) for one in rows] == [
        ("chronyd", OK), ("tracking", OK), ("refclock heard", OK), ("live sources", OK),
    ]  # fmt: skip
    assert "follows RCLK, stratum 1; the clock is 100 ns slow" in rows[1].found
    assert "state *, reach 377, last sample 7 s ago, 32 samples within 450 ns" in rows[2].found
    assert rows[3].found == "2 servers, all that can be selected authenticated"


@pytest.mark.parametrize(
    ("slow", "ppm", "leap", "said"),
    [
        ("0.0", "0.0", "Not synchronised", "cannot be read"),
        ("0.000000000", "0.000", "Not synchronised", "follows nobody"),
        ("-1.200000000", "0.000", "Normal", "1.20 s fast"),
        ("0.000000000", "-612.000", "Normal", "612 ppm off"),
    ],
)
def test_tracking(row, slow, ppm, leap, said):
    found = row("tracking", tracking=TRACKING.format(slow=slow, ppm=ppm, leap=leap))
    assert found.verdict == WARN
    assert said in found.found


@pytest.mark.parametrize(
    ("state", "reach", "age", "said"),
    [
        ("*", "377", "3", "-3600 s from the clock"),
        ("*", "0", "700", "fell silent, and chrony goes on with it"),
        ("*", "376", "129", "fell silent"),
        ("?", "0", "4294967295", "no sample yet"),
        ("?", "0", "4294967295", "nothing comes"),
        ("x", "377", "3", "outvote it"),
    ],
)
def test_the_refclock(row, state, reach, age, said):
    off = "3600.000000000" if "from the clock" in said else "0.000000001"
    line = REFCLOCK.format(state=state, reach=reach, age=age, off=off)
    found = row("refclock heard", refclock=line, stats="")
    assert found.verdict == WARN
    assert said in found.found


def test_a_refclock_that_the_running_chronyd_does_not_have(row):
    assert "restart chronyd" in row("refclock heard", refclock="").mend
    other = conf(text="refclock SOCK /run/chrony.refclock.a.sock")
    # Without a refid chrony names it by driver and number.
    line = REFCLOCK.format(state="*", reach="377", age="1", off="0.000000000").replace("RCLK", "SOC0")
    assert row("refclock heard", configuration=other, refclock=line).verdict == OK


def test_two_refclocks_of_one_reference_id_are_not_taken_for_each_other(row):
    second = "refclock SOCK /run/chrony.refclock.b.sock refid RCLK poll 4"
    found = row("refclock heard", configuration=conf(second))
    assert (found.verdict, "cannot be told apart" in found.found) == (WARN, True)
    assert found.mend == "give the one at c:1 a `refid` of its own"


def test_a_server_that_no_file_names(row):
    found = row("live sources", names=NAMES.replace("ntp.example.org", "dhcp.example.org"))
    assert (found.verdict, found.found) == (FAIL, "dhcp.example.org was added while chronyd runs")
    assert "chronyc delete 198.51.100.2" in found.mend
    assert row("live sources", APPSERVER, names=NAMES.replace("ntp.example.org", "x")).verdict == WARN


def test_who_is_not_authenticated(row):
    found = row("live sources", authdata=VOUCHED.replace("198.51.100.2,NTS", "198.51.100.2,-"))
    assert (found.verdict, "198.51.100.2: not authenticated" in found.found) == (FAIL, True)
    refused = row("live sources", authdata="")
    assert (refused.known, "told to root alone" in refused.found) == (False, True)
    # Where chrony selects nobody else, nothing need be asked.
    told = row("live sources", configuration=conf("authselectmode require"), authdata="")
    assert (told.verdict, told.known) == (OK, True)


def test_a_chronyc_that_gets_no_answer(chronyc):
    (chronyc.home / "chronyc").write_text("#!/bin/sh\necho '506 Cannot talk to daemon'\nexit 1\n")
    (chronyc.home / "chronyc").chmod(0o755)
    for command in (str(chronyc.home / "chronyc"), str(chronyc.home / "none")):
        rows = list(live([command], KDC, conf(), [], True))
        assert [(one.what, one.known) for one in rows] == [("chronyd", False), ("tracking", False)]
    rows = list(live([str(chronyc.home / "none")], KDC, None, [], False))
    assert rows[0].mend == "run it as root"


def test_a_configuration_that_is_newer_than_the_daemon(tmp_path):
    path = tmp_path / "chrony.conf"
    path.touch()
    running = [Process(9, "chronyd", (), 0, 1 << 25, started_s=int(path.stat().st_mtime) - 60)]
    first = next(iter(live(["/nowhere"], KDC, replace(conf(), files=(str(path),)), running, True)))
    assert (first.verdict, str(path) in first.found, first.mend) == (WARN, True, "restart it")


@pytest.mark.parametrize(("mode", "verdict"), [(0o700, OK), (0o750, WARN), (0o770, WARN), (0o755, FAIL)])
def test_the_command_socket_s_directory(tmp_path, mode, verdict):
    place = tmp_path / "run/chrony"
    place.mkdir(parents=True)
    place.chmod(mode)
    (found,) = command_socket(tmp_path, KDC, None)
    assert found.verdict == verdict
    assert f"uid {os.getuid()}" in found.found
    (elsewhere,) = command_socket(tmp_path, KDC, conf("bindcmdaddress 127.0.0.1", "bindcmdaddress /run/x/s"))
    assert elsewhere.found.endswith("run/x is not there")
