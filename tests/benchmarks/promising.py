"""What a cart of 5 SKUs can be promised over 45 stock points: the whole request, in the server."""

import gc
import json
import time
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from config import collector
from inventory.models import Capacity, Location
from orders.keys import CHANNEL_SCOPES
from orders.models import ApiKey, SalesChannel
from routing import house
from tests.benchmarks import availability

CALLS = 300
SKUS = 5
LIMITED = 5  # every fifth stock point has a limit for its day
WEEK = {day: [["09:00", "19:30"]] for day in ("mon", "tue", "wed", "thu", "fri", "sat")}
TOWNS = ("Lyon", "Paris", "Lille", "Nantes", "Toulouse", "Nice", "Strasbourg", "Rennes")


def figures() -> dict[str, float]:
    """The 95th percentile in milliseconds, and the statements beside those of the key."""
    channel = _world()
    _, key = ApiKey.objects.create_key(name="bench", channel=channel, scopes=CHANNEL_SCOPES)
    client = Client()

    def ask(n: int) -> Any:
        return client.post(
            "/api/v1/promises", json.dumps(_cart(n)), content_type="application/json",
            headers={"Authorization": f"Bearer {key}"},
        )  # fmt: skip

    for n in range(20):
        found = ask(n).json()["options"]
        assert {one["method"] for one in found} == {"ship", "pickup", "ship_to_store"}, found
        assert all(one["complete"] and one["token"] for one in found)
    with CaptureQueriesContext(connection) as seen:
        ask(0)
    statements = [q for q in seen if "orders_apikey" not in q["sql"]]
    gc.collect()
    collector.settle()  # as a web worker does (config/wsgi.py)
    times = []
    for n in range(CALLS):
        start = time.perf_counter()
        ask(n)
        times.append((time.perf_counter() - start) * 1000)
    return {
        "promise.cart.p95_ms": sorted(times)[int(CALLS * 0.95)],
        "promise.cart.sql": float(len(statements)),
    }


def _world() -> SalesChannel:
    """The stock points of the availability benchmark, spread over a country, with opening hours,
    some with a limit."""
    channel = availability.world()
    places = list(Location.objects.filter(code__startswith="AVL-").order_by("code"))
    for n, place in enumerate(places):
        place.lat, place.lng = 43.5 + n * 37 % 45 / 6.5, -1.5 + n * 23 % 45 / 5.5
        place.opening_hours, place.timezone = WEEK, "Europe/Paris"
        place.can_ship_to_store = True
        place.handling_order, place.handling_line = 2, 1
    Location.objects.bulk_update(places, ["lat", "lng", "opening_hours", "timezone",
                                          "can_ship_to_store", "handling_order",
                                          "handling_line"])  # fmt: skip
    Capacity.objects.bulk_create(
        (Capacity(location=place, orders=200, units=500) for place in places[::LIMITED]),
        ignore_conflicts=True,
    )
    house.forget()
    return channel


def _cart(n: int) -> dict[str, Any]:
    skus = [f"AVL-{(n * 97 + i * 613) % availability.SKUS:05}" for i in range(SKUS)]
    return {
        "items": [{"sku": sku, "quantity": 1 + i % 2} for i, sku in enumerate(skus)],
        "destination": {"country": "FR", "city": TOWNS[n % len(TOWNS)]},
    }
