"""What chronyc prints, as chrony 4.3 printed it."""

import pytest

from refclock.wire.chronyc import (
    ChronySource,
    SourceState,
    Tracking,
    parse,
    parse_authdata,
    parse_deviations,
    parse_sources,
    parse_tracking,
)

TRACKING = (
    "7F000002,127.0.0.2,6,1795409546.819145408,0.249997601,-0.000000174,0.000000483,"
    "-0.264,-0.025,0.575,0.000011678,0.000002779,1.0,Normal\n"
)
SOURCES = """\
#,*,RCLK,0,4,377,3,0.000000000,0.000000000,0.000000001
^,+,127.0.0.1,5,0,377,0,-0.000000690,-0.000000850,0.000004292
=,x,fe80::1,5,6,17,40,1.000003147,0.000002973,0.000007841
^,?,127.0.0.3,5,0,377,0,0.000006959,0.000006825,0.000012217
^,*,127.0.0.4,0,1,0,4294967295,0.000000000,0.000000000,0.000000000
"""
AUTHDATA = """\
127.0.0.1,SK,1,3,256,4294967295,0,0,0,0
fe80::1,NTS,1,15,256,7,0,0,8,100
127.0.0.3,-,0,0,0,4294967295,0,0,0,0
127.0.0.4,NTS,0,0,0,4294967295,1,0,0,0
"""
ONE = ChronySource("127.0.0.1", 249_997_601 + 690, 4_292, 0, 0o377)
TWO = ChronySource("fe80::1", 249_997_601 - 1_000_003_147, 7_841, 40, 0o17)


def test_authenticated_servers_and_peers_that_answer_and_no_reference_clock():
    report = parse(TRACKING + SOURCES + AUTHDATA, required=False)
    assert report is not None
    assert report.sources == (ONE, TWO)
    assert report.leap == 0


def test_where_chrony_requires_authentication_what_it_can_select_has_it():
    report = parse(TRACKING + SOURCES, required=True)
    assert report is not None
    assert report.sources == (ONE, TWO)


def test_without_authdata_nothing_is_vouched_for():
    report = parse(TRACKING + SOURCES, required=False)
    assert report is not None
    assert report.sources == ()


@pytest.mark.parametrize(
    ("told", "leap"),
    [("Normal", 0), ("Insert second", 1), ("Delete second", 2), ("Not synchronised", 3), ("?", 3)],
)
def test_the_leap_status(told, leap):
    report = parse(TRACKING.replace("Normal", told), required=True)
    assert report is not None
    assert report.leap == leap


@pytest.mark.parametrize(
    "text",
    ["", "506 Cannot talk to daemon\n", SOURCES + AUTHDATA, TRACKING * 2 + SOURCES,
     TRACKING.replace("0.249997601", "nan"), TRACKING.replace("0.249997601", "1e3"), "\0,,,\n\n"],
)  # fmt: skip
def test_what_is_not_whole_is_no_report(text):
    assert parse(text, required=True) is None


@pytest.mark.parametrize(
    "strange", ["inf", "", "+0.000000001", "0.0000000001", "99999999999.000000000", "٣.000000000"]
)
def test_a_row_with_a_strange_number_is_passed_over(strange):
    report = parse(TRACKING + SOURCES.replace("-0.000000690", strange), required=True)
    assert report is not None
    assert report.sources == (TWO,)


@pytest.mark.parametrize(
    ("was", "strange"), [(",377,0,", ",399,0,"), (",377,0,", ",377,-1,"), (",377,0,", ",0,0,")]
)
def test_a_row_with_a_strange_reach_or_age_is_passed_over(was, strange):
    report = parse(TRACKING + SOURCES.replace(was, strange, 1), required=True)
    assert report is not None
    assert report.sources == (TWO,)


def test_a_negative_error_is_none():
    report = parse(TRACKING + SOURCES.replace("0.000004292", "-0.000004292"), required=True)
    assert report is not None
    assert report.sources == (TWO,)


def test_tracking_for_people():
    told = parse_tracking(TRACKING)
    assert told == Tracking("7F000002", "127.0.0.2", 6, 249_997_601, -264, 0)
    assert parse_tracking(TRACKING + TRACKING) is None
    assert parse_tracking(TRACKING.replace(",6,", ",x,")) is None
    assert parse_tracking(TRACKING.replace("-0.264", "-0.26")) is None
    assert parse_tracking("") is None


def test_every_source_s_state():
    found = parse_sources(SOURCES + TRACKING + AUTHDATA)
    assert [one.name for one in found] == ["RCLK", "127.0.0.1", "fe80::1", "127.0.0.3", "127.0.0.4"]
    assert found[0] == SourceState("#", "*", "RCLK", 0, 0o377, 3, 0, 1)
    assert found[-1].age_s is None
    assert found[2].ahead_ns == 1_000_003_147
    assert [one.selectable for one in found] == [True, True, True, False, True]
    for cut in ("#,*,RCLK,x,4,377,3,0,0,0", "#,*,RCLK,0,4,9,3,0,0,0", "#,*,RCLK,0,4,377,-,0,0,0", "#,*"):
        assert parse_sources(cut) == ()


def test_who_is_authenticated_and_how_far_samples_spread():
    assert parse_authdata(AUTHDATA + SOURCES) == {
        "127.0.0.1": True, "fe80::1": True, "127.0.0.3": False, "127.0.0.4": True,
    }  # fmt: skip
    rows = "RCLK,32,12,480,0.001,0.002,0.000000213,0.000000450\nX,n,1,1,1,1,1,1\nY,1,1,1,1,1,1,nan\n"
    assert parse_deviations(rows) == {"RCLK": (32, 450)}
