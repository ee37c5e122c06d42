"""Reading uploaded files."""

import httpx
import pytest

from services.common.errors import Unprocessable
from services.common.uploads import Upload, read_upload

TYPE = "multipart/form-data; boundary=b"


def form(**parts: tuple[str, bytes, str]) -> tuple[str, bytes]:
    """The content type and the body of a form."""
    request = httpx.Request("POST", "http://here", files=parts, data={"other": "field"})
    return request.headers["content-type"], request.read()


async def test_the_file_is_read_among_other_parts() -> None:
    data = b"\r\n--b--\x00" * 100_000

    upload = await read_upload(*form(more=("b.txt", b"no", "text/plain"), file=("ä b.pdf", data, "application/pdf")))

    assert upload == Upload("ä b.pdf", "application/pdf", data)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("", b""),
        ("application/json", b"{}"),
        ("multipart/form-data", b"--b--"),
        (TYPE, b""),
        (TYPE, b"nonsense"),
        (TYPE, b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncut off'),
        form(another=("a.txt", b"text", "text/plain")),
    ],
)
async def test_a_form_without_the_file_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(Unprocessable) as caught:
        await read_upload(content_type, body)

    assert "['body', 'file']" in str(caught.value.detail)
