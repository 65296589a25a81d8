"""Units kept back by rule: safety stock at each stock point, thresholds of each pool.

Of several rules that match, the last by position counts; where none does, the stock row's own
figure. Rules are applied when one changes, when a season begins or ends, and every few minutes for
products and stock rows that are new (inventory/tasks.py). Only what differs is written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from config import outbox
from config.models import OutboxRow
from inventory import ledger
from inventory.ledger import SafetyLevel
from inventory.models import StockRule

ACTOR = "stock rules"
AT_ONCE = 5_000  # more rows than this are written by a worker, so that a page answers
BATCH = 2_000  # rows locked together: a buyer waits no longer than one batch takes
ROUNDS = 3  # a rule may be changed while its rows are written
Kind = StockRule.Kind


@dataclass(frozen=True)
class Conditions:
    """Where a rule holds; what is empty holds for all."""

    kind: str
    locations: Sequence[int] = ()
    location_kinds: Sequence[str] = ()
    pools: Sequence[int] = ()
    categories: Sequence[str] = ()
    tags: Sequence[str] = ()
    skus: Sequence[str] = ()


@dataclass(frozen=True)
class Matches:
    """How much a rule matches: products, and stock rows or pools by its kind."""

    products: int
    stock_rows: int
    pools: int

    def __str__(self) -> str:
        products = f"{self.products:,} product{'s' * (self.products != 1)}"
        if self.pools:
            return f"{products} in {self.pools} pool{'s' * (self.pools != 1)}"
        return f"{self.stock_rows:,} stock row{'s' * (self.stock_rows != 1)} of {products}"


@dataclass(frozen=True)
class Applied:
    """What an application changed, or, `later`, what a worker will."""

    safety: int = 0
    thresholds: int = 0
    later: bool = False

    def __str__(self) -> str:
        rows = self.safety + self.thresholds
        if self.later:
            return f"{rows:,} figures change within a minute"
        return f"{rows:,} figure{'s' * (rows != 1)} changed"


def conditions(rule: StockRule) -> Conditions:
    """The conditions of a rule that is stored."""
    return Conditions(
        kind=rule.kind,
        locations=list(rule.locations.values_list("pk", flat=True)),
        location_kinds=rule.location_kinds,
        pools=list(rule.pools.values_list("pk", flat=True)),
        categories=rule.categories, tags=rule.tags, skus=rule.skus,
    )  # fmt: skip


def today() -> date:
    """The company's day: seasons begin and end with it."""
    return timezone.now().astimezone(ZoneInfo(settings.COMPANY_TIME_ZONE)).date()


# --- which rule where ----------------------------------------------------------------------------

# Products, and stock points or pools, are sorted by the rules that hold for them (ranks: later
# wins); a winner is found once per pair of such groups, not once per row.
_RULES = """
rule AS MATERIALIZED (
    SELECT r.*, row_number() OVER (ORDER BY r.position, r.id)::int AS rank,
           array(SELECT location_id FROM inventory_stockrule_locations x
                  WHERE x.stockrule_id = r.id) AS places,
           array(SELECT stockpool_id FROM inventory_stockrule_pools x
                  WHERE x.stockrule_id = r.id) AS in_pools
      FROM inventory_stockrule r
     WHERE r.kind = %(kind)s AND (%(idle)s OR r.active
       AND (r.starts IS NULL OR r.starts <= %(today)s) AND (r.ends IS NULL OR r.ends >= %(today)s))
), product AS MATERIALIZED (
    SELECT p.id, array_agg(r.rank ORDER BY r.rank) AS ranks
      FROM inventory_product p
      JOIN rule r ON (r.categories = '{}' OR p.category = ANY(r.categories))
                 AND (r.tags = '{}' OR p.tags && r.tags) AND (r.skus = '{}' OR p.sku = ANY(r.skus))
     GROUP BY p.id
)"""
_WINNER = """
winner AS MATERIALIZED (
    SELECT p.ranks AS of_product, g.ranks AS of_group,
           (SELECT max(x) FROM unnest(p.ranks) AS x WHERE x = ANY(g.ranks)) AS rank
      FROM (SELECT DISTINCT ranks FROM product) AS p
     CROSS JOIN (SELECT DISTINCT ranks FROM grouped) AS g
)"""

