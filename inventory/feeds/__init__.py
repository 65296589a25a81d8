"""Stock in from WMS, ERP, suppliers, tills and people: levels and changes, as files and as JSON.

rows.py says what a row holds, batches.py hands rows to the ledger, deliveries.py takes each
delivery once, files.py shows a person's file before it is applied. See docs/formats/stock.md.
"""

from inventory.feeds.batches import BATCH, Delivery, see, take
from inventory.feeds.deliveries import AlreadyLoaded, Report, book, load, opened, people
from inventory.feeds.files import UploadForm, apply, check, finish
from inventory.feeds.rows import MAX_UNITS, Bad, Line

__all__ = [
    "BATCH",
    "MAX_UNITS",
    "AlreadyLoaded",
    "Bad",
    "Delivery",
    "Line",
    "Report",
    "UploadForm",
    "apply",
    "book",
    "check",
    "finish",
    "load",
    "opened",
    "people",
    "see",
    "take",
]
