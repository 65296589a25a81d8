"""100,000 levels through the real feed function, beside the same writes by hand; buyers wait."""

import csv
import multiprocessing
import random
import statistics
import time
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from config import jobs, outbox
from config.models import Job
from inventory.models import Location, Product, StockSource
from tests.benchmarks.capture import run_clients
from tests.benchmarks.loading import buyer, feed, raw_feed
from tests.benchmarks.processes import dsn

ROUNDS = 3
SKUS, PLACES, BUYERS = 5000, 20, 4
BUYING_SECONDS = 12.0


def figures() -> dict[str, float]:
    """Medians of three rounds of feed and raw; the longest wait of a buyer; the watched road."""
    products, places = _world()
    files = [_file(products, places, n) for n in range(2 * ROUNDS + 3)]
    run_clients(1, feed, str(files[0]), "first load")  # makes the rows
    fed, raw = [], []
    for n in range(ROUNDS):
        _settled()
        fed.append(run_clients(1, feed, str(files[2 * n + 1]), f"round {n}")[0])
        _settled()
        raw.append(run_clients(1, raw_feed, dsn(), str(files[2 * n + 2]))[0])
    seconds = statistics.median(row[0] for row in fed)
    assert all(row[2] > 0.9 * SKUS * PLACES for row in fed), fed
    return {
        "feed.rows_per_s": SKUS * PLACES / seconds,
        "feed.raw_ratio": statistics.median(raw) / seconds,
        "feed.peak_mb": max(row[1] for row in fed),
        **_buying(products, places, files[-2]),
        **_watched(files[-1]),
    }


def _world() -> tuple[list[Product], list[Location]]:
    Product.objects.bulk_create((Product(sku=f"FEED-{n:05}", name="x") for n in range(SKUS)), 2000)
    Location.objects.bulk_create(
        Location(code=f"FEED-{n:02}", name=f"Feed {n}", kind="store", country="FR", lat=46, lng=3)
        for n in range(PLACES)
    )
    StockSource.objects.create(code="bench", name="Bench", system="wms")
    products = Product.objects.filter(sku__startswith="FEED-").order_by("sku")
    return list(products), list(Location.objects.filter(code__startswith="FEED-").order_by("code"))


def _file(products: list[Product], places: list[Location], seed: int) -> Path:
    """A level of every pair, of which nearly all differ from the file before."""
    rng = random.Random(seed)
    path = settings.VAR_DIR / f"levels-{seed}.csv"
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sku", "location", "quantity"])
        for product in products:
            for place in places:
                writer.writerow([product.sku, place.code, rng.randrange(50, 1000)])
    return path


def _settled() -> None:
    """Both begin with what a night's vacuum leaves."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE inventory_stock")


def _buying(products: list[Product], places: list[Location], path: Path) -> dict[str, float]:
    """Four buyers reserve among the feed's own rows while it runs."""
    _settled()
    pairs = [p.pk for p in products], [p.pk for p in places]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    buyers = [context.Process(target=buyer, args=(*pairs, BUYING_SECONDS, queue))
              for _ in range(BUYERS)]  # fmt: skip
    for process in buyers:
        process.start()
    time.sleep(3)  # they are ready then
    run_clients(1, feed, str(path), "with buyers")
    waits = sorted(wait for _ in buyers for wait in queue.get(timeout=120))
    for process in buyers:
        process.join()
    return {
        "feed.buyer_max_wait_ms": waits[-1],
        "feed.buyer_p99_wait_ms": waits[int(len(waits) * 0.99)],
    }


def _watched(path: Path) -> dict[str, float]:
    """A person's file: checked, accepted, applied."""
    _settled()
    user = get_user_model().objects.filter(is_superuser=True).first()
    upload = SimpleUploadedFile("levels.csv", path.read_bytes())
    start = time.perf_counter()
    job = jobs.start(kind="stock", file=upload, params={}, user=user)
    outbox.drain("import", seconds=300)
    job.refresh_from_db()
    assert job.state == Job.State.PREVIEW, job.message
    jobs.accept(job)
    outbox.drain("import", seconds=300)
    seconds = time.perf_counter() - start
    job.refresh_from_db()
    assert (job.state, job.failed) == (Job.State.DONE, 0), job.message
    return {"feed.job.rows_per_s": job.total / seconds}
