"""Whatever stands in chrony.conf, in units, in /proc and in chronyc's answers: judged, never a crash."""

import json

from hypothesis import given
from hypothesis import strategies as st

from refclock.chrony import commandline
from refclock.chrony.effective import Effective, Wanted
from refclock.chrony.live import refids
from refclock.chrony.rules.table import JUDGED, RULES, judge
from refclock.chrony.setters import setter_of
from refclock.chrony.shipped import Present, complete
from refclock.cli.check import rows
from refclock.cli.doctor import document
from refclock.finding import FAIL, OK, WARN
from refclock.policy import PROFILES
from refclock.wire.chronyc import parse_authdata, parse_deviations, parse_sources, parse_tracking
from refclock.wire.chronyconf import parse_text

NAMES = sorted(JUDGED | {"driftfile", "cmdport", "keyfile", "no-such"})
WORDS = (
    "SHM", "SOCK", "PPS", "RTC", "20", "0", "-1", "1e99999", "nan", "inf", "0x10", "²", "١", "0.5", "all",
    "20:perm=0666", "20:perm=", "/run/chrony.refclock.a.sock", "/dev/pps0", "nts", "key", "7", "trust", "::1",
    "noselect", "maxpoll", "maxsamples", "poll", "offset", "refid", "maxsources", "require", "slew", "10/8",
    "right/UTC", "ntp1.example.net", "tai", "maxunreach",
)  # fmt: skip
lines = st.builds(
    lambda name, words: " ".join([name, *words]),
    st.sampled_from(NAMES),
    st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=5)), max_size=6),
)
configurations = st.lists(st.one_of(lines, st.text(max_size=20)), max_size=12).map("\n".join)
wanted = st.builds(
    Wanted, st.sampled_from(PROFILES), st.sampled_from([(), ("/run/chrony.refclock.a.sock",)]),
    st.sampled_from([(), (20,)]), st.booleans(),
)  # fmt: skip


@given(configurations, wanted, st.lists(st.text(max_size=6), max_size=5))
def test_every_configuration_is_judged_row_by_row(text, wanted, words):
    directives = parse_text(text, "c")
    command = commandline.parse(("chronyd", *words), "here")
    conf = Effective("c", directives, directives, command)
    found = list(judge(conf, wanted))
    assert {one.what for one in found} >= {rule.name for rule, _ in RULES if rule.name != "command line"}
    assert all(one.verdict in (OK, WARN, FAIL) and (one.verdict == OK) == (not one.mend) for one in found)
    assert max(map(len, rows(found, clauses=True))) <= 80
    json.dumps(document(found, wanted.profile))
    refids(conf)


@given(configurations, st.sampled_from(PROFILES))
def test_what_is_made_of_any_sources_is_read_again_and_no_worse(text, profile):
    directives = parse_text(text)
    sources = tuple(one for one in directives if one.name in ("server", "pool", "peer"))
    kept = tuple(one for one in directives if one.name not in JUDGED)
    made = complete(profile, Present(sources=sources, kept=kept))
    again = parse_text(made)
    conf = Effective("c", again, again)
    named = {
        "makestep",
        "rate",
        "leapsecmode",
        "maxchange",
        "refclock",
        "authselectmode",
        "NTS",
        "minsources",
    }
    for one in judge(conf, Wanted(profile)):
        if one.what in named:
            assert one.verdict == OK, (one, made)


@given(st.text(), st.lists(st.text(), max_size=4))
def test_a_process_of_any_name(name, argv):
    setter_of(name, tuple(argv))


cells = st.sampled_from(["#", "^", "*", "1", "377", "-1", "0.000000001", "x", "NTS", "", "²"])


@given(st.lists(st.lists(cells, min_size=7, max_size=15).map(",".join)).map("\n".join))
def test_any_answer_of_chronyc(text):
    parse_tracking(text)
    parse_sources(text)
    parse_deviations(text)
    parse_authdata(text)
