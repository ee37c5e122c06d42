"""The function behind the REST operation that users come back to."""

from perdure.tools.v1.mcp_rest_pb2 import FinishMcpAuthorizationQuery
from services.common.caller import Caller
from services.contract.mcp import FinishedAuthorization
from services.tools.mcp.oauth.authorizing import Authorizing, Redirect
from services.tools.mcp.oauth.session import AuthorizationFailed


class McpOAuthRest:
    """The operation on /v1/tools/mcp/oauth."""

    def __init__(self, authorizing: Authorizing) -> None:
        self._authorizing = authorizing

    async def finish_mcp_authorization(
        self, caller: Caller, query: FinishMcpAuthorizationQuery, body: None
    ) -> FinishedAuthorization:
        """Takes what the authorization server sent along with the user's browser."""
        redirect = Redirect(query.state, query.code, query.error, query.error_description, query.iss)
        try:
            session = await self._authorizing.finish(redirect)
        except AuthorizationFailed as exc:
            return FinishedAuthorization(status="error", message=str(exc))
        if session.status != "authorized":
            return FinishedAuthorization(status="error", message=session.message)
        message = "The server is authorized. This page can be closed."
        return FinishedAuthorization(status="success", message=message, server_url=session.grant.server_url)
