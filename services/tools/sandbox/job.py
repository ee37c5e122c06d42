"""What goes into a sandbox and what comes out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Language = Literal["python", "typescript"]

UNPRIVILEGED_ID = 65_534  # user and group of calls where the service is root: nobody


@dataclass(frozen=True)
class Job:
    """One call. `function` empty: the last one of the source.

    `has_foreign_types`: the annotations may name types that the source does not define, as its arguments have a schema
    of their own. `agent_state` is JSON, or empty. `packages` are installed for it: see `read_requirements`.
    `network`: it may connect to public addresses.
    """

    source: str
    arguments: Mapping[str, Any]  # Any: JSON
    function: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    agent_state: str = ""
    has_foreign_types: bool = False
    return_char_limit: int = 50_000
    language: Language = "python"
    packages: tuple[str, ...] = ()
    network: bool = False


@dataclass(frozen=True)
class Printed:
    """The tool printed something."""

    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True)
class Returned:
    """The function returned: its value as text, cut to the limit, and how long the text was.

    `parts`: it returned content, as the API has it in messages: `{"type": "text", "text": …}` and `{"type": "image",
    "source": {"type": "base64", "media_type": …, "data": …}}` (or a source `{"type": "url", "url": …}`), whole.
    `value` holds their texts then.
    `json`: the value as JSON; empty where it has no such form or is over the limit.
    `memory`: the blocks of the agent state whose text the function changed, by label.
    """

    value: str
    length: int
    parts: tuple[Mapping[str, Any], ...] = ()  # Any: JSON
    json: str = ""
    memory: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Failed:
    """The function raised, or was ended: why, as "<kind of error>: <what it says>"."""

    error: str


Event = Printed | Returned | Failed


@dataclass(frozen=True)
class Limits:
    """What one call may use."""

    timeout_s: float = 180.0
    waiting_s: float = 60.0  # for a place; what takes longer fails
    memory_bytes: int = 1024 * 1024 * 1024
    file_bytes: int = 64 * 1024 * 1024
    folder_bytes: int = 128 * 1024 * 1024  # in memory; calls without a root of their own have only `file_bytes`
    open_files: int = 256
    processes: int = 64  # threads count
    output_chars: int = 1_000_000  # per stream; what is printed beyond is dropped
