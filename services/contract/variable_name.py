"""The name of a variable in the environment of tools."""

from typing import Annotated

from pydantic import Field

VariableName = Annotated[str, Field(min_length=1, pattern=r"^[^=\x00]+$")]  # what an environment can hold
