"""A JSON object whose keys are the caller's own."""

from typing import Any

JsonObject = dict[str, Any]  # Any: whatever JSON holds
