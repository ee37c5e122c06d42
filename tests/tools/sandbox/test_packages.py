"""What tools may ask to have installed."""

import pytest

from services.tools.sandbox.job import Language
from services.tools.sandbox.packages import BadRequirement, read_requirements


@pytest.mark.parametrize(
    ("language", "name", "version", "read"),
    [
        ("python", "six", None, "six"),
        ("python", "six", "1.17.0", "six==1.17.0"),
        ("python", "six", ">=1.16, <2", "six>=1.16,<2"),
        ("python", "six >= 1.16", None, "six>=1.16"),
        ("python", "httpx[http2, socks]", "~=0.28", "httpx[http2,socks]~=0.28"),
        ("typescript", "is-number", None, "is-number@*"),
        ("typescript", "is-number", "^7.0.0", "is-number@^7.0.0"),
        ("typescript", "@types/node", ">=18 <21 || latest", "@types/node@>=18 <21 || latest"),
    ],
)
def test_names_and_versions_are_taken(language: Language, name: str, version: str | None, read: str) -> None:
    assert read_requirements(language, [(name, version)]) == (read,)


def test_the_order_makes_no_difference() -> None:
    packages = read_requirements("python", [("six", "1"), ("attrs", None), ("six", "1")])

    assert packages == ("attrs", "six==1")


@pytest.mark.parametrize(
    ("language", "name", "version"),
    [
        ("python", "", None),
        ("python", "--index-url=https://example.com", None),
        ("python", "-e .", None),
        ("python", "./six", None),
        ("python", "/tmp/six-1.17.0-py3-none-any.whl", None),
        ("python", "six @ https://user:secret@example.com/six.whl", None),
        ("python", "https://example.com/six.whl", None),
        ("python", "git+https://example.com/six", None),
        ("python", "six\n--no-index", None),
        ("python", "six", "1 --pre"),
        ("python", "six", "1; python_version > '3'"),
        ("python", "s" * 300, None),
        ("typescript", "--registry=https://example.com", None),
        ("typescript", "../is-number", None),
        ("typescript", "is-number", "file:../is-number"),
        ("typescript", "is-number", "git+https://example.com/x"),
        ("typescript", "is-number", "user/repository"),
        ("typescript", "is-number", "npm:other@1"),
        ("typescript", "is-number", "1\n2"),
    ],
)
def test_whatever_leads_elsewhere_is_refused(language: Language, name: str, version: str | None) -> None:
    with pytest.raises(BadRequirement):
        read_requirements(language, [(name, version)])
