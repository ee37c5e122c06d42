"""The settings that are read and those that docs/settings.md tells of are the same."""

import re
from pathlib import Path

from services.llm_router.vendors import VENDORS

ROOT = Path(__file__).parents[1]
_READ = re.compile(r'"((?:PERDURE_[A-Z_]+)|DATABASE_URL|REDIS_URL)"')
_TOLD = re.compile(r"`(PERDURE_[A-Z_]+|DATABASE_URL|REDIS_URL)`")


def test_every_variable_is_documented_and_every_documented_one_is_read() -> None:
    sources = [path.read_text() for path in (ROOT / "services").rglob("*.py")]
    read = {name for source in sources for name in _READ.findall(source)}

    told = set(_TOLD.findall((ROOT / "docs" / "settings.md").read_text()))

    assert told == read


def test_every_vendor_is_documented() -> None:
    told = set(re.findall(r"`([A-Z]+)`", (ROOT / "docs" / "settings.md").read_text()))

    assert {vendor.variables for vendor in VENDORS.values()} <= told
