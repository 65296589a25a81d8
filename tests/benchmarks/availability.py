"""What a channel can promise: 100 SKUs over 45 stock points, with little and with much history."""

import gc
import json
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config import collector
from inventory import availability, history, waterfall
from inventory.models import Location, PoolLocation, Product, StockPool
from orders import offer
from orders.keys import CHANNEL_SCOPES
from orders.models import ApiKey, SalesChannel

SKUS, PLACES, ASKED = 5000, 45, 100
CALLS = 300
MOVING = 10  # products whose history grows
FEW, MANY = 10_000, 1_000_000
HALF_A_YEAR_AGO = timezone.now() - timedelta(days=180)

_STOCK = """
INSERT INTO inventory_stock (product_id, location_id, on_hand, reserved, quarantine, safety,
    updated_at)
SELECT p.id, l.id, (p.id * 7 + l.id * 13) % 40, 0, 0, (p.id + l.id) % 3, now()
  FROM inventory_product p CROSS JOIN inventory_location l
 WHERE p.sku LIKE 'AVL-%' AND l.code LIKE 'AVL-%'
"""
# As if all settings had been like this for ever.
_ALWAYS = """
INSERT INTO inventory_settinghistory ("table", row_id, at, data)
SELECT "table", row_id, 'epoch', data FROM inventory_settinghistory WHERE data IS NOT NULL
"""
# Movements over the last year, evenly over the stock rows of some products.
_MOVEMENTS = """
INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved, unavailable,
    on_hand_after, reserved_after, unavailable_after, reason, cause_type, actor, created_at)
SELECT s.product_id, s.location_id, 'adjustment', 1, 0, 0, n %% 50, 0, 0, '', '', 'bench',
       now() - make_interval(secs => 86400.0 * 365 * n / %(each)s)
  FROM generate_series(1, %(each)s) AS n CROSS JOIN (
    SELECT product_id, location_id FROM inventory_stock WHERE product_id = ANY(%(products)s)) s
"""


def world() -> SalesChannel:
    """5,000 products with stock at each of 45 stock points, and a channel that sells them."""
    known = SalesChannel.objects.filter(code="avl").first()
    if known is not None:
        return known
    Product.objects.bulk_create((Product(sku=f"AVL-{n:05}", name="x") for n in range(SKUS)), 2000)
    places = Location.objects.bulk_create(
        Location(code=f"AVL-{n:02}", name=f"Place {n}", kind="store", country="FR", lat=46, lng=3,
                 can_pickup=True)
        for n in range(PLACES)
    )  # fmt: skip
    pool = StockPool.objects.create(code="avl", name="45 stock points")
    PoolLocation.objects.bulk_create(PoolLocation(pool=pool, location=p, buffer=1) for p in places)
    with connection.cursor() as cursor:
        cursor.execute(_STOCK)
        cursor.execute("VACUUM ANALYZE inventory_stock")
        cursor.execute("ANALYZE")
        channel = SalesChannel.objects.create(code="avl", name="Bench", kind="web", pool=pool)
        cursor.execute(_ALWAYS)
    return channel


def figures() -> dict[str, float]:
    """Statements and milliseconds of a question, and what a hundred times the history costs."""
    channel = world()
    skus = list(Product.objects.filter(sku__startswith="AVL-").values_list("sku", flat=True))[::50]
    assert len(skus) == ASKED
    with CaptureQueriesContext(connection) as seen:
        offer.available(channel, skus)
    gc.collect()
    collector.settle()  # as a web worker does (config/wsgi.py)
    return {
        "availability.100x45.sql": float(len(seen)),
        "availability.100x45.p95_ms": _quantile(lambda: offer.offers(channel, skus), CALLS, 0.95),
        "availability.100x45.request_p95_ms": _served(channel, skus),
        **_history(channel),
    }


def _served(channel: SalesChannel, skus: list[str]) -> float:
    """The 95th percentile of the whole request in the server: key, question, answer."""
    _, key = ApiKey.objects.create_key(name="bench", channel=channel, scopes=CHANNEL_SCOPES)
    client, body = Client(), json.dumps({"skus": skus})

    def ask() -> Any:
        return client.post(
            "/api/v1/availability/query", body, content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )  # fmt: skip

    answer = ask().json()
    assert sum(len(row["locations"]) for row in answer) > 0.8 * ASKED * PLACES
    return _quantile(ask, CALLS, 0.95)


def _quantile(call: Callable[[], Any], calls: int, share: float) -> float:
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)[int(calls * share)]


def _history(channel: SalesChannel) -> dict[str, float]:
    """10^4 movements, then 10^6: the worst ratio of any question's time, and whether plans stay."""
    products = list(Product.objects.filter(sku__startswith="AVL-").order_by("id")[:MOVING])
    questions = _questions(channel, products)
    _move(products, FEW)
    few, plan = _times(questions), _plans(channel, products[0])
    _move(products, MANY - FEW)
    many = _times(questions)
    ratios = {name: many[name] / few[name] for name in questions}
    return {
        "availability.history_ratio": max(ratios.values()),
        "availability.history_same_plan": float(plan == _plans(channel, products[0])),
        **{f"availability.{name}_ms": many[name] for name in questions},
    }


def _questions(channel: SalesChannel, products: list[Product]) -> dict[str, Callable[[], Any]]:
    skus = [product.sku for product in products]
    return {
        "now": lambda: offer.available(channel, skus),
        "points": lambda: offer.points(channel, skus),
        "explained": lambda: offer.explained(channel, products[0]),
        "as_of": lambda: offer.explained(channel, products[0], at=HALF_A_YEAR_AGO),
        "last_movement": lambda: history.rows_at(
            product=products[0].pk, pool=channel.pool_id, at=timezone.now()
        ),
    }


def _move(products: list[Product], movements: int) -> None:
    params = {
        "each": movements // (len(products) * PLACES), "products": [p.pk for p in products],
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(_MOVEMENTS, params)
        cursor.execute("VACUUM ANALYZE inventory_stockmovement")
        cursor.execute("RESET statement_timeout")


def _times(questions: dict[str, Callable[[], Any]]) -> dict[str, float]:
    for ask in questions.values():
        for _ in range(20):
            ask()
    return {name: statistics.median(_quantile(ask, 41, 0.5) for _ in range(3))
            for name, ask in questions.items()}  # fmt: skip


def _plans(channel: SalesChannel, product: Product) -> list[str]:
    """The plans of these questions without their costs."""
    params = {
        "pool": channel.pool_id, "product": product.pk, "skus": [product.sku],
        "at": HALF_A_YEAR_AGO,
    }  # fmt: skip
    sql = (availability._available_sql(offer.WAITING), history._ROWS, waterfall._ROWS)
    found = []
    with connection.cursor() as cursor:
        for statement in sql:
            cursor.execute(f"EXPLAIN (COSTS OFF) {statement}", params)
            found.append("\n".join(row[0] for row in cursor.fetchall()))
    return found
