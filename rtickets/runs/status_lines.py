"""What the run folders say about themselves, as lines that a person reads."""

from collections.abc import Sequence

from rtickets.errors import printable
from rtickets.runs.status import Status, is_study


def as_text(found: Sequence[Status]) -> str:
    """Return one aligned line per folder."""
    if not found:
        return "nothing has been run here"
    names = [printable(status.folder) for status in found]
    width = max(map(len, names))
    return "\n".join(
        f"{name:{width}}  {one.state:8}  {_describe(one)}".rstrip()
        for name, one in zip(names, found, strict=True)
    )


def _describe(status: Status) -> str:
    if status.problem is not None:
        return status.problem
    parts = []
    if status.done is not None and status.total is not None:
        unit = "measured" if is_study(status.folder) else "steps"
        share = status.done / max(status.total, 1)
        parts.append(f"{status.done:,} of {status.total:,} {unit} ({share:.0%})")
    if status.failed:
        parts.append(f"{status.failed:,} failed")
    if status.event is not None:
        parts.append(f"last event: {status.event}")
    if status.doing is not None:
        parts.append(status.doing)
    if status.images_per_second is not None:
        parts.append(f"{status.images_per_second:,.0f} images/s")
    if status.seconds_left is not None:
        parts.append(f"about {duration(status.seconds_left)} left")
    if status.seconds_at_work is not None:
        parts.append(f"at work for {duration(status.seconds_at_work)}")
    if status.state == "running":
        parts.append(f"last change {duration(status.idle_seconds)} ago")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a duration as a person would say it, such as '2 h 5 min'."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
