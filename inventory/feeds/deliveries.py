"""Deliveries of sources: each is taken once per (source, reference), in batches, and can resume."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from config.status import MovedMeanwhile
from inventory.feeds import rows
from inventory.feeds.batches import BATCH, Delivery, refusal, take
from inventory.feeds.rows import Bad, Line
from inventory.ledger import Verdict
from inventory.models import StockFeed, StockSource

PEOPLE = "file"  # code of the source of files that people upload


class AlreadyLoaded(Exception):
    """The source's delivery of this reference was taken before."""

    def __init__(self, feed: StockFeed) -> None:
        self.feed = feed
        at = feed.finished_at or feed.received_at
        super().__init__(
            f"{feed.reference} of {feed.source.name} was already loaded on {at:%Y-%m-%d at %H:%M}"
            " UTC"
        )


def people() -> StockSource:
    """The source of files that people upload."""
    source, _ = StockSource.objects.get_or_create(
        code=PEOPLE, defaults={"name": "Files", "system": StockSource.System.FILE}
    )
    return source


def opened(
    source: StockSource, reference: str, *, mode: str, as_of: datetime | None, actor: str,
    **fields: Any,
) -> StockFeed:  # fmt: skip
    """Begin a delivery, or go on with one that was interrupted.

    Raises AlreadyLoaded when it was finished.
    """
    feed, _ = StockFeed.objects.get_or_create(
        source=source, reference=reference,
        defaults={"mode": mode, "as_of": as_of, "actor": actor, **fields},
    )  # fmt: skip
    if feed.finished_at:
        raise AlreadyLoaded(feed)
    return feed


def book(feed: StockFeed, verdicts: Sequence[Verdict], *, bad: int = 0, last: bool = False) -> None:
    """Count a batch on its delivery, in the batch's transaction.

    Raises MovedMeanwhile when another worker took the same batch: nothing of ours is kept then.
    """
    changed = sum(verdict.state == "changed" for verdict in verdicts)
    same = sum(verdict.state == "same" for verdict in verdicts)
    done = StockFeed.objects.filter(pk=feed.pk, rows=feed.rows, finished_at=None).update(
        rows=F("rows") + len(verdicts) + bad, changed=F("changed") + changed, same=F("same") + same,
        refused=F("refused") + len(verdicts) - changed - same + bad,
        finished_at=timezone.now() if last else None,
    )  # fmt: skip
    if not done:
        raise MovedMeanwhile(f"another worker goes on with {feed}")
    feed.rows += len(verdicts) + bad


@dataclass(frozen=True)
class Report:
    """What became of a delivery, and its refused rows."""

    feed: StockFeed
    refused: list[Bad]


def load(
    stream: BinaryIO, source: StockSource, *, mode: str, reference: str, actor: str,
    as_of: datetime | None = None,
) -> Report:  # fmt: skip
    """Take a source's file: read whole first, then applied in batches, each its own transaction.

    Interrupted, the same call goes on behind the last batch that was taken. Raises FileProblem
    (nothing of the file is used), AlreadyLoaded, or MovedMeanwhile when somebody else loads it too.
    """
    read = list(rows.read(stream, mode=mode, now=timezone.now()))
    refused = [row for row in read if isinstance(row, Bad)]
    lines = [row for row in read if isinstance(row, Line)]
    bad = len(refused)
    feed = opened(source, reference, mode=mode, as_of=as_of, actor=actor)
    delivery = Delivery.of(feed)
    for start in range(feed.rows, len(lines), BATCH):
        batch = lines[start : start + BATCH]
        with transaction.atomic():
            verdicts = take(delivery, batch)
            book(feed, verdicts)
        refused += [_bad(v, batch[v.row]) for v in verdicts if not v.taken]
    book(feed, [], bad=bad, last=True)
    feed.refresh_from_db()
    return Report(feed, sorted(refused))


def _bad(verdict: Verdict, line: Line) -> Bad:
    return Bad(line.number, line.told.sku[:100], *refusal(verdict, line))
