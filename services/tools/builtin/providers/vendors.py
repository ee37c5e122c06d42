"""All vendors of web search, in the order in which they are preferred."""

from services.tools.builtin.providers.brave import BRAVE
from services.tools.builtin.providers.exa import EXA
from services.tools.builtin.providers.tavily import TAVILY
from services.tools.builtin.providers.vendor import Vendor

VENDORS: dict[str, Vendor] = {vendor.account.provider: vendor for vendor in (EXA, TAVILY, BRAVE)}
