"""What the figures of a run say, for people."""

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from orders.models import Allocation
from routing.models import Run

SHOWN = 50
PROVEN = 0.0005  # a gap that is shown as none


def duration(run: Run) -> timedelta | None:
    """How long it has run, or ran; None before it began."""
    if run.started_at is None:
        return None
    return (run.ended_at or timezone.now()) - run.started_at


def duration_words(run: Run) -> str:
    """Seconds, or minutes and seconds, or hours and minutes; "-" before it began."""
    took = duration(run)
    if took is None:
        return "-"
    seconds = int(took.total_seconds())
    if seconds < 60:
        return f"{max(took.total_seconds(), 0):.1f} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def gain(run: Run) -> float | None:
    """How much cheaper than one by one, as a share; None when nobody compared."""
    if not run.single_cost:
        return None
    return float((run.single_cost - run.cost) / run.single_cost)


def gain_words(run: Run) -> str:
    """Gain and gap in one sentence; "" for a run that decided order by order."""
    saved = gain(run)
    if saved is None:
        return ""
    if round(abs(saved), 3) == 0:
        words = "As cheap as one by one"
    else:
        words = f"{percent(abs(saved))} {'cheaper' if saved > 0 else 'dearer'} than one by one"
    if run.gap is not None and run.gap < PROVEN:
        words += "; nothing better is possible"
    elif run.gap is not None:
        words += f"; at most {percent(run.gap)} from the best possible"
    return words


def percent(share: float) -> str:
    """A share as people write it."""
    return f"{share * 100:.1f}\N{NO-BREAK SPACE}%"


def left_out_words(run: Run) -> str:
    """How the reason of an order begins that a run could not route."""
    return f"left out of run {run.pk}: "


def left_out(run: Run) -> Sequence[tuple[Allocation, str]]:
    """Slices that wait because the run could not route their orders, and why; oldest first."""
    words = left_out_words(run)
    waiting = Allocation.objects.filter(state=Allocation.State.QUEUED, queue__gt="")
    found = waiting.filter(queue_reason__startswith=words).select_related("order")
    rows = found.order_by("order_id", "id")[:SHOWN]
    return [(piece, piece.queue_reason.removeprefix(words)) for piece in rows]
