"""The figures of a run, counted from its decisions."""

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from django.db import connection
from django.db.models import F
from django.db.models.functions import Greatest

from routing.models import Run
from routing.runs.scope import Group

if TYPE_CHECKING:  # a web process, which stops runs, loads no solver
    from routing.runs.joint import Plans

_FIGURES = """
SELECT count(DISTINCT d.order_id), count(*) FILTER (WHERE d.outcome = 'routed'),
       count(*) FILTER (WHERE d.outcome = 'partial'),
       count(*) FILTER (WHERE d.outcome = 'unfillable'),
       coalesce(sum((SELECT count(*) FROM routing_offer f WHERE f.decision_id = d.id)), 0),
       coalesce(sum(d.cost), 0), coalesce(sum(d.kg_co2), 0)
"""
_OF_ALL = f"{_FIGURES} FROM routing_decision d WHERE d.run_id = %(run)s"
# A decision is looked up by its order: a run may have made very many before.
_OF_SOME = f"""
{_FIGURES}
  FROM unnest(%(orders)s::bigint[]) AS o(id)
 CROSS JOIN LATERAL (
    SELECT * FROM routing_decision n WHERE n.order_id = o.id AND n.run_id = %(run)s OFFSET 0) d
"""
WATCHED = (
    "state", "total", "done", "skipped", "cursor", "position", "cost", "single_cost", "gap",
)  # fmt: skip
_PLACES = """
SELECT d.order_id, array_agg(f.location_id)
  FROM unnest(%(orders)s::bigint[]) AS o(id)
 CROSS JOIN LATERAL (
    SELECT n.id, n.order_id FROM routing_decision n
     WHERE n.order_id = o.id AND n.run_id = %(run)s OFFSET 0) d
  JOIN routing_offer f ON f.decision_id = d.id
 GROUP BY d.order_id
"""


class Figures(NamedTuple):
    """What decisions come to; `orders` may be fewer than they are."""

    orders: int
    routed: int
    partial: int
    unfillable: int
    parcels: int
    cost: Decimal
    kg_co2: float


def _read(sql: str, run: Run, orders: Sequence[int] = ()) -> Figures:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"run": run.pk, "orders": list(orders)})
        return Figures(*cursor.fetchone())


def add(run: Run, orders: Sequence[int], plans: "Plans") -> None:
    """Count what was decided about these orders, and see whether the run was stopped.

    An order that comes again in a later turn is counted again, and so may be what was decided while
    somebody stopped the run: whoever ends a run counts anew.
    """
    new = _read(_OF_SOME, run, orders)
    changes = {name: F(name) + value for name, value in new._asdict().items() if name != "orders"}
    changes["done"] = F("done") + new.orders
    if plans.saved is not None:
        changes |= plans.figures(run, _places(run, orders), cost=new.cost)
    Run.objects.filter(pk=run.pk).update(**changes)
    run.refresh_from_db(fields=WATCHED)
    if run.state != Run.State.RUNNING:
        recount(run)


def _places(run: Run, orders: Sequence[int]) -> dict[int, set[int]]:
    """The stock points that were given something of each order."""
    with connection.cursor() as cursor:
        cursor.execute(_PLACES, {"run": run.pk, "orders": list(orders)})
        return {order: set(places) for order, places in cursor.fetchall()}


def go_behind(run: Run, group: Group) -> None:
    """Count the orders that there was nothing to decide about, and go on behind the last one."""
    orders = group.orders
    skipped = len(orders) - _read(_OF_SOME, run, orders).orders
    Run.objects.filter(pk=run.pk).update(
        skipped=F("skipped") + skipped, done=F("done") + skipped, cursor=orders[-1],
        position=group.position,
        total=Greatest("total", F("done") + skipped),
    )  # fmt: skip
    run.refresh_from_db(fields=WATCHED)


def recount(run: Run) -> None:
    """Count all decisions of the run anew."""
    run.refresh_from_db(fields=WATCHED)
    all_ = _read(_OF_ALL, run)
    changes = all_._asdict()
    changes["done"] = changes.pop("orders") + run.skipped
    if run.single_cost is not None:  # what was not counted yet saved nothing that is known
        changes["single_cost"] = run.single_cost + all_.cost - run.cost
    Run.objects.filter(pk=run.pk).update(**changes)
    run.refresh_from_db(fields=WATCHED)
