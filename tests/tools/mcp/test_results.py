"""What tools answer besides plain text."""

from mcp.types import AudioContent, CallToolResult, ImageContent

from perdure.conversation.v1.message_pb2 import Image, ToolStatus
from services.tools.mcp.clients.results import MAX_IMAGE_BYTES, MAX_IMAGES, read_result
from tests.tools.conftest import Api
from tests.tools.mcp.conftest import AddServer, Execute
from tests.tools.mcp.probe import stdio_config
from tests.tools.mcp.server import PIXEL


async def test_images_stand_beside_the_text(add_server: AddServer, execute: Execute) -> None:
    server = await add_server(stdio_config())

    returned = await execute(server, "picture")

    assert returned.status == ToolStatus.TOOL_STATUS_SUCCESS
    assert returned.value == "Look:\n[image/svg+xml, neither text nor an image]"
    assert list(returned.images) == [Image(data=PIXEL, media_type="image/png")]


async def test_resources_are_text_or_images(add_server: AddServer, execute: Execute) -> None:
    server = await add_server(stdio_config())

    returned = await execute(server, "document")

    assert returned.value == "Remember the milk.\n[more: https://example.com/more]"
    assert list(returned.images) == [Image(data=PIXEL, media_type="image/png")]


async def test_structured_content_stands_in_for_text(add_server: AddServer, execute: Execute) -> None:
    server = await add_server(stdio_config())

    assert (await execute(server, "measure")).value == '{"celsius":21}'


async def test_images_are_named_where_only_text_can_stand(api: Api, add_server: AddServer) -> None:
    server = await add_server(stdio_config())
    tools = await api.call("ListMcpServerTools", mcp_server_id=server["id"])
    picture = next(tool["id"] for tool in tools if tool["name"] == "picture")

    ran = await api.call("RunMcpServerTool", mcp_server_id=server["id"], tool_id=picture)

    assert ran["func_return"] == "Look:\n[image/svg+xml, neither text nor an image]\n[image/png]"


def test_what_no_model_can_take_is_named() -> None:
    blocks = [
        ImageContent(data="A" * (2 * MAX_IMAGE_BYTES), mime_type="image/png"),
        ImageContent(data="no base64!", mime_type="image/png"),
        AudioContent(data="", mime_type="audio/wav"),
    ]

    result = read_result(CallToolResult(content=list(blocks), is_error=True))

    assert result.is_error
    assert result.images == ()
    assert result.text.splitlines() == [
        "[image/png, too large to show]",
        "[image/png, unreadable]",
        "[audio/wav, neither text nor an image]",
    ]


def test_images_have_a_bound() -> None:
    image = ImageContent(data="", mime_type="image/png")

    assert len(read_result(CallToolResult(content=[image] * 100)).images) == MAX_IMAGES
