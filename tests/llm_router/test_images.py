"""Images that a provider would refuse do not end a conversation."""

import base64

import orjson
import pytest

from perdure.conversation.v1.message_pb2 import (
    ROLE_ASSISTANT,
    ROLE_SYSTEM,
    ROLE_TOOL,
    ROLE_USER,
    TOOL_STATUS_ERROR,
    Image,
    Message,
    Part,
    Role,
    ToolCall,
    ToolReturn,
)
from perdure.llm_router.v1.llm_router_service_pb2_grpc import LlmRouterServiceStub
from services.llm_router.images import UNSEEN_IMAGE, media_type
from services.llm_router.prompt import tidy_messages
from tests.fakes.provider import ProviderFake
from tests.llm_router.asking import CLAUDE, PIXEL, ask, question

ELSEWHERE = Image(url="https://pictures.example/a.png")
PNG = b"\x89PNG\r\n\x1a\n"
REFUSED_BY_CLAUDE = (Image(data=b"ftypheic", media_type="image/heic"), Image(url="http://pictures.example/a.png"))


def picture(image: Image, role: Role.ValueType = ROLE_USER) -> Message:
    return Message(role=role, parts=[Part(text="Look:"), Part(image=image)])


@pytest.mark.parametrize(
    ("data", "called", "expected"),
    [
        (PNG, "image/jpeg", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpg", "image/jpeg"),
        (b"GIF89a", "image/png", "image/gif"),
        (b"RIFF\n\x00\x00\x00WEBPVP8 ", "", "image/webp"),
        (b"?", "image/heic", "image/heic"),
        (b"?", "", "image/png"),
    ],
)
def test_an_image_is_of_the_type_that_its_bytes_show(data: bytes, called: str, expected: str) -> None:
    assert media_type(Image(data=data, media_type=called)) == expected


@pytest.mark.parametrize(
    "image",
    [
        Image(),
        Image(data=b"<svg/>", media_type="image/svg+xml"),
        Image(url="file:///etc/hosts"),
        Image(url="data:image/png;base64,???"),
        Image(url="data:image/png;base64,é"),
        Image(url="data:text/plain,hello"),
        Image(url="data:image/svg+xml;base64,PHN2Zy8+"),
    ],
)
def test_an_image_that_no_model_takes_is_mentioned_in_words(image: Image) -> None:
    call = Message(role=ROLE_ASSISTANT, parts=[Part(tool_call=ToolCall(id="a", name="draw"))])
    returned = Part(tool_return=ToolReturn(call_id="a", name="draw", value="Done.", images=[image, PIXEL, ELSEWHERE]))

    asked, _, result = tidy_messages([picture(image), call, Message(role=ROLE_TOOL, parts=[returned])])

    assert [part.text for part in asked.parts] == ["Look:", UNSEEN_IMAGE]
    assert result.parts[0].tool_return.value == f"Done.\n{UNSEEN_IMAGE}"
    assert list(result.parts[0].tool_return.images) == [PIXEL, ELSEWHERE]


@pytest.mark.parametrize("role", [ROLE_ASSISTANT, ROLE_SYSTEM])
def test_an_image_that_only_users_may_send_is_mentioned_in_words(role: Role.ValueType) -> None:
    (tidied,) = tidy_messages([picture(PIXEL, role)])

    assert [part.text for part in tidied.parts] == ["Look:", UNSEEN_IMAGE]


def test_bytes_in_an_address_are_sent_as_bytes() -> None:
    address = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"

    (tidied,) = tidy_messages([picture(Image(url=address))])

    assert tidied.parts[1].image.data == PNG


def test_a_detail_that_no_provider_knows_is_left_out() -> None:
    sent = [picture(Image(url=ELSEWHERE.url, detail=detail)) for detail in ("low", "huge")]

    assert [message.parts[1].image.detail for message in tidy_messages(sent)] == ["low", ""]


@pytest.mark.parametrize("image", REFUSED_BY_CLAUDE)
async def test_a_conversation_goes_on_without_the_images_that_its_provider_refuses(
    stub: LlmRouterServiceStub, fake: ProviderFake, image: Image
) -> None:
    heard = await ask(stub, question(CLAUDE, picture(image), "Say 'on'."))

    assert heard.text == "on"
    assert UNSEEN_IMAGE.encode() in orjson.dumps(list(fake.traffic)[-1].body)


async def test_claude_gets_the_images_of_a_call_that_failed(stub: LlmRouterServiceStub, fake: ProviderFake) -> None:
    call = Message(role=ROLE_ASSISTANT, parts=[Part(tool_call=ToolCall(id="a", name="draw"))])
    failed = ToolReturn(call_id="a", name="draw", status=TOOL_STATUS_ERROR, value="Out of ink.", images=[PIXEL])

    await ask(stub, question(CLAUDE, "Draw.", call, Message(role=ROLE_TOOL, parts=[Part(tool_return=failed)])))

    sent = orjson.dumps(list(fake.traffic)[-1].body)
    assert b"Failed" in sent
    assert b"iVBORw" in sent
