"""Take a stock file that a system left for us, as it is: no preview, refused rows are printed."""

import csv
import hashlib
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive

from config import collector
from config.exports import safe_cell
from config.jobs import FileProblem
from config.status import MovedMeanwhile
from inventory import feeds
from inventory.models import StockFeed, StockSource


class Command(BaseCommand):
    """manage.py load_stock levels.csv --source erp; called again it goes on where it stopped."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="a CSV or XLSX file, see docs/formats/stock.md")
        parser.add_argument("--source", required=True, help="code of the stock source")
        parser.add_argument("--changes", action="store_true", help="changes instead of levels")
        parser.add_argument("--as-of", default="", help="when it was true, with its zone")
        parser.add_argument("--reference", default="", help="the sender's number of it")

    def handle(self, *args: Any, **options: Any) -> None:
        collector.settle()  # a large file is a hundred thousand objects that all stay
        path, as_of = options["path"], _moment(options["as_of"])
        source = StockSource.objects.filter(code=options["source"], active=True).first()
        if source is None:
            raise CommandError(f"No active source has the code {options['source']}.")
        mode = StockFeed.Mode.DELTA if options["changes"] else StockFeed.Mode.ABSOLUTE
        try:
            with path.open("rb") as stream:
                reference = options["reference"] or _digest(path, as_of, mode)
                report = feeds.load(
                    stream, source, mode=mode, reference=reference, as_of=as_of, actor=source.code
                )
        except (FileProblem, feeds.AlreadyLoaded, MovedMeanwhile, OSError) as error:
            raise CommandError(str(error)) from error
        self._tell(report)

    def _tell(self, report: feeds.Report) -> None:
        feed = report.feed
        if report.refused:
            writer = csv.writer(self.stdout)
            writer.writerow(["row", "reference", "column", "reason"])
            writer.writerows([safe_cell(cell) for cell in row] for row in report.refused)
        self.stderr.write(
            f"{feed.rows} rows: {feed.changed} changed, {feed.same} the same,"
            f" {feed.refused} refused"
        )


def _digest(path: Path, as_of: datetime | None, mode: str) -> str:
    """Changes are known by their content; the same levels may come again another time."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if mode == StockFeed.Mode.DELTA:
        return digest
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return f"{digest[:32]} {(as_of or written).isoformat()}"


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = parse_datetime(text)
    except ValueError:
        moment = None
    if moment is None or is_naive(moment) or moment > timezone.now():
        raise CommandError(f"{text} is no past time with its zone, like 2026-11-23T10:00:00Z.")
    return moment
