"""Days and times as people and models write them."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from services.common.errors import InvalidArgument

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


def read_moment(text: str | None, *, end_of_day: bool, timezone: str = "UTC") -> datetime | None:
    """A day or time in ISO 8601, in `timezone` where it names no zone; `end_of_day` takes a day's last moment.

    Raises `InvalidArgument` for what is neither.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as exc:
        raise InvalidArgument(f"{text!r} is no date. Write it as '2026-01-31' or '2026-01-31T14:30'.") from exc
    if end_of_day and len(text) == len("2026-01-31"):
        moment = datetime.combine(moment.date(), time.max)
    return _to_utc(moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone)))


def print_local(moment: datetime, timezone: str) -> str:
    """A moment of the database in ISO 8601, in a zone; in UTC where clocks of that zone cannot show it."""
    in_utc = moment.replace(tzinfo=UTC)  # the very first and the very last come without a zone, as infinities
    try:
        return in_utc.astimezone(ZoneInfo(timezone)).isoformat()
    except OverflowError:
        return in_utc.isoformat()


def _to_utc(moment: datetime) -> datetime:
    """The moment, or the nearest one that can be told: models write the year 9999 for no end."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return LATEST if moment.year == LATEST.year else EARLIEST
