"""Calls of tools as jobs of the sandbox."""

import json
from collections.abc import Sequence

import orjson

from services.contract.json_object import JsonObject
from services.contract.tools import Requirement, RunTool, Tool
from services.tools.definition import PYTHON, read_language
from services.tools.sandbox.job import Job, Language
from services.tools.sandbox.packages import read_requirements
from services.tools.sandbox_configs.configs import Setup


def job_of(tool: Tool, setup: Setup, arguments: JsonObject) -> Job:
    """A call of a stored tool. Raises `BadRequirement`."""
    language = read_language(tool.source_type)
    return Job(
        source=tool.source_code or "",
        arguments=arguments,
        environment=setup.environment,
        has_foreign_types=bool(tool.args_json_schema),
        return_char_limit=tool.return_char_limit,
        language=language,
        packages=_packages(language, setup, pip=tool.pip_requirements, npm=tool.npm_requirements),
        network=tool.network,
    )


def job_of_source(body: RunTool, function: str, setup: Setup) -> Job:
    """A call of source that is not stored. Raises `BadRequirement`."""
    language = read_language(body.source_type)
    return Job(
        source=body.source_code,
        arguments=body.args,
        function=function,
        environment={**setup.environment, **body.env_vars},
        has_foreign_types=bool(body.args_json_schema),
        language=language,
        packages=_packages(language, setup, pip=body.pip_requirements, npm=body.npm_requirements),
        network=body.network,
    )


def read_arguments(text: str) -> JsonObject:
    """The arguments as a model wrote them. Raises ValueError, which says what is wrong with them."""
    try:
        orjson.loads(text or "{}")  # refuses what the other takes: NaN, half characters, deep nesting
        arguments = json.loads(text or "{}")  # the former rounds integers of more than 64 bits
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"the arguments are not valid JSON: {exc}") from exc
    if not isinstance(arguments, dict):
        raise ValueError("the arguments are not a JSON object")  # noqa: TRY004  # the model's mistake, not ours
    return arguments


def _packages(
    language: Language, setup: Setup, *, pip: Sequence[Requirement] | None, npm: Sequence[Requirement] | None
) -> tuple[str, ...]:
    """Those of the tool and, for Python, those that the organisation has for all tools."""
    wanted = [*setup.pip_requirements, *(pip or ())] if language == PYTHON else npm or ()
    return read_requirements(language, [(one.name, one.version) for one in wanted])
