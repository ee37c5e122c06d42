"""Tools with which agents use the web."""

from typing import get_args

from services.tools.builtin.base_tool import BaseTool, text, texts, whole_number
from services.tools.builtin.search import DEFAULT_RESULTS, MAX_RESULTS, Category

_DAY = "ISO 8601: a day such as 2026-03-09."

_WEB_SEARCH = BaseTool(
    name="web_search",
    tool_type="letta_builtin",
    description=(
        "Searches the web. Gives titles, addresses and excerpts of the pages that fit best; fetch_webpage gives a page "
        "in full.\n\n"
        'Example: web_search(query="population of Turin in 2026", num_results=5, include_domains=["istat.it"])'
    ),
    parameters={
        "query": text("What to look for."),
        "num_results": whole_number(f"How many pages to give, 1 to {MAX_RESULTS}; {DEFAULT_RESULTS} if left out."),
        "category": {"type": "string", "enum": list(get_args(Category)), "description": "The kind of pages to give."},
        "include_text": {
            "type": "boolean",
            "description": "Whether to give the pages' texts too, which takes much room. False if left out.",
        },
        "include_domains": texts("Only pages of these domains, such as example.org."),
        "exclude_domains": texts("No pages of these domains."),
        "start_published_date": text(f"Only pages published from then on. {_DAY}"),
        "end_published_date": text(f"Only pages published up to then. {_DAY}"),
        "user_location": text("The two-letter code of the country to search from, such as IT."),
    },
    optional=(
        "num_results",
        "category",
        "include_text",
        "include_domains",
        "exclude_domains",
        "start_published_date",
        "end_published_date",
        "user_location",
    ),
    is_parallel=True,
)
_FETCH_WEBPAGE = BaseTool(
    name="fetch_webpage",
    tool_type="letta_builtin",
    description="Gives the text of a web page, with its headings and links.",
    parameters={"url": text("The address of the page, beginning with http:// or https://.")},
    is_parallel=True,
)

WEB_TOOLS = (_WEB_SEARCH, _FETCH_WEBPAGE)
