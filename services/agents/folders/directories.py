"""The folders of an agent as its system message shows them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.agents.folders.open_files import FileView


@dataclass(frozen=True)
class Directory:
    """A folder with those of its files that can be read."""

    name: str
    description: str | None
    instructions: str | None
    files: Sequence[FileView]


@dataclass(frozen=True)
class Shelf:
    """The folders of an agent, and how much of them it may have in sight: open files, and characters of each."""

    max_open: int
    view_chars: int
    directories: Sequence[Directory]


def print_shelf(shelf: Shelf) -> str:
    """The text for the model; empty without folders."""
    return "\n".join(_lines(shelf)) if shelf.directories else ""


def _lines(shelf: Shelf) -> Iterator[str]:
    current = sum(file.is_open for directory in shelf.directories for file in directory.files)
    yield "<directories>"
    yield "<file_limits>"
    yield f"- current_files_open={current}"
    yield f"- max_files_open={shelf.max_open}"
    yield "</file_limits>"
    for directory in shelf.directories:
        yield f'<directory name="{directory.name}">'
        for name, text in (("description", directory.description), ("instructions", directory.instructions)):
            if text:
                yield f"<{name}>{text}</{name}>"
        for file in directory.files:
            yield from _file(file, shelf.view_chars)
        yield "</directory>"
    yield "</directories>"


def _file(file: FileView, chars: int) -> Iterator[str]:
    yield f'<file status="{"open" if file.is_open else "closed"}" name="{file.path}">'
    yield "<metadata>"
    yield "- read_only=true"
    yield f"- chars_current={len(file.visible_content)}"
    yield f"- chars_limit={chars}"
    yield "</metadata>"
    if file.is_open:
        yield "<value>"
        yield file.visible_content
        yield "</value>"
    yield "</file>"
