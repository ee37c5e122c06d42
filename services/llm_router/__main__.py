"""The llm_router service: `python -m services.llm_router`."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from functools import partial

import grpc

from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1 import llm_router_service_pb2_grpc as stubs
from perdure.llm_router.v1 import rest_pb2
from services.common.background import Background
from services.common.config import Environment
from services.common.rest import rest_handlers
from services.common.server import run, serve
from services.llm_router.catalog import Catalog
from services.llm_router.config import RouterConfig
from services.llm_router.providers.opening import open_providers
from services.llm_router.rest import LlmRouterOperations
from services.llm_router.router import Router
from services.llm_router.servicer import LlmRouterServicer

_REST = rest_pb2.DESCRIPTOR.services_by_name["LlmRouterRest"]
_TYPED = service.DESCRIPTOR.services_by_name["LlmRouterService"]


def add_services(server: grpc.aio.Server, router: Router, catalog: Catalog) -> Iterable[str]:
    """Registers both faces of the service and answers their names."""
    stubs.add_LlmRouterServiceServicer_to_server(LlmRouterServicer(router, catalog), server)
    server.add_generic_rpc_handlers((rest_handlers(_REST, LlmRouterOperations(catalog)),))
    return _TYPED.full_name, _REST.full_name


async def main() -> None:
    """Serves until told to stop. Raises `BrokenOff` where it stopped because a part of it broke off."""
    config = RouterConfig.read(Environment.current())
    providers = open_providers(config)
    catalog = Catalog(providers)
    router = Router(catalog, config.deadlines, config.retries)
    async with AsyncExitStack() as stack:
        for provider in providers:
            stack.push_async_callback(provider.adapter.close)
        background = await stack.enter_async_context(Background())
        background.begin("refreshing of models", catalog.keep_fresh())
        add = partial(add_services, router=router, catalog=catalog)
        await serve(config.addresses.listen, add, broken=background.broken)


if __name__ == "__main__":
    run(main())
