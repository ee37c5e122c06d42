"""The built-in models, deterministic and without a network, so that a fresh install answers.

`perdure/echo` says back what it is told, word by word, and calls tools when told "call tool NAME with {json}" (all
that a message asks for at once, or one after the other where parallel calls are switched off). When they have
returned, it says what they gave. `perdure/hash` makes vectors in which texts with words in common are near.
"""

import asyncio
import hashlib
import math
import re
from collections.abc import AsyncGenerator, Iterator, Sequence

import orjson

from perdure.conversation.v1.message_pb2 import ROLE_USER, Message, Part
from services.llm_router.completion import Delta, Event, Vector
from services.llm_router.errors import ContextWindowExceeded
from services.llm_router.model import EmbeddingModel, ListedModel
from services.llm_router.prompt import Prompt
from services.llm_router.providers.answer import Answer, total_usage
from services.llm_router.providers.spoken import Json, text_of

CONTEXT_WINDOW = 32_768  # tokens; small enough to see compaction at work
DIMENSIONS = 256  # of the vectors of `perdure/hash`
_CHARACTERS_PER_TOKEN = 4  # the rule of thumb for English
_LONGEST_ECHO = 2_000  # characters
_SPEAKING_TOOL = "send_message"  # with which agents of the older types talk
_WORD = re.compile(r"\s*\S+")
_CALL = re.compile(r"\bcall\s+(?:the\s+)?tool\s+([\w-]+)\s+with\s+(?=\{)", re.IGNORECASE)

Call = tuple[str, str]  # the name of a tool and its arguments as JSON


class EchoAdapter:
    """The built-in models."""

    async def complete(self, prompt: Prompt) -> AsyncGenerator[Sequence[Event], None]:
        """Echoes the last message, or calls the tools that it names."""
        prompt_tokens = sum(len(_printed(message)) for message in prompt.messages) // _CHARACTERS_PER_TOKEN
        if prompt_tokens > CONTEXT_WINDOW:
            raise ContextWindowExceeded(f"The prompt has {prompt_tokens} tokens, the window {CONTEXT_WINDOW}.")
        answer = Answer(prompt)
        tokens = 0
        for delta in _speak(answer, prompt):
            tokens += 1
            yield (delta,)
            await asyncio.sleep(0)  # lets others run between two words, as a network would
        answer.usage = total_usage(prompt_tokens, tokens)
        yield tuple(answer.complete())

    async def list_models(self) -> list[ListedModel]:
        """The echo and the hash."""
        echo = ListedModel("echo", CONTEXT_WINDOW, output_limit=CONTEXT_WINDOW, reasoning=False, vision=False)
        return [echo, ListedModel("hash", embeds=True, dimensions=DIMENSIONS)]

    async def has_model(self, name: str) -> bool:
        """There are no others."""
        return False

    async def embed(self, model: EmbeddingModel, texts: Sequence[str]) -> tuple[list[Vector], int]:
        """Unit vectors: each word of a text adds to one place."""
        return [_hash_words(text) for text in texts], sum(len(text) for text in texts) // _CHARACTERS_PER_TOKEN

    async def close(self) -> None:
        """Nothing is open."""


def _speak(answer: Answer, prompt: Prompt) -> Iterator[Delta]:
    calls = _next_calls(prompt)
    for name, arguments in calls:
        call, first = answer.open_call("", name)
        yield first
        yield answer.argue(call, arguments)
    if not calls:
        text = answer.open_text()
        for word in _WORD.findall(_reply(prompt)):
            yield answer.say(text, word)


def _next_calls(prompt: Prompt) -> list[Call]:
    """The calls to make now: those asked for and not made yet; one that the caller insists on."""
    if prompt.tool_choice == "none":
        return []
    asked, turn = _last_request(prompt)
    made = sum(1 for message in turn for part in message.parts if part.HasField("tool_call"))
    calls = _requested_calls(asked)[made:]
    if not calls and not made and prompt.tools and prompt.tool_choice != "auto":
        return [_insisted_call(prompt, asked)]
    is_parallel = not prompt.settings.HasField("parallel_tool_calls") or prompt.settings.parallel_tool_calls
    return calls if is_parallel else calls[:1]


def _last_request(prompt: Prompt) -> tuple[str, Sequence[Message]]:
    """The text of the last message of the user, and what came after it."""
    for index in range(len(prompt.messages) - 1, -1, -1):
        if prompt.messages[index].role == ROLE_USER:
            return text_of(prompt.messages[index].parts), prompt.messages[index + 1 :]
    return "", prompt.messages


def _requested_calls(text: str) -> list[Call]:
    calls: list[Call] = []
    for match in _CALL.finditer(text):
        length = _object_length(text[match.end() :])
        if length:
            calls.append((match.group(1), text[match.end() : match.end() + length]))
    return calls


def _object_length(text: str) -> int:
    """The length of the JSON object that a text begins with; 0 when it begins with none."""
    for end in (index + 1 for index, character in enumerate(text) if character == "}"):
        try:
            orjson.loads(text[:end])
        except orjson.JSONDecodeError:
            continue
        return end
    return 0


def _insisted_call(prompt: Prompt, text: str) -> Call:
    named = {tool.name: tool for tool in prompt.tools}
    tool = named.get(prompt.tool_choice) or named.get(_SPEAKING_TOOL) or prompt.tools[0]
    return tool.name, orjson.dumps(_fill(orjson.loads(tool.parameters or "{}"), _echo(text))).decode()


def _reply(prompt: Prompt) -> str:
    asked, turn = _last_request(prompt)
    returns = [part.tool_return for message in turn for part in message.parts if part.HasField("tool_return")]
    said = " ".join(f"{result.name} returned: {result.value}" for result in returns) or _echo(asked)
    wanted = prompt.settings.response_format
    if wanted.type == "json_schema":
        return orjson.dumps(_fill(orjson.loads(wanted.json_schema).get("schema", {}), said)).decode()
    return orjson.dumps({"answer": said}).decode() if wanted.type == "json_object" else said


def _echo(text: str) -> str:
    return f"You said: {text[:_LONGEST_ECHO]}" if text.strip() else "You said nothing."


def _fill(schema: Json, text: str) -> object:
    """A simple value that fits a JSON schema, with the text wherever one fits."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema or schema.get("type") == "object":
        properties: Json = schema.get("properties", {})
        return {name: _fill(properties.get(name, {}), text) for name in schema.get("required", properties)}
    simple: Json = {"integer": 0, "number": 0, "boolean": False, "array": [], "null": None}
    return simple.get(schema.get("type", "string"), text)


def _printed(message: Message) -> str:
    return "".join(_print_part(part) for part in message.parts)


def _print_part(part: Part) -> str:
    if part.HasField("tool_call"):
        return part.tool_call.name + part.tool_call.arguments
    return part.tool_return.value if part.HasField("tool_return") else part.text


def _hash_words(text: str) -> Vector:
    vector = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text.lower()):
        digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
        vector[int.from_bytes(digest[:4]) % DIMENSIONS] += 1.0 if digest[4] % 2 else -1.0
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else [1.0, *vector[1:]]
