"""Cutting, numbering, naming and printing texts."""

import time

import pytest

from services.agents.folders import grep
from services.agents.folders.chunks import CHARS_PER_TOKEN, cut_text
from services.agents.folders.names import free_name, last_part
from services.agents.folders.views import LineRange, lines_of, show_lines

FAR = float("inf")


@pytest.mark.parametrize(("text", "lines"), [("", []), ("a", ["a"]), ("a\nb\n", ["a", "b"]), ("\n\n", ["", ""])])
def test_an_end_of_line_at_the_end_begins_no_line(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines


def test_a_whole_file_is_shown_from_its_start() -> None:
    assert show_lines("hello file\nsecond line\n", 1000) == (
        "[Viewing file start (out of 2 lines)]\n1: hello file\n2: second line"
    )


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (LineRange(2, 3), "[Viewing lines 2 to 3 (out of 4 lines)]\n2: b\n3: c"),
        (LineRange(3), "[Viewing lines 3 to 4 (out of 4 lines)]\n3: c\n4: d"),
        (LineRange(4, 99), "[Viewing lines 4 to 4 (out of 4 lines)]\n4: d"),
    ],
)
def test_some_lines_are_shown(lines: LineRange, shown: str) -> None:
    assert show_lines("a\nb\nc\nd", 1000, lines) == shown


@pytest.mark.parametrize("chars", [0, 10, 150, 300])
def test_a_view_is_never_longer_than_allowed(chars: int) -> None:
    view = show_lines("word " * 1000, chars)

    assert len(view) == chars
    assert ("offset" in view) == (chars > 200)


@pytest.mark.parametrize(
    "text", ["", " \n\n ", "short", "word " * 500, "x" * 2000, "line\n" * 300, "a\n\n" + "b" * 900]
)
def test_pieces_hold_all_of_a_text_and_are_short(text: str) -> None:
    pieces = cut_text(text, 50)

    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece.strip() and len(piece) <= 50 * CHARS_PER_TOKEN for piece in pieces)


def test_pieces_end_at_lines_and_between_words() -> None:
    assert cut_text("one two three\nfour five six", 4) == ["one two three", "four five six"]
    assert cut_text("aaaa bbbb cccc dddd eeee", 4) == ["aaaa bbbb cccc", "dddd eeee"]


@pytest.mark.parametrize(
    ("wanted", "taken", "name"),
    [
        ("a.txt", [], "a.txt"),
        ("a.txt", ["a.txt", "a_(2).txt"], "a_(1).txt"),
        ("a.tar.gz", ["a.tar.gz"], "a.tar_(1).gz"),
        (".env", [".env"], ".env_(1)"),
        ("b", ["b", "b_(1)"], "b_(2)"),
    ],
)
def test_taken_names_get_numbers(wanted: str, taken: list[str], name: str) -> None:
    assert free_name(wanted, taken) == name


@pytest.mark.parametrize(("sent", "name"), [("a/b.txt", "b.txt"), ("C:\\x\\y.md", "y.md"), ("../..", ".."), ("/", "")])
def test_senders_folders_are_left_out_of_names(sent: str, name: str) -> None:
    assert last_part(sent) == name


def test_grep_shows_matches_between_their_neighbours() -> None:
    text = "\n".join(f"line {number}" for number in range(1, 1001)).replace("line 510", "The NEEDLE")

    found = list(grep.find_lines(grep.read_pattern("pattern", "need.e"), "f/a", text, context=1, deadline=FAR))

    assert grep.print_matches(found, 0) == (
        "Found 1 total matches across 1 files, here are 1 to 1:\n\n- f/a: 1\n\n"
        "f/a\n  509: line 509\n> 510: The NEEDLE\n  511: line 511"
    )


def test_grep_has_pages() -> None:
    pattern = grep.read_pattern("pattern", "x")
    found = list(grep.find_lines(pattern, "f/a", "x\n" * 45, context=0, deadline=FAR))

    assert "offset=20" in grep.print_matches(found, 0)
    last = grep.print_matches(found, 40)
    assert "here are 41 to 45" in last
    assert "offset=" not in last
    assert grep.print_matches(found, 45) == "Found 45 total matches across 1 files: none beyond offset 45."
    assert grep.print_matches([], 0) == "Found 0 total matches across 0 files."


@pytest.mark.parametrize("pattern", ["(", "(?=a)", r"(a)\1", "(((a{999}){999}){999})"])
def test_what_is_no_expression_is_told(pattern: str) -> None:
    with pytest.raises(grep.BadPattern, match=r"include: .*RE2"):
        grep.read_pattern("include", pattern)


def test_a_hostile_expression_takes_linear_time() -> None:
    pattern, started = grep.read_pattern("pattern", "(a+)+b|(a|a)*b|(.*a){20}b"), time.monotonic()

    assert list(grep.find_lines(pattern, "f/a", "a" * 100_000, context=0, deadline=FAR)) == []
    assert time.monotonic() - started < 5


def test_a_search_ends_at_its_deadline() -> None:
    with pytest.raises(grep.SearchTooLong):
        list(grep.find_lines(grep.read_pattern("pattern", "x"), "f/a", "a\n", context=0, deadline=0))
