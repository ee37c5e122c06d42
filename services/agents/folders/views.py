"""What an agent sees of a file: its numbered lines, all or some, as far as there is room."""

from dataclasses import dataclass

CUT_OFF = "\n[The view ends here: it has room for {chars} characters. Open the file at a later offset to read on.]"


@dataclass(frozen=True)
class LineRange:
    """Lines from 1, both ends belong to it; without a last line it goes to the end."""

    first: int
    last: int | None = None

    def within(self, count: int) -> "LineRange":
        """The part of it in a file of so many lines."""
        return LineRange(self.first, min(self.last or count, count))


def lines_of(text: str) -> list[str]:
    """The lines of a text; an end of line at its very end begins none."""
    return text.removesuffix("\n").split("\n") if text else []


def show_lines(text: str, chars: int, lines: LineRange | None = None) -> str:
    """At most so many characters: a heading, then the numbered lines."""
    every = lines_of(text)
    shown = (lines or LineRange(1)).within(len(every))
    first, last = shown.first, shown.last or 0
    place = f"lines {first} to {last}" if lines else "file start"
    numbered = [f"{number}: {every[number - 1]}" for number in range(first, last + 1)]
    return _cut("\n".join([f"[Viewing {place} (out of {len(every)} lines)]", *numbered]), chars)


def _cut(view: str, chars: int) -> str:
    if len(view) <= chars:
        return view
    note = CUT_OFF.format(chars=chars)
    return view[: chars - len(note)] + note if chars > 2 * len(note) else view[:chars]
