"""The router's configuration."""

import pytest

from services.common.config import BadConfiguration, Environment
from services.llm_router.config import RouterConfig, complete_url


def read(**variables: str) -> RouterConfig:
    return RouterConfig.read(Environment({"PERDURE_LISTEN": "unix:/x", **variables}))


@pytest.mark.parametrize(
    ("given", "path", "expected"),
    [
        ("http://h/openai", "/v1", "http://h/openai/v1"),
        ("http://h/openai/v1/", "/v1", "http://h/openai/v1"),
        ("https://api.z.ai", "/api/paas/v4", "https://api.z.ai/api/paas/v4"),
        ("https://api.z.ai/api/paas/v4", "/api/paas/v4", "https://api.z.ai/api/paas/v4"),
        ("http://h/gemini", "/v1beta", "http://h/gemini/v1beta"),
        ("http://h/gemini/v1beta", "/v1beta", "http://h/gemini/v1beta"),
        ("https://h/v1beta/openai", "/v1", "https://h/v1beta/openai"),
    ],
)
def test_a_root_address_and_a_versioned_one_mean_the_same(given: str, path: str, expected: str) -> None:
    assert complete_url(given, path) == expected


def test_a_provider_is_configured_by_its_key() -> None:
    config = read(ANTHROPIC_API_KEY="secret")

    assert [(provider.name, provider.base_url) for provider in config.providers] == [
        ("anthropic", "https://api.anthropic.com/v1")
    ]
    assert "secret" not in repr(config)


def test_a_server_of_ones_own_is_configured_by_its_address() -> None:
    config = read(OLLAMA_BASE_URL="http://localhost:11434")

    assert [(provider.name, provider.base_url) for provider in config.providers] == [
        ("ollama", "http://localhost:11434/v1")
    ]


def test_any_compatible_endpoint_has_a_name_of_its_own() -> None:
    config = read(
        OPENAI_COMPATIBLE_MY_LAB_BASE_URL="http://lab:8000",
        OPENAI_COMPATIBLE_MY_LAB_API_KEY="k",
        OPENAI_COMPATIBLE_OTHER_BASE_URL="http://other/v1",
    )

    assert [(provider.name, provider.base_url, provider.api_key) for provider in config.providers] == [
        ("my_lab", "http://lab:8000/v1", "k"),
        ("other", "http://other/v1", ""),
    ]


@pytest.mark.parametrize(
    "variables",
    [
        {"OPENAI_COMPATIBLE_OPENAI_BASE_URL": "http://h"},
        {"PERDURE_LLM_ATTEMPTS": "0"},
        {"PERDURE_LLM_TOTAL_TIMEOUT_S": "soon"},
    ],
)
def test_a_bad_value_is_named(variables: dict[str, str]) -> None:
    with pytest.raises(BadConfiguration, match=next(iter(variables))):
        read(**variables)
