"""A feed, the same writes by hand, and buyers, each in a process of its own.

Without Django at the top, so that a spawned process may import it.
"""

import csv
import os
import random
import time

import psycopg

BATCH = 500
THINK = 0.01  # seconds between two purchases of a buyer


def _django() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()


def feed(path: str, reference: str, out: object) -> None:
    """Load a file through the real feed function; puts (seconds, peak MB of this process, rows)."""
    _django()
    from config import collector
    from inventory import feeds
    from inventory.models import StockSource

    source = StockSource.objects.get(code="bench")
    collector.settle()  # as workers and the command do
    start = time.perf_counter()
    with open(path, "rb") as stream:
        report = feeds.load(
            stream, source, mode="absolute", reference=reference, actor="bench"
        )  # fmt: skip
    seconds = time.perf_counter() - start
    out.put((seconds, peak_mb(), report.feed.changed))  # type: ignore[attr-defined]


def peak_mb() -> float:
    """The most that this process ever held; getrusage would tell its parent's figure."""
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


# The same rows, and nothing else: no staleness, no claims looked at, no answer per row.
RAW = """
WITH told AS (
    SELECT p.id AS product_id, l.id AS location_id, t.units
      FROM unnest(%s::text[], %s::text[], %s::int[]) AS t(sku, location, units)
      JOIN inventory_product p ON p.sku = t.sku JOIN inventory_location l ON l.code = t.location
), held AS (
    SELECT s.id, s.on_hand AS before, t.units FROM inventory_stock s
      JOIN told t USING (product_id, location_id)
     ORDER BY s.product_id, s.location_id FOR NO KEY UPDATE OF s
), moved AS (
    UPDATE inventory_stock s SET on_hand = h.units, moved_at = clock_timestamp(), source_at = now(),
           updated_at = now()
      FROM held h WHERE s.id = h.id
    RETURNING s.product_id, s.location_id, s.on_hand, s.reserved, s.unavailable, h.before
)
INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved, unavailable,
    on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id, actor,
    created_at)
SELECT product_id, location_id, 'feed', on_hand - before, 0, 0, on_hand, reserved, unavailable, '',
       'raw', 1, 'raw', clock_timestamp() FROM moved
"""


def raw_feed(dsn: str, path: str, out: object) -> None:
    """Write the same rows by hand in batches of the same size; puts the seconds of its SQL."""
    with open(path, newline="") as stream:
        rows = [(r["sku"], r["location"], int(r["quantity"])) for r in csv.DictReader(stream)]
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as db:
        start = time.perf_counter()
        for i in range(0, len(rows), BATCH):
            columns = [list(column) for column in zip(*rows[i : i + BATCH], strict=True)]
            db.execute(RAW, columns)
    out.put(time.perf_counter() - start)  # type: ignore[attr-defined]


def buyer(products: list[int], places: list[int], seconds: float, out: object) -> None:
    """Reserve a unit of some product somewhere, again and again; puts the waits in ms."""
    _django()
    from inventory import ledger

    rng, waits = random.Random(), []
    stop = time.monotonic() + seconds
    n = 0
    while time.monotonic() < stop:
        n += 1
        claim = ledger.Claim(n, rng.choice(products), rng.choice(places), 1, 1)
        start = time.perf_counter()
        held = ledger.reserve([claim], owner_type="bench", actor="bench")
        waits.append((time.perf_counter() - start) * 1000)
        ledger.release([one.reservation for one in held.values()], actor="bench")
        time.sleep(THINK)
    out.put(waits)  # type: ignore[attr-defined]


def route_run(batches: list[list[int]], start: object, out: object) -> None:
    """Route batches of orders as a worker of a run does; puts (orders decided, CPU seconds)."""
    _django()
    from config import collector
    from routing import decide

    collector.settle()
    start.wait()  # type: ignore[attr-defined]
    began, decided = time.process_time(), 0
    for batch in batches:
        decided += len(decide.route_many(batch, cause="bench", actor="bench").decided)
    out.put((decided, time.process_time() - began))  # type: ignore[attr-defined]
