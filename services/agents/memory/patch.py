"""Patches of blocks: a simplified unified diff for one block, or sections with "***" headers for several.

A section begins with "*** Add Block: LABEL", "*** Update Block: LABEL" or "*** Delete Block: LABEL"; a line
"*** Move to: LABEL" in it renames the block.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

from services.agents.memory.edits import ImpossibleEdit, replace_once
from services.agents.memory.workbench import Workbench

_ACTIONS = {"*** Add Block:": "add", "*** Update Block:": "update", "*** Delete Block:": "delete"}
_MOVE = "*** Move to:"
_DESCRIPTION = "Description:"


@dataclass
class Section:
    """What a patch does to one block."""

    action: str
    label: str
    new_label: str = ""
    lines: list[str] = field(default_factory=list)


async def apply(workbench: Workbench, label: str, patch: str) -> str:
    """Carries a patch out and says what changed. Raises `ImpossibleEdit` and what the workbench raises."""
    if "***" not in patch:
        return await _update(workbench, Section("update", label, lines=patch.split("\n")))
    return "\n".join([await _apply(workbench, section) for section in _sections(patch)])


async def _apply(workbench: Workbench, section: Section) -> str:
    if section.action == "add":
        return await _add(workbench, section)
    if section.action == "delete":
        await workbench.remove(section.label)
        return f"Deleted block {section.label!r}."
    return await _update(workbench, section)


async def _add(workbench: Workbench, section: Section) -> str:
    lines = section.lines
    description = None
    if lines and lines[0].startswith(_DESCRIPTION):
        description, lines = lines[0].removeprefix(_DESCRIPTION).strip(), lines[1:]
    value = "\n".join(line[1:] for line in lines if line.startswith("+"))
    label = section.new_label or section.label
    await workbench.create(label, value, description)
    return f"Created block {label!r}."


async def _update(workbench: Workbench, section: Section) -> str:
    stored = await workbench.find(section.label)
    value = stored.block.value
    hunks = list(_hunks(section.lines))
    if not hunks and not section.new_label:
        raise ImpossibleEdit(f"The patch changes nothing in block {section.label!r}: no line begins with + or -.")
    for old, new in hunks:
        if value and not old:
            raise ImpossibleEdit(
                f"Nothing tells where {new!r} belongs: give a line of the block, after a space, by it."
            )
        value = replace_once(value, old, new) if value else new
    values = {"value": value} | ({"label": section.new_label} if section.new_label else {})
    await workbench.write(stored, **values)
    return value


def _sections(patch: str) -> list[Section]:
    sections: list[Section] = []
    for line in patch.split("\n"):
        header = next((start for start in _ACTIONS if line.startswith(start)), None)
        if header is not None:
            sections.append(Section(_ACTIONS[header], line.removeprefix(header).strip()))
        elif line.startswith("*** ") and not line.startswith(_MOVE):
            continue  # "*** Begin Patch" and "*** End Patch", which models are used to writing
        elif not sections:
            raise ImpossibleEdit(f"Begin the patch with one of: {', '.join(_ACTIONS)}.")
        elif line.startswith(_MOVE):
            sections[-1].new_label = line.removeprefix(_MOVE).strip()
        else:
            sections[-1].lines.append(line)
    return sections


def _hunks(lines: list[str]) -> Iterator[tuple[str, str]]:
    """The text before and after, hunk by hunk; lines that begin with "@@" part them."""
    for is_border, group in groupby(lines, lambda line: line.startswith("@@")):
        hunk = list(group)
        if not is_border and any(line[:1] in "+-" and line for line in hunk):
            yield _side(hunk, "-"), _side(hunk, "+")


def _side(hunk: list[str], sign: str) -> str:
    return "\n".join(line[1:] for line in hunk if line[:1] in (" ", sign))
