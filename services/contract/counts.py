"""Whole numbers that callers send. Their bound is what the database and the typed messages can hold."""

from typing import Annotated

from pydantic import Field

MAX_COUNT = 2**31 - 1
MAX_NUMBER = 2**63 - 1  # of an event in a run

Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
PositiveCount = Annotated[int, Field(ge=1, le=MAX_COUNT)]
EventNumber = Annotated[int, Field(ge=0, le=MAX_NUMBER)]