_PLACES = """
grouped AS MATERIALIZED (
    SELECT l.id, array_agg(r.rank ORDER BY r.rank) AS ranks
      FROM inventory_location l
      JOIN rule r ON (r.places = '{}' OR l.id = ANY(r.places))
                 AND (r.location_kinds = '{}' OR l.kind = ANY(r.location_kinds))
     GROUP BY l.id
)"""
_POOLS = """
grouped AS MATERIALIZED (
    SELECT o.id, array_agg(r.rank ORDER BY r.rank) AS ranks
      FROM inventory_stockpool o
      JOIN rule r ON r.in_pools = '{}' OR o.id = ANY(r.in_pools)
     GROUP BY o.id
)"""

_SAFETY = f"""
WITH {_RULES}, {_PLACES}, {_WINNER}
SELECT s.product_id, s.location_id, coalesce(r.units, 0), r.id
  FROM inventory_stock s
  LEFT JOIN product p ON p.id = s.product_id
  LEFT JOIN grouped g ON g.id = s.location_id
  LEFT JOIN winner w ON w.of_product = p.ranks AND w.of_group = g.ranks
  LEFT JOIN rule r ON r.rank = w.rank
 WHERE (s.safety, s.safety_rule_id) IS DISTINCT FROM (coalesce(r.units, s.own_safety), r.id)
 ORDER BY s.product_id, s.location_id
"""

_THRESHOLDS = f"""
WITH {_RULES}, {_POOLS}, {_WINNER}, wanted AS (
    SELECT g.id AS pool_id, p.id AS product_id, r.units, r.id AS rule_id
      FROM product p CROSS JOIN grouped g
      JOIN winner w ON w.of_product = p.ranks AND w.of_group = g.ranks
      JOIN rule r ON r.rank = w.rank
), differs AS (
    SELECT pool_id, product_id, w.units, w.rule_id
      FROM wanted w FULL JOIN inventory_poolthreshold t USING (pool_id, product_id)
     WHERE (w.units, w.rule_id) IS DISTINCT FROM (t.units, t.rule_id)
)"""
_COUNT_THRESHOLDS = f"{_THRESHOLDS} SELECT count(*) FROM differs"
_WRITE_THRESHOLDS = f"""{_THRESHOLDS}, gone AS (
    DELETE FROM inventory_poolthreshold t USING differs d
     WHERE d.rule_id IS NULL AND t.pool_id = d.pool_id AND t.product_id = d.product_id
    RETURNING t.id
), written AS (
    INSERT INTO inventory_poolthreshold (pool_id, product_id, units, rule_id)
    SELECT pool_id, product_id, units, rule_id FROM differs WHERE rule_id IS NOT NULL
     ORDER BY pool_id, product_id
    ON CONFLICT (pool_id, product_id) DO UPDATE
       SET units = excluded.units, rule_id = excluded.rule_id
    RETURNING id
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM written)
"""


def _differing() -> list[tuple[int, int, int, int | None]]:
    """(product, location, units, rule) of stock rows whose safety is not what the rules say."""
    with connection.cursor() as cursor:
        cursor.execute(_SAFETY, {"kind": Kind.SAFETY, "today": today(), "idle": False})
        return cursor.fetchall()


