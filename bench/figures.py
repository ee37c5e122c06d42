"""Figures out of measurements, and a table of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True)
class Row:
    """One line of the table; `floor` is the same without the server, `aim` what we want."""

    name: str
    value: str
    floor: str = ""
    aim: str = ""


def print_rows(title: str, rows: Sequence[Row]) -> None:
    """Prints a table."""
    print(f"\n{title}")
    for row in rows:
        notes = [f"floor {row.floor}" if row.floor else "", f"aim {row.aim}" if row.aim else ""]
        print(f"  {row.name:<48} {row.value:>14}   {'   '.join(note for note in notes if note)}".rstrip())


def ms(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{seconds * 1000:.1f} ms"
