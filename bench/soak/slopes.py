"""Whether a figure grows, or only wavers."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

SURE = 4.0  # standard errors that a slope must be above zero
# By unit, what may be added over the whole time.
SLACK = {"MiB": 8.0, "descriptors": 6.0, "connections": 4.0, "keys": 50.0, "rows": 25.0, "children": 2.0}
SHARE = 0.05  # of the mean; less is no growth, whatever the unit


@dataclass(frozen=True)
class Slope:
    """How a series of samples moves. `grown` is how much by in the time that was looked at; `noise` its scatter."""

    name: str
    mean: float
    per_hour: float
    noise: float
    grown: float
    is_sure: bool

    @property
    def is_growth(self) -> bool:
        """More than noise, and more than what does not matter."""
        unit = self.name.rpartition(" ")[2]
        return self.is_sure and self.grown > max(SLACK.get(unit, 0.0), SHARE * self.mean)

    @property
    def is_worth_a_line(self) -> bool:
        """Not always nothing."""
        return self.mean > 0


def slope_of(name: str, series: Sequence[tuple[float, float]], warm_up: float) -> Slope:
    """The least-squares line through (seconds, value), without the first part of the time."""
    begin = series[0][0] + warm_up * (series[-1][0] - series[0][0])
    kept = [(at, value) for at, value in series if at >= begin]
    times, values = [at for at, _ in kept], [value for _, value in kept]
    if len(kept) < 3 or len(set(values)) == 1:
        return Slope(name, statistics.fmean(values), 0.0, 0.0, 0.0, is_sure=False)
    line = statistics.linear_regression(times, values)
    rest = [value - (line.slope * at + line.intercept) for at, value in kept]
    noise = math.sqrt(sum(one * one for one in rest) / (len(rest) - 2))
    spread = math.sqrt(sum((at - statistics.fmean(times)) ** 2 for at in times))
    sure = line.slope > SURE * noise / spread
    grown = line.slope * (times[-1] - times[0])
    return Slope(name, statistics.fmean(values), line.slope * 3600, noise, grown, is_sure=sure)
