"""The documents say what the program does: generated parts, commands, examples, links."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from refclock import cli
from refclock.core.bridge import Bridge
from refclock.jsonform import event_line, parse_event
from refclock.policy import parse_policy
from tests.vm.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/**/*.md"))]
PAGES = sorted(ROOT.glob("docs/man/*.[0-9]"))
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture(scope="module")
def generator(load_tool) -> ModuleType:
    return load_tool("gen_docs")  # type: ignore[no-any-return]


def test_generated_parts_are_up_to_date(generator):
    for name in generator.DOCUMENTS:
        text = (ROOT / name).read_text("utf-8")
        assert "<!-- generated: " in text, name
        assert generator.renewed(text) == text, f"{name}: run .venv/bin/python tools/gen_docs.py"


def test_the_shipped_files_are_what_the_program_makes(generator):
    for name, made in generator.FILES.items():
        assert (ROOT / name).read_text("utf-8") == made(), f"{name}: run .venv/bin/python tools/gen_docs.py"


def test_generated_parts_stand_where_the_generator_looks(generator):
    mark = re.compile(r'^(\.\\" )?<!-- generated: ', re.M)
    found = {_name(path) for path in (*DOCUMENTS, *PAGES) if mark.search(path.read_text("utf-8"))}
    assert found == set(generator.DOCUMENTS)


def _blocks(path: Path, *languages: str) -> Iterator[str]:
    for language, body in _FENCE.findall(path.read_text("utf-8")):
        if language in languages:
            yield body


def _typed(path: Path) -> Iterator[str]:
    """The commands that a document has its reader type, as far as they are refclock's."""
    for body in _blocks(path, "sh"):
        yield from body.splitlines()
    for body in _blocks(path, "console"):
        yield from (line[2:] for line in body.splitlines() if line.startswith(("$ ", "# ")))
    text = _FENCE.sub("", path.read_text("utf-8"))
    yield from re.findall(r"`(refclock [^`]+)`", text)


def _commands() -> Iterator[tuple[str, list[str]]]:
    for path in DOCUMENTS:
        for line in _typed(path):
            words = list(_until_pipe(shlex.shlex(line, posix=True, punctuation_chars=True)))
            for at, word in enumerate(words[:-1]):
                # As the command itself; or behind another one (setpriv, sudo), where it names a verb.
                ours = word == "refclock" or word.endswith("/bin/refclock")
                if ours and (at == 0 or words[at + 1] in cli.VERBS):
                    yield f"{_name(path)}: {line}", words[at + 1 :]
                    break

    for path in PAGES:
        # Their examples, as a reader sees them.
        for line in re.findall(r"^[$#] (refclock .*)$", path.read_text("utf-8"), re.M):
            shown = line.replace(r"\-", "-").replace(r"\(aq", "'")
            yield (
                f"{_name(path)}: {shown}",
                list(_until_pipe(shlex.shlex(shown, posix=True, punctuation_chars=True)))[1:],
            )


def _until_pipe(lexer: shlex.shlex) -> Iterator[str]:
    lexer.whitespace_split = True
    lexer.commenters = ""
    for word in lexer:
        if set(word) <= set("|&;<>()"):
            return
        yield word


def test_each_command_line_parses(generator):
    seen = 0
    for where, words in _commands():
        if words[0] in ("--version", "--help", "VERB"):
            continue
        assert words[0] in cli.VERBS, where
        parser = generator.parser_of(words[0])
        if parser is None or "--help" in words:
            continue
        # An inline mention of a verb alone, such as `refclock check`, is no command line.
        if len(words) > 1:
            try:
                parser.parse_args(words[1:])
            except SystemExit:
                pytest.fail(f"{where}: does not parse")
            seen += 1
    assert seen > 10


def test_each_verb_is_documented(generator):
    verbs, readme = (ROOT / "docs/verbs.md").read_text("utf-8"), (ROOT / "README.md").read_text("utf-8")
    for verb in cli.VERBS:
        assert f"## refclock {verb}\n" in verbs
        assert f"| [`{verb}`]" in readme


def test_each_verb_and_each_key_has_its_place_in_a_manual_page():
    assert [path.name for path in PAGES] == ["refclock.8", "refclock.toml.5"]
    verbs, keys = (path.read_text("utf-8").replace(r"\-", "-") for path in PAGES)
    for verb in cli.VERBS:
        assert f".SS {verb}\n" in verbs
        assert f"\n$ refclock {verb}" in verbs
    configuration = (ROOT / "docs/configuration.md").read_text("utf-8")
    written = re.findall(r"^\| `([a-z_]+(?:\.[a-z_]+)?)` \|", configuration, re.M)
    assert len(written) > 60
    for key in written:
        assert f".TP\n\\fB{key}\\fR" in keys, key


