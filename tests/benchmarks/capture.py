"""Orders captured over real HTTP beside the same writes as raw SQL, in the same minutes."""

import http.client
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
import uuid

import psutil
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory import ledger
from inventory.models import Location, Product
from tests.benchmarks.clients import bulk_client, client, payload
from tests.benchmarks.history import fill
from tests.benchmarks.processes import backends, cpu_seconds, dsn, memory_mb
from tests.benchmarks.raw import raw_orders
from tests.benchmarks.raw_bulk import raw_batches

ROUNDS = 3
SECONDS = 6.0
PORT = 18000
BATCH = 500
FEW, MANY = 10_000, 1_000_000  # orders of history
SETTLE = 20.0  # seconds until the server has written away what was loaded


def run_clients(count: int, target: object, *args: object) -> list:
    """Run `count` processes of `target(*args, queue)` and collect what each put."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [context.Process(target=target, args=(*args, queue)) for _ in range(count)]  # type: ignore[arg-type]
    for worker in workers:
        worker.start()
    results = [queue.get(timeout=120) for _ in workers]  # a worker that failed must not hang us
    for worker in workers:
        worker.join()
    return results


def figures() -> dict[str, float]:
    """Start gunicorn as `make run` does and measure; medians of three rounds."""
    keys = json.loads((settings.VAR_DIR / "demo.json").read_text())["channels"]
    baskets = _baskets()
    counted = _statements(keys["web"], baskets[0])
    server = _serve()
    try:
        # One by one first: after a bulk load every page is written whole into the log once more.
        rounds = [_round(keys["web"], baskets, server) for _ in range(ROUNDS)]
        bulk = [_bulk_round(keys["web"], baskets, server) for _ in range(ROUNDS)]
    finally:
        server.terminate()
        server.wait(20)
    return {"capture.sql": counted, **_medians(rounds), **_medians(bulk)}


def _medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(r[name] for r in rounds) for name in rounds[0]}


def _baskets() -> list[list[str]]:
    """200 baskets of three SKUs, and enough units of them for every round."""
    products = list(Product.objects.order_by("id").values_list("id", "sku")[:600])
    place = Location.objects.get(is_central=True)
    ledger.post(
        [ledger.Entry(pk, place.pk, "opening", on_hand=100_000) for pk, _ in products],
        actor="bench",
    )
    return [[sku for _, sku in products[i : i + 3]] for i in range(0, 600, 3)]


def _statements(key: str, skus: list[str]) -> float:
    web = Client()
    headers = {"Authorization": f"Bearer {key}"}
    for name in ("warm", "counted"):
        with CaptureQueriesContext(connection) as seen:
            answer = web.post(
                "/api/v1/orders", payload(skus, f"{name}-{uuid.uuid4().hex}"),
                content_type="application/json",
                headers={**headers, "Idempotency-Key": uuid.uuid4().hex},
            )  # fmt: skip
        assert answer.status_code == 201, answer.content
    return float(len(seen))


def _serve() -> subprocess.Popen:
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "config.wsgi", "-b", f"127.0.0.1:{PORT}", "-w", "2",
         "-k", "gthread", "--threads", "4", "--log-level", "warning"],
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
    )  # fmt: skip
    for _ in range(200):
        try:
            web = http.client.HTTPConnection("127.0.0.1", PORT, timeout=2)
            web.request("GET", "/livez")
            if web.getresponse().status == 200:
                return server
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the web server did not answer")


def _round(key: str, baskets: list[list[str]], server: subprocess.Popen) -> dict[str, float]:
    web = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    one = _load(1, key, baskets, web)
    four = _load(4, key, baskets, web)
    raw = sum(run_clients(4, raw_orders, dsn(), SECONDS)) / SECONDS
    return {
        "capture.cpu_ms": one["cpu_ms"],
        "capture.cpu_ms.app": one["app_ms"],
        "capture.cpu_ms.postgres": one["pg_ms"],
        "capture.per_s.c1": one["per_s"],
        "capture.p50_ms.c1": one["p50"],
        "capture.p95_ms.c1": one["p95"],
        "capture.per_s.c4": four["per_s"],
        "capture.p50_ms.c4": four["p50"],
        "capture.p95_ms.c4": four["p95"],
        "capture.raw_per_s.c4": raw,
        "capture.raw_ratio": four["per_s"] / raw,
    }


def _bulk_round(key: str, baskets: list[list[str]], server: subprocess.Popen) -> dict[str, float]:
    """Many orders a call; the web processes are weighed after them."""
    web = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
    bulk, raw = _bulk(key, baskets), _bulk_raw()
    return {
        "capture.bulk.orders_per_s": bulk,
        "capture.bulk.raw_per_s": raw,
        "capture.bulk.raw_ratio": bulk / raw,
        "web.peak_mb": memory_mb(web),
    }


def _bulk(key: str, baskets: list[list[str]]) -> float:
    """Orders per second of two closed-loop channels that post 500 a call."""
    run_clients(2, bulk_client, PORT, key, baskets, BATCH, 1.0)
    found = run_clients(2, bulk_client, PORT, key, baskets, BATCH, SECONDS)
    assert not any(refused for _, _, refused, _ in found), "orders were refused"
    return sum(created for created, *_ in found) / max(seconds for _, seconds, *_ in found)


def _bulk_raw() -> float:
    found = run_clients(2, raw_batches, dsn(), BATCH, SECONDS)
    return sum(written for written, _ in found) / max(seconds for _, seconds in found)


def _load(
    count: int, key: str, baskets: list[list[str]], web: list[psutil.Process]
) -> dict[str, float]:
    run_clients(count, client, PORT, key, baskets, 1.0)  # connections and caches are warm then
    postgres = backends()
    before = cpu_seconds(web), cpu_seconds(postgres)
    results = run_clients(count, client, PORT, key, baskets, SECONDS)
    app, database = cpu_seconds(web) - before[0], cpu_seconds(postgres) - before[1]
    times = sorted(ms for some, _ in results for ms in some)
    assert not any(refused for _, refused in results), "orders were refused"
    return {
        "per_s": len(times) / SECONDS,
        "p50": times[len(times) // 2],
        "p95": times[int(len(times) * 0.95)],
        "app_ms": app / len(times) * 1000,
        "pg_ms": database / len(times) * 1000,
        "cpu_ms": (app + database) / len(times) * 1000,
    }


def history_figures() -> dict[str, float]:
    """The same orders on 10 thousand and on a million of history: one of it over the other."""
    keys = json.loads((settings.VAR_DIR / "demo.json").read_text())["channels"]
    baskets = _baskets()
    server = _serve()
    try:
        found = []
        for orders in (FEW, MANY):
            fill(orders)
            web = [psutil.Process(server.pid), *psutil.Process(server.pid).children()]
            time.sleep(SETTLE)
            ones = [_load(4, keys["web"], baskets, web)["per_s"] for _ in range(ROUNDS)]
            many = [_bulk(keys["web"], baskets) for _ in range(ROUNDS)]
            found.append((statistics.median(ones), statistics.median(many)))
    finally:
        server.terminate()
        server.wait(20)
    few, most = found
    return {
        "capture.history_ratio": most[0] / few[0],
        "capture.bulk.history_ratio": most[1] / few[1],
        "capture.history.per_s": most[0],
        "capture.history.bulk_per_s": most[1],
    }
