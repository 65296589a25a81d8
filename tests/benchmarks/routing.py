"""One order among 50 stock points: statements, CPU in all, and the pure engine apart."""

import multiprocessing
import statistics
import time
from collections.abc import Mapping, Sequence

import psutil
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from config import collector
from inventory import ledger
from inventory.models import Location, PoolLocation, Product, StockPool
from orders import capture
from orders.models import SalesChannel
from orders.payload import OrderPayload
from routing import decide
from tests.benchmarks.clients import payload
from tests.benchmarks.loading import route_run
from tests.benchmarks.processes import backends, cpu_seconds
from tests.routing.engine import bench as engine

ROUNDS = 3
ORDERS = 120
POINTS = 50
RUN_ORDERS, BATCH, WORKERS = 5_000, 100, 2


def figures() -> dict[str, float]:
    """Medians of three rounds of 120 orders."""
    channel, baskets = _world()
    _route_all(_place(channel, baskets, 20))  # connections, plans and caches are warm then
    collector.settle()  # as a worker does (config/celery.py)
    rounds = [_round(channel, baskets) for _ in range(ROUNDS)]
    pure = [engine.figures() for _ in range(ROUNDS)]
    medians = {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}
    return {"routing.single.sql": _statements(channel, baskets[0]), **medians,
            **_engine(pure), **_run(channel, baskets)}  # fmt: skip


def _engine(rounds: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The engine by itself, from a prepared network to a plan; and how far it is from the best."""
    names = {
        "routing.engine.50.ms": "engine.3x50.plan.ms",
        "routing.engine.500.ms": "engine.5x500.plan.ms",
        "routing.engine.500.p99_ms": "engine.10x500.plan.p99_ms",
        "routing.engine.50.cards.ms": "engine.3x50.cards.ms",
    }
    times = {
        name: statistics.median(of_one[own] for of_one in rounds) for name, own in names.items()
    }
    return {**times, "routing.gap.single": engine.gap()}


def _run(channel: SalesChannel, baskets: list[list[str]]) -> dict[str, float]:
    """A first-come run: two workers take batches of it, everything is read and written."""
    orders = _place_many(channel, baskets, RUN_ORDERS)
    batches = [orders[n : n + BATCH] for n in range(0, len(orders), BATCH)]
    with CaptureQueriesContext(connection) as seen:
        decide.route_many(batches.pop(), cause="bench", actor="bench")
    spawn = multiprocessing.get_context("spawn")
    start, out = spawn.Barrier(WORKERS + 1), spawn.Queue()
    workers = [
        spawn.Process(target=route_run, args=(batches[n::WORKERS], start, out))
        for n in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    start.wait()
    began = time.perf_counter()
    found = [out.get() for _ in workers]
    seconds = time.perf_counter() - began
    for worker in workers:
        worker.join()
    decided = sum(routed for routed, _ in found)
    assert decided == sum(map(len, batches)), found
    return {
        "routing.run.orders_per_s": decided / seconds,
        "routing.run.cpu_ms.app": sum(cpu for _, cpu in found) / decided * 1000,
        "routing.run.sql_per_batch": float(len(seen)),
    }


def _place_many(channel: SalesChannel, baskets: list[list[str]], count: int) -> list[int]:
    ids: list[int] = []
    for first in range(0, count, BATCH):
        rows = []
        for n in range(first, first + BATCH):
            data = OrderPayload(data=payload(baskets[n % len(baskets)], f"b{time.time_ns()}-{n}"))
            data.is_valid(raise_exception=True)
            rows.append(data.validated_data)
        with transaction.atomic():
            placed = capture.place_many(
                channel=channel, orders=rows, source="bench", actor="bench", now=timezone.now()
            )
        ids += [one.order_id for one in placed]
    return ids


def _world() -> tuple[SalesChannel, list[list[str]]]:
    """A channel that may promise from exactly 50 stock points, each with every product."""
    pool = StockPool.objects.create(code="bench50", name="Fifty stock points")
    places = list(Location.objects.filter(active=True).order_by("id"))
    while len(places) < POINTS:
        n = len(places)
        places.append(
            Location.objects.create(
                code=f"BENCH-{n}", name=f"Bench {n}", kind="store", country="FR",
                lat=46.0 + n / 100, lng=3.0,
            )
        )  # fmt: skip
    Location.objects.update(capacity_per_day=None, can_ship=True)
    PoolLocation.objects.bulk_create(PoolLocation(pool=pool, location=p) for p in places[:POINTS])
    products = list(Product.objects.order_by("id").values_list("id", "sku")[600:690])
    ledger.post(
        [ledger.Entry(pk, place.pk, "opening", on_hand=2000)
         for pk, _ in products for place in places[:POINTS]],
        actor="bench",
    )  # fmt: skip
    channel = SalesChannel.objects.create(code="bench50", name="Bench", kind="web", pool=pool)
    return channel, [[sku for _, sku in products[i : i + 3]] for i in range(0, 90, 3)]


def _place(channel: SalesChannel, baskets: list[list[str]], count: int) -> list[int]:
    ids = []
    for n in range(count):
        data = OrderPayload(data=payload(baskets[n % len(baskets)], f"r{time.time_ns()}"))
        data.is_valid(raise_exception=True)
        with transaction.atomic():
            placed = capture.place(
                channel=channel, order=data.validated_data, source="bench", actor="bench",
                now=timezone.now(),
            )  # fmt: skip
        ids.append(placed.order_id)
    return ids


def _route_all(orders: list[int]) -> None:
    for order in orders:
        decision = decide.route(order_id=order, cause="bench", actor="bench")
        assert decision is not None
        assert decision.outcome == "routed", decision.sentence


def _statements(channel: SalesChannel, skus: list[str]) -> float:
    (order,) = _place(channel, [skus], 1)
    with CaptureQueriesContext(connection) as seen:
        _route_all([order])
    return float(len(seen))


def _round(channel: SalesChannel, baskets: list[list[str]]) -> dict[str, float]:
    orders = _place(channel, baskets, ORDERS)
    mine, postgres = [psutil.Process()], backends()
    before, start = (cpu_seconds(mine), cpu_seconds(postgres)), time.perf_counter()
    _route_all(orders)
    seconds = time.perf_counter() - start
    app, database = cpu_seconds(mine) - before[0], cpu_seconds(postgres) - before[1]
    return {
        "routing.single.cpu_ms": (app + database) / ORDERS * 1000,
        "routing.single.cpu_ms.app": app / ORDERS * 1000,
        "routing.single.cpu_ms.postgres": database / ORDERS * 1000,
        "routing.per_s": ORDERS / seconds,
    }
