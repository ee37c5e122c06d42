"""Docstrings in Google's style."""

import ast
from dataclasses import dataclass

from docstring_parser import DocstringStyle, ParseError, parse

from services.tools.schemas.source import BadSource, Function


@dataclass(frozen=True)
class Documentation:
    """What a docstring says: of the whole, and of each parameter or attribute by name."""

    summary: str
    text: str
    parameters: dict[str, str]


def read_docstring(node: Function | ast.ClassDef) -> Documentation:
    """The docstring of a function or class; of one that has none, everything is empty."""
    try:
        found = parse(ast.get_docstring(node) or "", style=DocstringStyle.GOOGLE)
    except ParseError as exc:
        raise BadSource(f"The docstring of {node.name} cannot be read: {exc}.") from exc
    paragraphs = [found.short_description, found.long_description]
    paragraphs += [f"Examples:\n{example.description}" for example in found.examples]
    return Documentation(
        summary=found.short_description or "",
        text="\n\n".join(paragraph for paragraph in paragraphs if paragraph),
        parameters={item.arg_name: item.description for item in found.params if item.description},
    )
