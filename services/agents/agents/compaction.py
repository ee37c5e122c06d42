"""How the context window of an agent is compacted when nobody says otherwise."""

from services.contract.compaction import CompactionSettings
from services.contract.model_configs import LlmConfig

_SUMMARISERS = {  # a quick and cheap model of the same provider, by provider type
    "openai": "gpt-5-mini",
    "anthropic": "claude-haiku-4-5",
    "google_ai": "gemini-2.5-flash",
}

_SECTIONS = """Write these parts, and leave out those with nothing in them:
1. Goals: what the user wants in the end and what was being worked on. Quote requests that must be met to the letter.
2. Facts: what was found out, decided or agreed, with names, numbers, paths and dates exactly as they were.
3. Done: what was carried out, what came of it, and which errors came up and how they were solved.
4. Open: what was promised or begun and is not finished, and what the next step was to be.
Write in the language of the conversation. Do not answer anything in it, and call no tools."""
_EVICTED = f"""The messages that you are given leave the context now, from its beginning. What follows them stays. Write
a summary that stands in their place, so that the rest can be understood and continued without them.

{_SECTIONS}"""
_WHOLE = f"""The whole conversation so far is about to leave the context. Write a summary that stands in its place, so
that the conversation goes on as if nothing were missing.

{_SECTIONS}"""
_PROMPTS = {
    "all": _WHOLE,
    "self_compact_all": _WHOLE,
    "sliding_window": _EVICTED,
    "self_compact_sliding_window": _EVICTED,
}


def complete_settings(sent: CompactionSettings | None, config: LlmConfig) -> CompactionSettings:
    """The settings with a model and a prompt where they name none."""
    settings = sent or CompactionSettings()
    changes = {
        "model": settings.model or default_summariser(config),
        "prompt": settings.prompt or _PROMPTS[settings.mode],
    }
    return settings.model_copy(update=changes)


def follow_model(settings: CompactionSettings, old: LlmConfig, new: LlmConfig) -> CompactionSettings:
    """The settings after the agent's model changed: a summariser that was only the default changes with it."""
    if settings.model != default_summariser(old):
        return settings
    return settings.model_copy(update={"model": default_summariser(new)})


def default_summariser(config: LlmConfig) -> str | None:
    """The handle of the model that summarises for agents with this model."""
    name = _SUMMARISERS.get(config.model_endpoint_type)
    return f"{config.provider_name}/{name}" if name else config.handle
