"""As of any moment: things happen with time in between, and each moment is asked about later."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.utils import timezone

A_MOMENT = 0.003  # seconds


def pause() -> datetime:
    """A moment at which nothing happens, nor just before or after it."""
    time.sleep(A_MOMENT)
    at = timezone.now()
    time.sleep(A_MOMENT)
    return at


def at_every_moment(
    now: Callable[[], Any], was: Callable[[datetime], Any], *things: Callable[[], Any]
) -> None:
    """Do one thing after the other; `was(at)` says of each moment what `now()` said at it."""
    answers = []
    for do in (lambda: None, *things):
        do()
        answers.append((now(), pause()))
    assert len({str(answer) for answer, _ in answers}) > 1
    for answer, at in answers:
        assert was(at) == answer
