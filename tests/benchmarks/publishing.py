"""How long a change of stock takes to reach the channel feed, through the publisher of a run."""

import subprocess
import sys
import time

from inventory import ledger
from inventory.models import Location, Product
from orders import publishing
from orders.models import ChannelStock, SalesChannel
from tests.benchmarks.availability import world

CHANGES = 40
PATIENCE = 10.0


def figures() -> dict[str, float]:
    """The longest lag of forty changes, and products per second of a full round."""
    channel = world()
    start = time.perf_counter()
    changed = publishing.publish_all()
    seconds = time.perf_counter() - start
    publisher = subprocess.Popen([sys.executable, "manage.py", "publish"])
    try:
        lags = _lags(channel)
    finally:
        publisher.terminate()
        publisher.wait(10)
    return {
        "publish.lag_s": max(lags),
        "publish.figures_per_s": changed / seconds,
    }


def _lags(channel: SalesChannel) -> list[float]:
    place = Location.objects.get(code="AVL-00")
    products = list(Product.objects.filter(sku__startswith="AVL-").order_by("-id")[:CHANGES])
    _lag(channel, products[0], place)  # the publisher is up then
    return [_lag(channel, product, place) for product in products]


def _lag(channel: SalesChannel, product: Product, place: Location) -> float:
    """Seconds from the commit of a change to the feed that has it."""
    since = publishing.last_number(channel)
    ledger.post([ledger.Entry(product.pk, place.pk, "receipt", on_hand=50)], actor="bench")
    start = time.perf_counter()
    while time.perf_counter() - start < PATIENCE:
        if publishing.changes(channel, since=since, limit=10):
            assert ChannelStock.objects.filter(channel=channel, product=product).exists()
            time.sleep(0.13)  # not in step with the publisher
            return time.perf_counter() - start - 0.13
        time.sleep(0.005)
    raise TimeoutError(f"{product} was not published within {PATIENCE} s")
