"""Units that customers announced to send back: seen on their way, never promised."""

from collections.abc import Mapping
from datetime import date

from django.db import connection
from django.db.models import Case, Value, When
from django.db.models.functions import Now

from inventory.models import Supply
from inventory.supplies.changing import Line, upsert

State = Supply.State


def expect_return(
    reference: str, units: Mapping[int, int], *, location: int, eta: date, actor: str
) -> None:
    """A return was approved: its units, by product, are expected at a stock point."""
    lines = [
        Line(reference=reference, product=product, location=location, quantity=quantity, eta=eta,
             kind=Supply.Kind.RETURN, promisable=False)
        for product, quantity in sorted(units.items())
    ]  # fmt: skip
    upsert(lines, actor=actor)


def follow_return(reference: str, arrived: Mapping[int, int]) -> None:
    """So many units of a return, by product, have arrived so far.

    The stock itself is posted by who receives the return.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inventory_supply s SET received = u.units,"
            " state = CASE WHEN u.units >= s.quantity THEN 'received' ELSE s.state END,"
            " closed_at = CASE WHEN u.units >= s.quantity THEN now() END"
            " FROM unnest(%s::bigint[], %s::int[]) AS u(product_id, units)"
            " WHERE s.kind = 'return' AND s.reference = %s AND s.state = 'open'"
            " AND s.product_id = u.product_id",
            [list(arrived), list(arrived.values()), reference],
        )


def end_return(reference: str) -> None:
    """No more of a return is expected than has come."""
    came = Case(When(received__gt=0, then=Value(State.RECEIVED)), default=Value(State.CANCELED))
    Supply.objects.filter(kind=Supply.Kind.RETURN, reference=reference, state=State.OPEN).update(
        state=came, closed_at=Now()
    )
