"""What a channel can promise: 100 SKUs over 10 stock points."""

import statistics
import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory import availability
from inventory.models import Location, PoolLocation, Product, StockPool


def figures() -> dict[str, float]:
    """Statements and milliseconds of one call, median of 200."""
    pool = StockPool.objects.create(code="bench10", name="Ten stock points")
    busiest = Location.objects.order_by("-is_central", "kind", "code")[:10]
    PoolLocation.objects.bulk_create(PoolLocation(pool=pool, location=place) for place in busiest)
    skus = list(Product.objects.order_by("id").values_list("sku", flat=True)[:100])
    with CaptureQueriesContext(connection) as seen:
        availability.available(pool=pool.pk, skus=skus)
    times = []
    for _ in range(200):
        start = time.perf_counter()
        availability.available(pool=pool.pk, skus=skus)
        times.append((time.perf_counter() - start) * 1000)
    return {
        "availability.100x10.sql": float(len(seen)),
        "availability.100x10.ms": statistics.median(times),
    }
