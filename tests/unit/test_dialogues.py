"""Everything that is ever sent to a receiver, held against what its family's manual calls a setting."""

import re

import pytest

from refclock.wire.dialogue import RESYNCHRONISES
from refclock.wire.families import FAMILIES, dialogue_of

POLLED = {name: row.dialogue for name, row in FAMILIES.items() if row.dialogue is not None}
# A question, to the letter. What is not in here is not sent; nothing here has an argument.
QUERY = {
    "hp": re.compile(rb":[A-Z:]+\?\r"),
    "jackson-labs": re.compile(rb"(\*IDN|[A-Z:]+)\?\r\n"),
    "5071a": re.compile(rb"(\*IDN|[A-Z:]+)\?\r\n"),
    "csac": re.compile(rb"!(\^|6)(\*[0-9A-F]{2})?\r\n"),
    "sa5x": re.compile(rb"\{get,[A-Za-z]+\|[0-9A-F]{2}\}"),
    "prs10": re.compile(rb"(ID|LO|ST)\?\r"),
}
# Set, store, synchronise, reset, stand by: words of the manuals' commands.
SETTERS = (
    b"INIT",
    b"IMM",
    b"PRES",
    b"RST",
    b"CLS",
    b"SET",
    b"STAN",
    b"PTIM:SYNC",
    b"SAVE",
    b"{set",
    b"{store",
    b"!S",
)


@pytest.mark.parametrize("name", sorted(POLLED))
def test_only_questions_are_sent(name):
    dialogue = POLLED[name]
    assert dialogue is not None
    for sent in dialogue.sent():
        assert QUERY[name].fullmatch(sent), sent
        assert not any(word in sent.upper() for word in SETTERS)
    assert dialogue.resync in (b"", b"\r", b"\r\n")
    assert set(QUERY) == set(POLLED)


@pytest.mark.parametrize("name", sorted(POLLED))
def test_each_can_prove_itself_without_a_byte_0x53(name):
    dialogue = POLLED[name]
    assert dialogue is not None
    harmless = [one for one in dialogue.questions if RESYNCHRONISES not in one.data + one.otherwise]
    assert any(set(one.answers) & set(dialogue.proof) for one in harmless)


def test_a_csac_is_never_sent_a_byte_0x53():
    dialogue = dialogue_of("csac")
    assert dialogue is not None
    assert all(RESYNCHRONISES not in sent for sent in dialogue.sent())
    assert RESYNCHRONISES not in dialogue.resync


def test_who_speaks_unasked_is_asked_nothing():
    assert dialogue_of("nmea") is None
    assert dialogue_of("auto") is None
    assert not FAMILIES["ubx"].polled
    assert FAMILIES["hp"].polled
