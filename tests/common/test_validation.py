"""What is wrong with values, told in lists and in words."""

import pytest
from pydantic import BaseModel, ValidationError

from services.common.validation import list_problems, tell_problems


class Order(BaseModel):
    items: list[int]


def test_problems_are_listed_with_the_way_to_their_fields() -> None:
    with pytest.raises(ValidationError) as broken:
        Order.model_validate({"items": [1, "x"]})

    (problem,) = list_problems(broken.value, "query")

    assert isinstance(problem, dict)
    assert (problem["type"], problem["loc"]) == ("int_parsing", ["query", "items", 1])


def test_problems_are_told_with_the_names_of_their_fields() -> None:
    with pytest.raises(ValidationError) as broken:
        Order.model_validate({"items": [1, "x"]})

    (told,) = tell_problems(broken.value)

    assert told.startswith("items.1: Input should be a valid integer")


def test_a_problem_of_the_whole_is_told_without_a_field() -> None:
    with pytest.raises(ValidationError) as broken:
        Order.model_validate_json("{")

    (told,) = tell_problems(broken.value)

    assert told.startswith("Invalid JSON")