def test_a_text_for_a_manual_page_cannot_be_taken_for_a_request(generator):
    made = generator.manpages.filled("`.so x` and so on. 'tis `a-b` \\ [a page](x.md#y), ^ ~ **now**")
    assert made == ("\\fB.so x\\fR and so on. 'tis \\fBa\\-b\\fR \\e a page, \\(ha \\(ti \\fBnow\\fR\n")
    assert generator.manpages.filled(".x") == "\\&.x\n"
    assert generator.manpages.block(["'x", ".y", "a-b"]) == ".PP\n.nf\n\\&\\(aqx\n\\&.y\na\\-b\n.fi\n"


def _anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_links_resolve():
    broken = []
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)]+)\)", path.read_text("utf-8")):
            if re.match(r"https?://", target):
                continue
            file, _, fragment = target.partition("#")
            aim = (path.parent / file).resolve() if file else path
            if not aim.exists():
                broken.append(f"{_name(path)}: {target}")
            elif fragment:
                headings = re.findall(r"^#+ (.*)$", aim.read_text("utf-8"), re.M)
                if fragment not in {_anchor(one) for one in headings}:
                    broken.append(f"{_name(path)}: {target}")
    assert not broken, "\n".join(broken)


def test_configurations_are_good():
    seen = 0
    for path in DOCUMENTS:
        for body in _blocks(path, "toml"):
            parse_policy(body, _name(path))
            seen += 1
    assert seen >= 3


def test_each_key_of_the_configuration_is_documented():
    text = (ROOT / "docs/configuration.md").read_text("utf-8")
    source = (ROOT / "src/refclock/policy/document.py").read_text("utf-8")
    tables = re.findall(r'\.table\("(\w+)", \(([^)]*)\)', source)
    assert len(tables) >= 6
    for table, keys in tables:
        for key in re.findall(r'"(\w+)"', keys):
            assert f"`{table}.{key}`" in text, f"{table}.{key}"


def test_each_field_of_the_status_is_documented():
    text = (ROOT / "docs/status.md").read_text("utf-8")
    for key in Bridge(parse_policy(""), 0).view(0):
        assert f"`{key}`" in text, key


def test_examples_of_captures_are_events():
    kinds = set()
    for body in _blocks(ROOT / "docs/capture-format.md", "jsonl"):
        for line in body.splitlines():
            fields = json.loads(line)
            if "k" in fields and fields["k"] != "end":
                event = parse_event(fields)
                assert event is not None
                assert event_line(event) == line
                kinds.add(fields["k"])
    assert len(kinds) >= 4


def test_each_requirement_names_tests_and_scenarios_that_there_are():
    rows = re.findall(r"^\| ([0-9][^|]*) \|(.*)\|$", (ROOT / "docs/requirements.md").read_text("utf-8"), re.M)
    assert len(rows) >= 20
    for number, row in rows:
        files = re.findall(r"`(tests/[a-z0-9_/]+\.py|test_[a-z0-9_]+\.py)`", row)
        paths = [path for name in files for path in ROOT.glob(name if "/" in name else f"tests/*/{name}")]
        assert len(paths) == len(files) > 0, f"{number}: names no test, or one that is not there: {files}"
        for pattern in re.findall(r"`(test_[a-z0-9_*]+)`", row):
            wanted = re.compile(rf"^def {pattern.replace('*', '.*')}\(", re.M)
            assert any(wanted.search(path.read_text("utf-8")) for path in paths), f"{number}: {pattern}"
        seen = row.rpartition(" | ")[2]
        named = re.findall(r'"([^"]+)"', seen)
        assert named or seen.startswith("no: "), f"{number}: names no scenario, and does not say why"
        assert {one.name for one in SCENARIOS}.issuperset(named), f"{number}: {named}"


def test_decisions_have_a_number_of_their_own():
    names = [path.name for path in sorted((ROOT / "docs/adr").glob("*.md"))]
    assert len({name[:4] for name in names}) == len(names)
    for name in names:
        if name != "0000-template.md":
            assert (ROOT / "docs/adr" / name).read_text("utf-8").startswith(f"# {name[:4]}: ")
