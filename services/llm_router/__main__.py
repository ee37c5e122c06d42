"""The llm_router service: `python -m services.llm_router`."""

import asyncio
from collections.abc import Iterable

import grpc

from perdure.llm_router.v1 import llm_router_service_pb2 as service
from perdure.llm_router.v1 import llm_router_service_pb2_grpc as stubs
from perdure.llm_router.v1 import rest_pb2
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
    """Wires the service and serves it until it is told to stop."""
    config = RouterConfig.read(Environment.current())
    providers = open_providers(config)
    catalog = Catalog(providers)
    router = Router(catalog, config.deadlines, config.retries)
    freshness = asyncio.create_task(catalog.keep_fresh())
    try:
        await serve(config.addresses.listen, lambda server: add_services(server, router, catalog))
    finally:
        freshness.cancel()
        for provider in providers:
            await provider.adapter.close()


if __name__ == "__main__":
    run(main())
