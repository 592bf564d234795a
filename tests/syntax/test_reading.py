"""Files of all sorts, line ends of all sorts, and the limits of size and nesting (B01 to B09)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gendsl.diagnostics import CompileError, Diagnostic, render_all
from gendsl.source import Source
from gendsl.syntax import ast
from gendsl.syntax.lexing import RESERVED
from gendsl.syntax.parser import parse, parse_with_warnings
from gendsl.syntax.reading import SIZE_LIMIT, read_source, source_from_text

KITCHEN_SINK = Path(__file__).parents[1] / "golden" / "valid" / "kitchen_sink.gen"
SECONDS = 10.0  # of CPU; far more than needed, so that a loaded machine passes


def findings(text: str) -> tuple[Diagnostic, ...]:
    """All errors in a text."""
    try:
        parse(source_from_text(text))
    except CompileError as error:
        return error.diagnostics
    return ()


def codes(text: str) -> list[str]:
    """The codes of all errors in a text."""
    return [d.code for d in findings(text)]


def refused(path: Path | str) -> str:
    with pytest.raises(CompileError) as caught:
        parse(read_source(path))
    return str(caught.value)


# B01


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n# comments", "\ufeff", " \t\n"])
def test_empty(text):
    assert codes(text) == ["GD001"]


def test_directory(tmp_path):
    assert f"no model found in {tmp_path}: it is a directory" in refused(tmp_path)


def test_missing(tmp_path):
    assert "there is no such file" in refused(tmp_path / "a.gen")


def test_data_file(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("model A")
    assert "by its ending it holds data" in refused(path)


def test_impossible_name():
    assert "this is no file name" in refused("a\0b.gen")


# B02


def test_unclosed_brackets_name_both_places_and_hide_nothing():
    text = "model M\nlatent a ~ Normal(0, 1\nlatent b ~ f([0)\nlatent c ~ g(1))\nlet d = \n"
    with pytest.raises(CompileError) as caught:
        parse(source_from_text(text))
    source = caught.value.source
    places = [(d.code, source.position(d.span.start)) for d in caught.value.diagnostics]
    expected = [("GD012", (2, 18)), ("GD012", (3, 14)), ("GD013", (4, 16)), ("GD019", (5, 8))]
    assert places == expected
    assert source.position(caught.value.diagnostics[0].labels[0].span.start) == (2, 23)


# B03


@pytest.mark.parametrize("word", sorted(RESERVED))
@pytest.mark.parametrize("place", ["let {} = 3", "let a = f({}, 1)", "let a = b + {}"])
def test_keywords_are_no_names(word, place):
    found = codes(f"model M\n{place.format(word)}\nlatent b ~ N(0, 1)")
    is_operator = word == "not" and "f(" in place  # its operand is missing
    assert found == ["GD020" if is_operator else "GD011"]


# B04 and B05


@pytest.mark.parametrize("character", "\u202e\u2066\u200b\u200d\u00ad\ufeff\u2028\x0c\x1b\x85")
def test_invisible_characters_are_refused_in_comments_too(character):
    assert codes(f"model M # a{character}b\nlet a = 1") == ["GD004"]
    assert codes(f"model M\nlet a{character} = 1") == ["GD004"]


def test_messages_show_no_invisible_character():
    with pytest.raises(CompileError) as caught:
        parse(source_from_text("model M # \x1b[2J\u202e"))
    assert not any(c in str(caught.value) for c in "\x1b\u202e")


def test_columns_count_characters():
    with pytest.raises(CompileError) as caught:
        parse(source_from_text("model M\nlet a = β"))
    assert str(caught.value).startswith("<text>:2:9: ")


def test_comments_may_hold_any_letters():
    assert codes("# größe 尺寸 😀\nmodel M") == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"model M\n# \xe9\n", "not UTF-8 at byte 10"),
        (b"model M\0\n", "not UTF-8 at byte 7"),
        (b"model M\n# \xce", "not UTF-8 at byte 10"),
        ("model M".encode("utf-16"), "not UTF-8 at byte 0: the file is UTF-16"),
        ("model M".encode("utf-16-le"), "not UTF-8 at byte 1"),
    ],
)
def test_not_utf_8(tmp_path, data, message):
    path = tmp_path / "a.gen"
    path.write_bytes(data)
    assert message in refused(path)


@pytest.mark.parametrize("text", ["model M\0", "model \ud800"])
def test_text_that_no_file_could_hold(text):
    assert codes(text) == ["GD002"]


# B06


def variants() -> dict[str, bytes]:
    text = KITCHEN_SINK.read_bytes()
    lines = text.split(b"\n")
    ends = [b"\n", b"\r\n", b"\r"]  # an empty line never ends in LF alone: after CR it is CRLF
    mixed = b"".join(line + (ends[i % 3] if line else b"\r\n") for i, line in enumerate(lines))
    return {
        "crlf": text.replace(b"\n", b"\r\n"),
        "cr": text.replace(b"\n", b"\r"),
        "mixed": mixed,
        "byte order mark": b"\xef\xbb\xbf" + text,
        "no final newline": text.rstrip(b"\n"),
        "blank lines": text + b"\n" * 200,
    }


def places(program: ast.Program) -> list[tuple[int, int]]:
    return [program.source.position(statement.span.start) for statement in program.statements]


@pytest.mark.parametrize("variant", sorted(variants()))
def test_line_ends_do_not_matter(tmp_path, variant):
    path = tmp_path / "a.gen"
    path.write_bytes(variants()[variant])
    expected, found = parse(read_source(KITCHEN_SINK)), parse(read_source(path))
    assert expected == found
    assert places(expected) == places(found)
    assert expected.statements[0].doc == found.statements[0].doc


def test_tabs_are_spaces():
    assert codes("model\tM\n\tlet\ta\t=\t1\n") == []


# B07


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("1_000", 1000), (".5", 0.5), ("5.", 5.0), ("1e-3", 0.001), ("1E5", 1e5),
        ("0", 0), ("0.0", 0.0), ("007.5", 7.5), ("9223372036854775807", 2**63 - 1),
    ],
)  # fmt: skip
def test_numbers(text, value):
    number = parse(source_from_text(f"model M let a = {text}")).statements[1].value
    assert (value, type(value), text) == (number.value, type(number.value), number.text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1e400", "GD008"), ("9223372036854775808", "GD008"), ("1" * 5000, "GD008"),
        ("1.2.3", "GD007"), ("1e", "GD007"), ("007", "GD007"), ("0x1F", "GD007"),
        ("1__0", "GD007"), ("1_", "GD007"), ("1j", "GD007"), ("1e+", "GD007"),
    ],
)  # fmt: skip
def test_bad_numbers(text, code):
    assert codes(f"model M let a = {text}") == [code]


def test_underflow_is_a_warning():
    _, warnings = parse_with_warnings(source_from_text("model M let a = 1e-400 let b = 0e-400"))
    assert [d.code for d in warnings] == ["GD009"]


# B08 and B09


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * 10_000 + "1" + ")" * 10_000, "GD014"),
        ("(" * 10_000, "GD014"),
        ("[" * 10_000 + "]" * 10_000, "GD014"),
        ("f(" * 10_000 + ")" * 10_000, "GD014"),
        ("-" * 10_000 + "1", "GD014"),
        ("not " * 10_000 + "a", "GD014"),
        ("a ** " * 10_000 + "b", "GD014"),
        ("a if b else " * 10_000 + "c", "GD014"),
        ("a" + "[0]" * 10_000, "GD014"),
        ("a" + ".b" * 10_000, "GD014"),
        ("+".join("a" * 20_000), None),
        ("*".join("a" * 20_000), None),
        (" and ".join("a" * 20_000), None),
        ("[" + "1," * 60_000 + "]", None),
        ("(" * 200 + "1" + ")" * 200, None),
        ("-" * 200 + "1", None),
        ("a" * 100_000, "GD010"),
        ("a" * 255, None),
        ("a" * 256, "GD010"),
        ("a " * 60_000, "GD020"),
        ("1" * 100_000, "GD008"),
    ],
)
def test_limits(text, code):
    start = time.process_time()
    found = codes(f"model M\nlet x = {text}")
    assert time.process_time() - start < SECONDS
    assert found == ([code] if code else [])


@pytest.mark.parametrize(
    "line",
    [
        "observe y[house] ~ Normal(alpha[county_of] + beta * floor, sigma)\n",
        "dim a\n",
        "#\n",
        "\n",
        "dim a b\n",
        "mu = 3\n",
        "latnt mu ~ N(0,1)\n",
        "let a = (\n",
        '"\n',
        "{\n",
        "μ\n",
        "a\n",
        "# \u202e\n",
    ],
)
def test_largest_files_take_a_moment(line):
    size = SIZE_LIMIT // len(line.encode()) - 2
    start = time.process_time()
    codes("model M\n" + line * size)
    assert time.process_time() - start < SECONDS


def test_message_does_not_echo_long_lines():
    with pytest.raises(CompileError) as caught:
        parse(source_from_text(f"model M\nlet x = {'a+' * 50_000}"))
    assert len(str(caught.value)) < 1000


def test_too_large(tmp_path):
    path = tmp_path / "a.gen"
    path.write_bytes(b"model M\n" + b" " * 50_000_000)
    start = time.process_time()
    assert "larger than 128 KiB" in refused(path)
    assert time.process_time() - start < SECONDS


def test_largest_allowed(tmp_path):
    path = tmp_path / "a.gen"
    path.write_bytes(b"\xef\xbb\xbfmodel M".ljust(SIZE_LIMIT + 3))
    assert parse(read_source(path)).statements == (ast.ModelDecl(ast.Name("M")),)


# C1, C3 and C8


def test_all_independent_errors_at_once():
    text = (
        "model M\nlatent a ~ Normal(0, 1;\nb ~ Normal(0, 1)\ninput c\nlet d = 1 < 2 < 3\n"
        "latnt e ~ Normal(0, 1)\nlet f = 007\nobserve g ~ Normal(a, 1)\nlet input = 3\n"
    )
    expected = ["GD006", "GD017", "GD019", "GD021", "GD018", "GD007", "GD011"]
    assert codes(text) == expected


WORDS = sorted(RESERVED) + (
    "a b 1 2.5 ( ) [ ] , . : ; = == ~ + - * ** / @ < <= |> | -> ? { } ^ \" ' := && # // \n 1e μ ∼"
).split(" ")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join) | st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text):
    found = findings(text)
    assert all(d.message and d.code.startswith("GD0") for d in found)
    starts = [d.span.start for d in found if d.span]
    assert starts == sorted(starts)
    assert render_all(found, Source("m.gen", text)) or not found
