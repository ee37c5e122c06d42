"""Reads a file on standard input and prints its text in UTF-8: the process behind `TextReader`.

Ends with `REFUSED` and a sentence on standard error where the file holds no text.
"""

import codecs
import os
import resource
import sys
from io import BytesIO

REFUSED = 3  # the exit status
MAX_TEXT_CHARS = 10_000_000  # characters of one file
MEMORY_BYTES = 1 << 30  # bytes
CPU_S = 60  # seconds
DETECTED_BYTES = 1 << 18  # bytes from which an encoding is told
ENCODINGS = (  # that files are in beside UTF-8; where several fit as well, the first
    *("utf_16", "utf_32", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("shift_jis", "euc_jp", "gb18030", "big5", "euc_kr"),
)
WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
PDF = b"%PDF-"
PDF_HEADER_BYTES = 1024  # bytes within which a PDF has to say that it is one


class RefusedFile(Exception):
    """What is wrong with the file."""


def main() -> None:
    """Reads and prints."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    data = sys.stdin.buffer.read()
    try:
        text = read(data)
    except RefusedFile as exc:
        sys.stderr.write(str(exc))
        sys.exit(REFUSED)
    sys.stdout.buffer.write(text.encode(errors="replace"))


def read(data: bytes) -> str:
    """The text of a file, its lines ended by \\n. Raises `RefusedFile`."""
    text = _read_pdf(data) if PDF in data[:PDF_HEADER_BYTES] else _decode(data)
    if len(text) > MAX_TEXT_CHARS:
        raise RefusedFile(f"The file holds {len(text)} characters of text; at most {MAX_TEXT_CHARS} are taken.")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _read_pdf(data: bytes) -> str:
    from pypdf import PdfReader

    pages: list[str] = []
    try:
        reader = PdfReader(BytesIO(data))
        for page in reader.pages:
            pages.append(page.extract_text())
            if sum(map(len, pages)) > MAX_TEXT_CHARS:
                break
    except Exception as exc:  # whatever a broken PDF makes its reader raise
        raise RefusedFile(f"The PDF cannot be read: {exc}") from exc
    text = "\n".join(pages)
    if not text.strip():
        raise RefusedFile("The PDF holds no text, perhaps only pictures of it.")
    return text


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    is_binary = b"\0" in data and not data.startswith(WIDE_MARKS)
    encoding = None if is_binary else _detect(data[:DETECTED_BYTES])
    if encoding is None:
        raise RefusedFile("The file is neither text nor a PDF.")
    return data.decode(encoding, errors="replace")


def _detect(data: bytes) -> str | None:
    """The likeliest encoding: a rare one, as some of DOS are, only where no usual one fits."""
    from charset_normalizer import from_bytes

    usual = from_bytes(data, cp_isolation=list(ENCODINGS))
    if usual:
        return min(usual, key=lambda it: (it.chaos, -it.coherence, ENCODINGS.index(it.encoding))).encoding
    found = from_bytes(data).best()
    return found.encoding if found else None


if __name__ == "__main__":
    main()
