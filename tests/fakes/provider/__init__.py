"""A fake of the model vendors: their wire formats over HTTP, answers steered by the user's message."""

from tests.fakes.provider.server import ProviderFake
from tests.fakes.provider.traffic import Received

__all__ = ["ProviderFake", "Received"]
