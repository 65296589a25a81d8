"""Short ways to edit an order and to look at it afterwards."""

from django.db.models import Sum

from orders import editing
from orders.models import Allocation, Order
from reports.invariants import violations
from tests.orders.door import send


def change(client, company, order, *actions, **more):
    return send(client, company, {"actions": list(actions), **more},
                url=f"/api/v1/orders/{order.number}/changes")  # fmt: skip


def edit(order, *actions, **more):
    return editing.apply(order_id=order.pk, actions=list(actions), actor="test", **more)


def look(order, *actions):
    return editing.preview(order_id=order.pk, actions=list(actions), actor="test")


def add(sku, quantity=1, **more):
    return {"type": "add_line", "sku": sku, "quantity": quantity, **more}


def fresh(order):
    return Order.objects.get(pk=order.pk)


def check():
    broken = {name: rows for name, rows in violations().items() if rows}
    assert not broken


def units(order):
    """Units that were not canceled, by SKU."""
    rows = Allocation.objects.filter(order=order).exclude(state="canceled")
    return dict(rows.values_list("line__sku").annotate(Sum("quantity")))
