"""Servers that want to be authorized by a user: real ones, with the mcp package's own authorization server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from services.common.caller import DEFAULT_ORGANIZATION_ID
from services.common.database import Database
from services.common.errors import Unavailable
from services.contract.mcp import StreamableHTTPConfig
from services.tools.mcp.clients.allowed import Allowed
from services.tools.mcp.clients.authorization_servers import AuthorizationServers
from services.tools.mcp.oauth.session import AuthorizationFailed, Grant
from services.tools.mcp.oauth.store import PostgresSessions
from services.tools.mcp.oauth.tables import mcp_oauth_sessions
from services.tools.mcp.oauth.tokens import Tokens
from tests.tools.conftest import MCP_ALLOWED, PUBLIC_URL, Api
from tests.tools.mcp.conftest import AddServer, Execute, Json
from tests.tools.mcp.probe import serving
from tests.tools.mcp.protected import Protected, consent

Events = AsyncIterator[Any]


@pytest.fixture
async def protected() -> AsyncIterator[Protected]:
    server = Protected()
    async with server.serving():
        yield server


@asynccontextmanager
async def connecting(api: Api, protected: Protected) -> AsyncIterator[tuple[Json, Events]]:
    """The event that holds the URL, and the events after it, of connecting to a server that is not stored."""
    body = {"server_name": "far", "type": protected.kind, "server_url": protected.url}
    events = api.events("ConnectNamedServer", body)
    first = [await anext(events) for _ in range(4)]
    assert [event["event"] for event in first] == [
        "connection_attempt",
        "oauth_required",
        "authorization_url",
        "waiting_for_auth",
    ]
    yield first[2], events


async def come_back(api: Api, brought: dict[str, str]) -> Json:
    answered: Json = await api.call("FinishMcpAuthorization", **brought)
    return answered


async def authorize(api: Api, protected: Protected) -> None:
    async with connecting(api, protected) as (asked, events):
        assert (await come_back(api, await consent(asked["url"])))["status"] == "success"
        assert (await anext(events))["event"] == "success"


async def stored(database: Database, session_id: str) -> Any:
    async with database.begin() as transaction:
        found = await transaction.execute(select(mcp_oauth_sessions).where(mcp_oauth_sessions.c.id == session_id))
        return found.first()


async def test_a_user_authorizes_while_the_client_waits(api: Api, protected: Protected) -> None:
    async with connecting(api, protected) as (asked, events):
        answered = await come_back(api, await consent(asked["url"]))
        success = await anext(events)

    assert asked["session_id"].startswith("mcp-oauth-")
    assert asked["url"].startswith(f"{protected.origin}/authorize?")
    assert "code_challenge_method=S256" in asked["url"]
    assert (answered["status"], answered["server_url"]) == ("success", protected.url)
    assert (success["event"], success["tools"][0]["name"]) == ("success", "whoami")


async def test_the_older_transport_is_authorized_too(api: Api, add_server: AddServer, execute: Execute) -> None:
    protected = Protected("sse")
    async with protected.serving():
        await authorize(api, protected)
        server = await add_server(protected.config)

        assert (await execute(server, "whoami")).value in protected.consents.clients
        await api.call("DeleteMcpServer", mcp_server_id=server["id"])  # it keeps a stream open


async def test_the_own_network_is_out_of_reach_for_authorizations_too(protected: Protected) -> None:
    with pytest.raises(AuthorizationFailed, match="Non-public IP not allowed"):
        await AuthorizationServers(Allowed()).begin(StreamableHTTPConfig(server_url=protected.url), PUBLIC_URL)


async def test_a_server_that_asks_for_nothing_is_not_authorized() -> None:
    async with serving("streamable_http") as config:
        reached = StreamableHTTPConfig.model_validate(config)
        with pytest.raises(AuthorizationFailed, match="asks for no authorization: it answered HTTP"):
            await AuthorizationServers(MCP_ALLOWED).begin(reached, PUBLIC_URL)


async def test_the_client_registers_itself(api: Api, protected: Protected) -> None:
    async with connecting(api, protected):
        (client,) = protected.consents.clients.values()

    assert client.client_name == "Perdure"
    assert [str(uri) for uri in client.redirect_uris or []] == [f"{PUBLIC_URL}/v1/tools/mcp/oauth/callback"]


async def test_an_authorized_server_is_used_like_any_other(
    api: Api, protected: Protected, add_server: AddServer, execute: Execute
) -> None:
    await authorize(api, protected)

    server = await add_server(protected.config)

    assert (await execute(server, "whoami")).value in protected.consents.clients


async def test_a_stored_server_gets_its_tools_when_it_is_authorized(
    api: Api, protected: Protected, add_server: AddServer, execute: Execute
) -> None:
    server = await add_server(protected.config)
    with pytest.raises(Unavailable, match="wants to be authorized"):
        await api.call("RefreshMcpServer", mcp_server_id=server["id"])

    events = api.events("ConnectMcpServer", mcp_server_id=server["id"])
    asked = [await anext(events) for _ in range(4)][2]
    await come_back(api, await consent(asked["url"]))
    success = await anext(events)

    assert success["event"] == "success"
    assert (await execute(server, "whoami")).value in protected.consents.clients


async def test_the_user_may_come_back_when_nobody_waits_any_more(
    api: Api, protected: Protected, add_server: AddServer
) -> None:
    """To another replica, or after a restart: nothing is kept in memory."""
    async with connecting(api, protected) as (asked, events):
        await events.aclose()  # type: ignore[attr-defined]  # a generator
    answered = await come_back(api, await consent(asked["url"]))

    server = await add_server(protected.config)

    assert answered["status"] == "success"
    assert len(await api.call("ListMcpServerTools", mcp_server_id=server["id"])) == 1


async def test_a_repeated_return_changes_nothing(api: Api, protected: Protected) -> None:
    async with connecting(api, protected) as (asked, _):
        brought = await consent(asked["url"])

        answers = [await come_back(api, brought) for _ in range(2)]

    assert answers[0] == answers[1]


async def test_a_refusal_is_told_to_both(api: Api, protected: Protected) -> None:
    protected.consents.refuses = True
    async with connecting(api, protected) as (asked, events):
        answered = await come_back(api, await consent(asked["url"]))
        told = await anext(events)

    message = "The authorization was refused (access_denied): Not now."
    assert answered == {"status": "error", "message": message, "server_url": None}
    assert (told["event"], told["message"]) == ("error", message)


@pytest.mark.parametrize(
    ("brought", "message"),
    [
        ({}, "No authorization waits for this state"),
        ({"state": "forged", "code": "c"}, "No authorization waits for this state"),
    ],
)
async def test_strange_returns_are_refused(api: Api, brought: dict[str, str], message: str) -> None:
    answered = await come_back(api, brought)

    assert answered["status"] == "error"
    assert message in answered["message"]


@pytest.mark.parametrize("change", [{"code": "forged"}, {"code": ""}, {"iss": "https://evil.example"}])
async def test_a_return_with_something_else_than_was_given_fails(
    api: Api, protected: Protected, change: dict[str, str]
) -> None:
    async with connecting(api, protected) as (asked, events):
        answered = await come_back(api, {**await consent(asked["url"]), **change})

        assert answered["status"] == "error"
        assert (await anext(events))["event"] == "error"


async def test_nobody_waits_for_ever(api: Api, protected: Protected, database: Database) -> None:
    async with connecting(api, protected) as (asked, events):
        brought = await consent(asked["url"])
        async with database.begin() as transaction:
            over = update(mcp_oauth_sessions).where(mcp_oauth_sessions.c.id == asked["session_id"])
            await transaction.execute(over.values(expires_at=func.now() - text("interval '1 s'")))

        told = await anext(events)
        answered = await come_back(api, brought)

    assert (told["event"], told["message"]) == ("error", "Nobody authorized it in time.")
    assert answered["status"] == "error"
    async with connecting(api, protected):
        assert await stored(database, asked["session_id"]) is None


async def test_what_was_granted_is_encrypted(api: Api, protected: Protected, database: Database) -> None:
    async with connecting(api, protected) as (asked, _):
        await come_back(api, await consent(asked["url"]))

    values = " ".join(map(str, await stored(database, asked["session_id"])))

    (token,) = protected.consents.access
    assert "authorized" in values
    assert token not in values
    assert protected.url not in values


async def test_an_old_token_is_renewed_once_by_all_that_need_it(
    api: Api, protected: Protected, add_server: AddServer, execute: Execute
) -> None:
    protected.consents.lifetime_s = 1  # over, as far as requests are concerned
    await authorize(api, protected)
    server = await add_server(protected.config)
    protected.consents.lifetime_s, before = 3600, protected.consents.refreshed

    said = await asyncio.gather(*(execute(server, "whoami") for _ in range(5)))

    assert {one.value for one in said} == set(protected.consents.clients)
    assert protected.consents.refreshed == before + 1


async def test_replicas_do_not_use_a_refresh_token_twice(
    api: Api, protected: Protected, sessions: PostgresSessions
) -> None:
    await authorize(api, protected)
    replicas = [Tokens(sessions, AuthorizationServers(MCP_ALLOWED)) for _ in range(3)]
    old = await replicas[0].find(DEFAULT_ORGANIZATION_ID, protected.url)
    assert old

    async def renew(tokens: Tokens) -> Grant | None:
        return await tokens.renew(DEFAULT_ORGANIZATION_ID, protected.url, old.access_token)

    renewed = await asyncio.gather(*map(renew, replicas))

    assert len({grant.access_token for grant in renewed if grant}) == 1
    assert protected.consents.refreshed == 1


async def test_a_revoked_token_is_renewed(
    api: Api, protected: Protected, add_server: AddServer, execute: Execute
) -> None:
    await authorize(api, protected)
    server = await add_server(protected.config)

    protected.consents.access.clear()

    assert (await execute(server, "whoami")).value in protected.consents.clients


async def test_a_withdrawn_consent_has_to_be_given_again(
    api: Api, protected: Protected, add_server: AddServer, execute: Execute
) -> None:
    await authorize(api, protected)
    server = await add_server(protected.config)
    protected.consents.access.clear()
    protected.consents.refresh.clear()

    refused = await execute(server, "whoami")
    await authorize(api, protected)

    assert "it wants to be authorized" in refused.value
    assert (await execute(server, "whoami")).value in protected.consents.clients


async def test_the_tokens_go_with_the_last_server_that_needs_them(
    api: Api, protected: Protected, add_server: AddServer, sessions: PostgresSessions
) -> None:
    await authorize(api, protected)
    one, two = await add_server(protected.config), await add_server(protected.config)

    await api.call("DeleteMcpServer", mcp_server_id=one["id"])
    left = await sessions.find_authorized(DEFAULT_ORGANIZATION_ID, protected.url)
    await api.call("UpdateMcpServer", {"config": {"server_url": f"{protected.url}/x"}}, mcp_server_id=two["id"])

    assert left
    assert await sessions.find_authorized(DEFAULT_ORGANIZATION_ID, protected.url) is None
