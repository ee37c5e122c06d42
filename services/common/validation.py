"""What pydantic finds wrong, as it is told: to clients as a list, to models and people in words."""

from collections.abc import Sequence

from pydantic import ValidationError

from services.common.errors import Json


def list_problems(error: ValidationError, where: str = "body") -> list[Json]:
    """One `{type, loc, msg}` per problem; `loc` begins with `where` and leads to the field."""
    return [
        {"type": problem["type"], "loc": [where, *problem["loc"]], "msg": problem["msg"]}
        for problem in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def tell_problems(error: ValidationError) -> list[str]:
    """A text per problem: the field and what is wrong with it."""
    return [tell_problem(problem["loc"], problem["msg"]) for problem in error.errors(include_url=False)]


def tell_problem(place: Sequence[str | int], problem: str) -> str:
    """What is wrong with a field; without a place, with all of it."""
    return f"{'.'.join(map(str, place))}: {problem}" if place else problem
