"""chrony's configuration as text: directives, comments, options; and chronyd's command line."""

import pytest

from refclock.chrony import commandline
from refclock.wire.chronyconf import Directive, explanation, parse_line, parse_text


@pytest.mark.parametrize("text", ["", "   ", "# server a", "! x", "; x", "% x", "  #x"])
def test_what_is_no_directive(text):
    assert parse_line(text) is None


def test_a_line():
    one = parse_line("\tMaxSlewRate   5000  ", "c", 3)
    assert one == Directive("maxslewrate", ("5000",), "c", 3)
    assert (one.text, one.place) == ("maxslewrate 5000", "c:3")
    assert Directive("a", (), "the command line").place == "the command line"
    assert Directive("a", ()).place == ""


def test_options_are_found_in_any_case_and_the_last_one_counts():
    one = parse_line("server a NTS maxpoll 7 MAXPOLL 6")
    assert one is not None
    assert one.has("nts")
    assert not one.has("trust")
    assert one.option("maxpoll") == "6"
    assert one.option("key") is None


def test_an_explanation_is_the_comment_right_above():
    text = "# refclock doctor: for the realm\nallow 192.0.2.1\nallow 192.0.2.2\n#refclock DOCTOR:x\n\nallow\n"
    assert [one.reason for one in parse_text(text)] == ["for the realm", "", ""]
    assert explanation("! Refclock doctor:  why ") == "why"
    assert explanation("# somebody: why") == ""


@pytest.mark.parametrize(
    ("words", "flags", "file", "directives"),
    [
        ("-F 1", "", None, ()),
        ("-q -f /c", "q", "/c", ()),
        ("-xrsf/c", "xrs", "/c", ()),
        ("-d -u root -t 5 -L 0", "d", None, ()),
        ("-- -q", "", None, ("-q",)),
        ("-n -f", "n", "", ()),
        ("--version", "v", None, ()),
    ],
)
def test_a_command_line(words, flags, file, directives):
    found = commandline.parse(("chronyd", *words.split()), "here")
    assert found.flags == frozenset(flags)
    assert found.file == file
    assert tuple(one.text for one in found.directives) == directives


def test_directives_and_values_of_a_command_line():
    found = commandline.parse(("chronyd", "maxslewrate 3", "-u", "x", "server a nts", "-q"), "here")
    assert [one.text for one in found.directives] == ["maxslewrate 3", "server a nts"]
    assert found.value("u") == "x"
    assert found.flags == {"q"}
    assert found.text == "chronyd maxslewrate 3 -u x server a nts -q"
    assert commandline.parse((), "here").text == ""