def _thresholds(statement: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        # One at a time: two that delete the same rows in different order would block each other.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext('stock_rules'))")
        cursor.execute(statement, {"kind": Kind.THRESHOLD, "today": today(), "idle": False})
        return int(cursor.fetchone()[0])


# --- applying ------------------------------------------------------------------------------------


def apply(*, actor: str = ACTOR) -> Applied:
    """Write what differs, in batches of their own transactions where there is none around."""
    thresholds, safety = _thresholds(_WRITE_THRESHOLDS), 0
    for _ in range(ROUNDS):
        rows = _differing()
        if not rows:
            break
        safety += _write(rows, actor=actor)
    return Applied(safety, thresholds)


def apply_soon(*, actor: str, dropping: int | None = None) -> Applied:
    """Apply now what is little; what is much becomes work for a worker. In a transaction."""
    rows, thresholds = _differing(), _thresholds(_COUNT_THRESHOLDS)
    if len(rows) + thresholds > AT_ONCE:
        cause = f"{actor[:40]}:{timezone.now().isoformat()}"
        work = {"actor": actor, "drop": dropping}
        outbox.put(topic="stock_rules", subject=0, cause=cause, payload=work)
        return Applied(len(rows), thresholds, later=True)
    return Applied(_write(rows, actor=actor), _thresholds(_WRITE_THRESHOLDS))


def drop(rule: StockRule, *, actor: str) -> Applied:
    """Delete a rule once nothing is set by it any more: at once, or by the worker that sees to it.

    In a transaction.
    """
    StockRule.objects.filter(pk=rule.pk).update(active=False, updated_by=actor)
    applied = apply_soon(actor=actor, dropping=rule.pk)
    if not applied.later:
        rule.delete()
    return applied


def handle(row: OutboxRow) -> None:
    """Work of the topic "stock_rules": apply what would have kept a page waiting."""
    apply(actor=row.payload.get("actor", ACTOR))
    gone = StockRule.objects.filter(pk=row.payload.get("drop"), active=False)
    gone.exclude(pk__in=in_force()).delete()


def _write(rows: Sequence[tuple[int, int, int, int | None]], *, actor: str) -> int:
    for start in range(0, len(rows), BATCH):
        levels = [SafetyLevel(*row) for row in rows[start : start + BATCH]]
        with transaction.atomic():
            ledger.set_safety(levels, actor=actor, reason="stock rule")
    return len(rows)


# --- counting ------------------------------------------------------------------------------------

_MATCHES = """
WITH product AS MATERIALIZED (
    SELECT id FROM inventory_product p
     WHERE (%(categories)s::text[] = '{}' OR p.category = ANY(%(categories)s::text[]))
       AND (%(tags)s::text[] = '{}' OR p.tags && %(tags)s::varchar[])
       AND (%(skus)s::text[] = '{}' OR p.sku = ANY(%(skus)s::text[]))
)
SELECT (SELECT count(*) FROM product),
       CASE WHEN %(kind)s = 'safety' THEN (
            SELECT count(*) FROM inventory_stock s
              JOIN product p ON p.id = s.product_id
              JOIN inventory_location l ON l.id = s.location_id
             WHERE (%(locations)s::bigint[] = '{}' OR l.id = ANY(%(locations)s::bigint[]))
               AND (%(location_kinds)s::text[] = '{}' OR l.kind = ANY(%(location_kinds)s::text[])))
            ELSE 0 END,
       CASE WHEN %(kind)s = 'threshold' THEN (
            SELECT count(*) FROM inventory_stockpool o
             WHERE %(pools)s::bigint[] = '{}' OR o.id = ANY(%(pools)s::bigint[])) ELSE 0 END
"""


def matches(rule: Conditions) -> Matches:
    """How much a rule with these conditions would match; one statement."""
    names = ("kind", "locations", "location_kinds", "pools", "categories", "tags", "skus")
    params: dict[str, Any] = {
        name: value if isinstance(value := getattr(rule, name), str) else list(value)
        for name in names
    }
    with connection.cursor() as cursor:
        cursor.execute(_MATCHES, params)
        return Matches(*cursor.fetchone())


# The same for every rule there is, idle ones too: stock rows are counted once per pair of groups.
_ALL_MATCHES = f"""
WITH {_RULES}, {{grouped}}, found AS (
    SELECT p.ranks AS of_product, g.ranks AS of_group, count(*) AS rows
      FROM inventory_stock s JOIN product p ON p.id = s.product_id
      JOIN grouped g ON g.id = s.location_id
     WHERE %(kind)s = 'safety' GROUP BY 1, 2
)
SELECT r.id, (SELECT count(*) FROM product p WHERE r.rank = ANY(p.ranks)),
       (SELECT coalesce(sum(f.rows), 0)::bigint FROM found f
         WHERE r.rank = ANY(f.of_product) AND r.rank = ANY(f.of_group)),
       CASE WHEN %(kind)s = 'threshold'
            THEN (SELECT count(*) FROM grouped g WHERE r.rank = ANY(g.ranks)) ELSE 0 END
  FROM rule r
"""


def all_matches() -> dict[int, Matches]:
    """How much every rule (id) matches, in one statement per kind."""
    found: dict[int, Matches] = {}
    for kind, grouped in ((Kind.SAFETY, _PLACES), (Kind.THRESHOLD, _POOLS)):
        with connection.cursor() as cursor:
            statement = _ALL_MATCHES.replace("{grouped}", grouped)
            cursor.execute(statement, {"kind": kind, "today": today(), "idle": True})
            found |= {row[0]: Matches(*row[1:]) for row in cursor.fetchall()}
    return found


def in_force() -> dict[int, int]:
    """Per rule (id) the figures it sets now: stock rows, or products of pools."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT safety_rule_id, count(*) FROM inventory_stock"
            " WHERE safety_rule_id IS NOT NULL GROUP BY 1"
            " UNION ALL SELECT rule_id, count(*) FROM inventory_poolthreshold"
            " WHERE rule_id IS NOT NULL GROUP BY 1"
        )
        return dict(cursor.fetchall())
