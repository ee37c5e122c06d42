"""Reading files in a process of their own."""

import zlib

import pytest

from services.agents.folders import text_reader
from services.agents.folders.text_reader import TextReader, Unreadable


def pdf(content: bytes, *, filters: str = "") -> bytes:
    """A PDF of one page with this content stream."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), filters.encode(), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    data, offsets = b"%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"trailer << /Size 6 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % len(data)
    return data + b"xref\n0 6\n0000000000 65535 f \n" + table + trailer


LETTER = "Größe und Maß: Übermütige Käufer möchten schöne Hüte für ältere Bäcker. " * 5


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        ("Grüße\r\nan alle\rhier".encode(), "Grüße\nan alle\nhier"),
        ("\ufeffmarked".encode(), "marked"),
        ("wide ünd weit".encode("utf-16"), "wide ünd weit"),
        (LETTER.encode("cp1252"), LETTER),
        ("Le café est à côté de l'église.".encode("cp1252"), "Le café est à côté de l'église."),
        ("name,city\nMuñoz,São Paulo\n".encode("cp1252"), "name,city\nMuñoz,São Paulo\n"),
        ("Příliš žluťoučký kůň úpěl ďábelské ódy".encode("cp1250"), "Příliš žluťoučký kůň úpěl ďábelské ódy"),
        ("Привет, мир! Это проверка.".encode("koi8-r"), "Привет, мир! Это проверка."),
        ("こんにちは、世界。日本語の文章です。".encode("shift_jis") * 3, "こんにちは、世界。日本語の文章です。" * 3),
        (b"a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        (b'{"json": [1, 2]}', '{"json": [1, 2]}'),
    ],
)
async def test_text_is_read_whatever_its_encoding(data: bytes, text: str) -> None:
    assert await TextReader().read(data) == text


async def test_a_pdf_is_read() -> None:
    assert "Hello PDF" in await TextReader().read(pdf(b"BT /F1 12 Tf 72 720 Td (Hello PDF) Tj ET"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 4, "neither text nor a PDF"),
        (b"PK\x03\x04" + bytes(range(256)) * 8, "neither text nor a PDF"),
        (b"%PDF-1.4\nnothing more", "cannot be read"),
        (pdf(b""), "no text"),
        (b"x" * 10_000_001, "at most 10000000"),
    ],
)
async def test_what_holds_no_text_is_refused_with_the_reason(data: bytes, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        await TextReader().read(data)


async def test_a_pdf_that_unfolds_without_end_is_given_up() -> None:
    bomb = zlib.compress(bytes(200_000_000))

    with pytest.raises(Unreadable):
        await TextReader().read(pdf(bomb, filters="/Filter /FlateDecode"))


async def test_a_slow_reader_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_reader, "TIMEOUT_S", 0.0)

    with pytest.raises(Unreadable, match="too long"):
        await TextReader().read(b"text")
