"""Answers that are not completions: always in one piece, steered all the same."""

from aiohttp import web

from tests.fakes.provider.delivery import Pace, fail, send_whole
from tests.fakes.provider.directive import Directive
from tests.fakes.provider.prompt import Body
from tests.fakes.provider.vendor import Vendor


async def reply(request: web.Request, body: Body, directive: Directive, vendor: Vendor) -> web.StreamResponse:
    """Sends the body, unless the directive asks for something else."""
    await Pace(directive).wait_first()
    return fail(request, directive, vendor) or await send_whole(request, body, directive)
