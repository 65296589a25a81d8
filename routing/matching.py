"""Which orders a rule is for: its IF as SQL, for one order that is routed and for all open ones."""

import json
from dataclasses import dataclass
from datetime import datetime

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection

from routing.models import Rule, RuleSet
from routing.rules import set_of

EXAMPLES = 5
CONDITIONS = (
    "channel_kinds", "deliveries", "services", "min_total", "max_total", "tiers", "countries",
    "regions", "tags_any", "tags_none", "categories", "promised_within_days",
)  # fmt: skip

# True when the rule's IF holds, never null. Aliases: r (routing_rule), o (orders_order), x (the
# order's orders_ordercontact, or nothing); parameter: now. An empty list and an empty figure are
# any. Words of customers and addresses compare without regard to case.
#
# What looks into other tables does so for one order at a time and only where the rule asks; the
# planner cannot turn it into a pass over all lines of all orders.
MATCHES = """(
    (r.channel_kinds = '{}' OR (
        SELECT k.kind FROM orders_saleschannel k WHERE k.id = o.channel_id) = ANY(r.channel_kinds))
    AND (r.deliveries = '{}' OR o.delivery = ANY(r.deliveries))
    AND (r.services = '{}' OR o.service = ANY(r.services))
    AND (r.min_total IS NULL OR o.total >= r.min_total)
    AND (r.max_total IS NULL OR o.total <= r.max_total)
    AND (r.tags_any = '{}' OR o.tags && r.tags_any)
    AND NOT o.tags && r.tags_none
    AND (r.countries = '{}'
         OR lower(coalesce(x.country, '')) = ANY(lower(r.countries::text)::text[]))
    AND (r.regions = '{}'
         OR lower(coalesce(x.region, '')) = ANY(lower(r.regions::text)::text[]))
    AND (r.promised_within_days IS NULL
         OR coalesce(o.promised_at <= %(now)s::timestamptz
                     + make_interval(days => r.promised_within_days), false))
    AND (r.tiers = '{}' OR coalesce((
        SELECT lower(u.tier) FROM orders_customer u WHERE u.id = o.customer_id), '')
        = ANY(lower(r.tiers::text)::text[]))
    AND (r.categories = '{}' OR r.categories && ARRAY(
        SELECT p.category FROM orders_orderline n JOIN inventory_product p ON p.id = n.product_id
         WHERE n.order_id = o.id))
)"""

# The open orders that a rule set would decide about once it is activated, one row each: aliases o
# and x for MATCHES, and whether units of theirs wait to be routed. What is looked up for an order
# is looked up for that order alone, so the history behind the open orders costs nothing.
_OPEN = f"""
    FROM orders_order o
    LEFT JOIN LATERAL (SELECT * FROM orders_ordercontact c WHERE c.order_id = o.id OFFSET 0) x
           ON true
   CROSS JOIN LATERAL (SELECT EXISTS (
         SELECT 1 FROM orders_allocation a
          WHERE a.order_id = o.id AND a.state = 'queued' AND a.queue IN ('routing', 'unfillable')
         OFFSET 0) AS waits) w
   WHERE o.state = 'open' AND NOT o.test AND o.channel_id IN (
         SELECT c.id FROM orders_saleschannel c
          WHERE {set_of("c.id", trial="%(set)s")} = %(set)s)
"""
_COUNT = f"""
WITH matched AS (
    SELECT o.id, w.waits,
           EXISTS (SELECT 1 FROM routing_rule r
                    WHERE r.rule_set_id = %(set)s AND r.position < %(position)s
                      AND {MATCHES} OFFSET 0) AS taken
    {_OPEN}
     AND EXISTS (SELECT 1 FROM jsonb_populate_record(NULL::routing_rule, %(rule)s) r
                  WHERE {MATCHES} OFFSET 0)
)
SELECT count(*), count(*) FILTER (WHERE NOT taken), count(*) FILTER (WHERE waits AND NOT taken),
       array(SELECT id FROM matched WHERE NOT taken ORDER BY id DESC LIMIT {EXAMPLES})
  FROM matched
"""
_BY_RULE = f"""
SELECT f.id, count(*), count(*) FILTER (WHERE o.waits)
  FROM (SELECT o.*, x.country, x.region, w.waits {_OPEN}) o
 CROSS JOIN LATERAL (SELECT o.country, o.region) x
  LEFT JOIN LATERAL (SELECT r.id FROM routing_rule r
                      WHERE r.rule_set_id = %(set)s AND {MATCHES}
                      ORDER BY r.position LIMIT 1) f ON true
 GROUP BY f.id
"""


@dataclass(frozen=True)
class Counted:
    """Open orders of a rule: that meet its IF, that it decides about, and of these that wait."""

    matching: int
    decided: int
    waiting: int
    examples: tuple[int, ...]  # ids of the newest that it decides about

    def __str__(self) -> str:
        if not self.matching:
            return "No open order matches now."
        orders = f"{self.matching:,} open order{'s match' if self.matching > 1 else ' matches'} now"
        if self.decided == self.matching:
            part = "this rule decides about "
            part += "all of them" if self.matching > 1 else "it"
        elif self.decided:
            part = f"this rule decides about {self.decided:,}, earlier rules take the others"
        else:
            part = f"earlier rules take {'all of them' if self.matching > 1 else 'it'}"
        return f"{orders}; {part}{f' ({self.waiting:,} wait)' if self.waiting else ''}."


@dataclass(frozen=True)
class Share:
    """Open orders that one rule decides about; `rule` None: that no rule of the set is for."""

    rule: int | None
    orders: int
    waiting: int


def count(rule: Rule, *, now: datetime) -> Counted:
    """Open orders that a rule is for, which need not be saved yet. One statement.

    Earlier rules of its set count as they are saved; so do the channels of the set.
    """
    conditions = {name: getattr(rule, name) for name in CONDITIONS}
    rule_set = rule.rule_set
    with connection.cursor() as cursor:
        cursor.execute(
            _COUNT,
            {
                "rule": json.dumps(conditions, cls=DjangoJSONEncoder), "now": now,
                "position": rule.position, "set": rule_set.pk,
            },
        )  # fmt: skip
        matching, decided, waiting, examples = cursor.fetchone()
    return Counted(matching, decided, waiting, tuple(examples))


def by_rule(rule_set: RuleSet, *, now: datetime) -> list[Share]:
    """How the rules of a set share out the open orders, by position; orders without one last."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_RULE, {"now": now, "set": rule_set.pk})
        found = {rule: Share(rule, orders, waiting) for rule, orders, waiting in cursor.fetchall()}
    ids = rule_set.rules.order_by("position").values_list("pk", flat=True)
    shares = [found.get(pk, Share(pk, 0, 0)) for pk in ids]
    return [*shares, found[None]] if None in found else shares
