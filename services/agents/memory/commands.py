"""The tools that change blocks: each is a model of its arguments that knows how to run."""

from abc import ABC, abstractmethod
from typing import Literal

from services.agents.memory import edits, patch
from services.agents.memory.edits import ImpossibleEdit
from services.agents.memory.workbench import Workbench
from services.common.call_arguments import CallArguments

ROOT = "memories/"  # what models put before a label where a tool speaks of paths


class Command(CallArguments, ABC):
    """A change of blocks."""

    @abstractmethod
    async def run(self, workbench: Workbench) -> str:
        """Carries the change out; the answer is for the model. Raises a `PerdureError` for what cannot be done."""


class EditOfBlock(Command):
    """A change of one block's value; the new value is the answer."""

    label: str

    async def run(self, workbench: Workbench) -> str:
        """Edits the block."""
        stored = await workbench.find(self.label)
        value = self.edit(stored.block.value)
        await workbench.write(stored, value=value)
        return value

    @abstractmethod
    def edit(self, value: str) -> str:
        """The new value. Raises `ImpossibleEdit`."""


class MemoryInsert(EditOfBlock):
    """memory_insert."""

    new_string: str
    insert_line: int = -1

    def edit(self, value: str) -> str:
        """With the new lines after the line."""
        return edits.insert_lines(value, self.new_string, self.insert_line)


class MemoryReplace(EditOfBlock):
    """memory_replace."""

    old_string: str
    new_string: str

    def edit(self, value: str) -> str:
        """With the one place replaced."""
        return edits.replace_once(value, self.old_string, self.new_string)


class MemoryRethink(EditOfBlock):
    """memory_rethink."""

    new_memory: str

    def edit(self, value: str) -> str:
        """Rewritten."""
        return edits.rewrite(self.new_memory)


class CoreMemoryAppend(EditOfBlock):
    """core_memory_append."""

    content: str

    def edit(self, value: str) -> str:
        """With a line more."""
        return edits.append_line(value, self.content)


class CoreMemoryReplace(EditOfBlock):
    """core_memory_replace."""

    old_content: str
    new_content: str

    def edit(self, value: str) -> str:
        """With every place replaced."""
        return edits.replace_all(value, self.old_content, self.new_content)


class MemoryApplyPatch(Command):
    """memory_apply_patch."""

    label: str
    patch: str

    async def run(self, workbench: Workbench) -> str:
        """Applies the patch."""
        return await patch.apply(workbench, self.label, self.patch)


class MemoryFinishEdits(Command):
    """memory_finish_edits: says that memory is in order; a rule ends the turn."""

    async def run(self, workbench: Workbench) -> str:
        """Changes nothing."""
        return "OK"


class Memory(Command):
    """memory: several commands in one tool, with paths in place of labels."""

    command: Literal["create", "str_replace", "insert", "delete", "rename"]
    path: str = ""
    file_text: str = ""
    description: str | None = None
    old_string: str | None = None
    new_string: str | None = None
    insert_line: int = -1
    insert_text: str | None = None
    old_path: str = ""
    new_path: str = ""

    async def run(self, workbench: Workbench) -> str:
        """Carries the command out."""
        if self.command == "rename":
            return await self._rename(workbench, _label(self.old_path or self.path))
        label = _label(self.path)
        match self.command:
            case "create":
                await workbench.create(label, self.file_text, self.description or None)
                return f"Created block {label!r}; it stands in your memory now."
            case "str_replace":
                old, new = self._needed("old_string", self.old_string), self._needed("new_string", self.new_string)
                return await MemoryReplace(label=label, old_string=old, new_string=new).run(workbench)
            case "insert":
                new = self._needed("insert_text", self.insert_text)
                return await MemoryInsert(label=label, new_string=new, insert_line=self.insert_line).run(workbench)
            case "delete":
                await workbench.remove(label)
                return f"Deleted block {label!r}; it is gone from your memory."

    def _needed(self, name: str, given: str | None) -> str:
        """An argument that the command cannot do without: with an empty text for it, memory would be lost."""
        if given is None:
            raise ImpossibleEdit(f"The command {self.command} needs {name}.")
        return given

    async def _rename(self, workbench: Workbench, label: str) -> str:
        stored = await workbench.find(label)
        values = {"label": _label(self.new_path)} if self.new_path else {}
        values |= {"description": self.description} if self.description else {}
        if not values:
            raise ImpossibleEdit("The command rename needs new_path, description or both.")
        await workbench.write(stored, **values)
        return f"Changed {', '.join(values)} of block {label!r}."


def _label(path: str) -> str:
    label = path.lstrip("/").removeprefix(ROOT).strip("/")
    if not label:
        raise ImpossibleEdit(f"The path {path!r} names no block. Write it as '/{ROOT}LABEL'.")
    return label


COMMANDS: dict[str, type[Command]] = {
    "memory_insert": MemoryInsert,
    "memory_replace": MemoryReplace,
    "memory_rethink": MemoryRethink,
    "memory_finish_edits": MemoryFinishEdits,
    "memory_apply_patch": MemoryApplyPatch,
    "memory": Memory,
    "core_memory_append": CoreMemoryAppend,
    "core_memory_replace": CoreMemoryReplace,
}
