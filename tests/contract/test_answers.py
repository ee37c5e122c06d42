"""Answers print exactly what programs of the original server have seen: the same keys, in the same order."""

import json
from pathlib import Path
from typing import Any

import letta_client.types as sdk
import letta_client.types.agents as sdk_agents
import pytest
from letta_client.types.agents.letta_streaming_response import LettaStreamingResponse
from pydantic import TypeAdapter

from services.contract import (
    agents,
    archives,
    blocks,
    context_window,
    conversations,
    messages,
    models,
    passages,
    providers,
    runs,
    sending,
    steps,
    tools,
)

EXAMPLES = Path(__file__).parent / "examples"

MODELS: dict[str, Any] = {
    "agent": agents.AgentState,
    "archive": archives.Archive,
    "block": blocks.Block,
    "context_window": context_window.ContextWindow,
    "conversation": conversations.Conversation,
    "embedding_model": models.EmbeddingModel,
    "events": list[sending.Event],
    "messages": list[messages.Message],
    "model": models.Model,
    "passage": passages.Passage,
    "provider": providers.Provider,
    "run": runs.Run,
    "run_metrics": runs.RunMetrics,
    "run_usage": runs.RunUsage,
    "send_response": sending.SendResponse,
    "step": steps.Step,
    "step_metrics": steps.StepMetrics,
    "tool": tools.Tool,
}

SDK_TYPES: dict[str, Any] = {
    "agent": sdk.AgentState,
    "archive": sdk.Archive,
    "block": sdk.BlockResponse,
    "conversation": sdk.Conversation,
    "embedding_model": sdk.EmbeddingModel,
    "events": list[LettaStreamingResponse],
    "messages": list[sdk_agents.Message],
    "model": sdk.Model,
    "passage": sdk.Passage,
    "run": sdk_agents.Run,
    "send_response": sdk_agents.LettaResponse,
    "step": sdk.Step,
    "tool": sdk.Tool,
}


def read_example(name: str) -> str:
    return json.dumps(json.loads((EXAMPLES / f"{name}.json").read_bytes()), separators=(",", ":"), ensure_ascii=False)


def print_example(name: str) -> str:
    adapter = TypeAdapter[Any](MODELS[name])
    return adapter.dump_json(adapter.validate_json(read_example(name))).decode()


def test_every_example_has_a_model() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.json")} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_an_answer_prints_as_it_was_read(name: str) -> None:
    assert print_example(name) == read_example(name)


@pytest.mark.parametrize("name", SDK_TYPES)
def test_the_sdk_reads_what_is_printed(name: str) -> None:
    TypeAdapter[Any](SDK_TYPES[name]).validate_json(print_example(name))


def test_a_time_is_printed_in_utc_whatever_its_zone() -> None:
    run = runs.Run(id="run-1", agent_id="agent-1", created_at="2026-11-20T11:00:00+01:00")

    assert json.loads(run.model_dump_json())["created_at"] == "2026-11-20T10:00:00.000000Z"


def test_a_time_without_a_zone_is_utc() -> None:
    ping = sending.Ping(id="ping-1", date="2026-11-20T10:00:00.7")

    assert json.loads(ping.model_dump_json())["date"] == "2026-11-20T10:00:00+00:00"
