"""What the list of orders is narrowed by."""

from typing import Any

from django.contrib import admin
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from orders import stages
from orders.models import Order

# The few sources among all orders: a jump through the index for each, not a walk through it.
_SOURCES = """
SELECT DISTINCT s.source FROM orders_saleschannel c
 CROSS JOIN LATERAL (
    WITH RECURSIVE found AS (
        (SELECT o.source FROM orders_order o WHERE o.channel_id = c.id ORDER BY o.source LIMIT 1)
        UNION ALL
        SELECT (SELECT o.source FROM orders_order o
                 WHERE o.channel_id = c.id AND o.source > f.source ORDER BY o.source LIMIT 1)
          FROM found f WHERE f.source IS NOT NULL
    ) SELECT source FROM found WHERE source IS NOT NULL) s
 ORDER BY 1
"""


class StageFilter(admin.SimpleListFilter):
    """Where an order's units are."""

    title = "stage"
    parameter_name = "stage"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in stages.STAGES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        stage = stages.STAGES.get(self.value() or "")
        return queryset.filter(stage[1]()) if stage else queryset


class SourceFilter(admin.SimpleListFilter):
    """The door an order came through."""

    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        known = getattr(request, "known_choices", {})  # views of the list are counted on its page
        if "source" not in known:
            with connection.cursor() as cursor:
                cursor.execute(_SOURCES)
                known["source"] = [(source, source) for (source,) in cursor.fetchall()]
        return known["source"]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Order]) -> QuerySet[Order]:
        return queryset.filter(source=self.value()) if self.value() else queryset
