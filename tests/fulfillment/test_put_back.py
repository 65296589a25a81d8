"""Picked goods that are not wanted any more are listed until somebody has put them back."""

import pytest
from django.test import Client
from django.urls import reverse

from fulfillment import work
from fulfillment.models import FulfillmentOrder, PutBack
from inventory.models import PoolLocation
from orders import cancellation
from tests.fulfillment.stage import ACTOR, asked, drain, shipped, statements, states, stock, until
from tests.orders.edits import check, edit
from tests.races.crowd import at_once

LIST = "/store/put-back/"


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def lea(company) -> Client:
    return signed_in(company.user("lea", "LYON"))


def words(answer) -> str:
    return answer.content.decode()


def to_put_back() -> list[tuple[str, int, str]]:
    rows = PutBack.objects.filter(done_at=None).order_by("id")
    return list(rows.values_list("line__allocation__line__sku", "quantity", "reason"))


def cancel(row) -> None:
    cancellation.cancel(order_id=row.order_id, reason="customer", actor="test")
    drain("work")


def picked_but_no_mug(company, **changes) -> FulfillmentOrder:
    """Both bags are picked; the mug is not found, and Paris could send everything."""
    row = asked(company, ("BAG", 2), ("MUG", 1), **changes)
    PoolLocation.objects.get_or_create(pool=company.pool, location=company.locations["PARIS"])
    work.accept(fulfillment_order_id=row.pk, actor=ACTOR)
    for _ in range(2):
        work.scan(fulfillment_order_id=row.pk, code="BAG", actor=ACTOR)
    keep = {row.lines.get(allocation__line__sku="MUG").pk: 0}
    work.refuse(fulfillment_order_id=row.pk, reason="not_found", keep=keep, actor=ACTOR)
    drain()
    row.refresh_from_db()
    return row


def test_what_leaves_with_a_missing_item_is_put_back_where_it_was_picked(company):
    row = picked_but_no_mug(company, ship_together=True)

    instead = FulfillmentOrder.objects.get(order=row.order, location__code="PARIS")
    assert sum(line.quantity for line in instead.lines.all()) == 3
    assert to_put_back() == [("BAG", 2, "leaves with what was refused")]
    assert PutBack.objects.get().location == row.location


def test_what_ships_without_a_missing_item_is_not_put_back(company):
    row = picked_but_no_mug(company)
    shipped(row)

    assert states(row.order) == {"shipped": 2, "allocated": 1}
    assert to_put_back() == []


def test_a_canceled_order_names_its_items_and_one_button_ends_it(company, lea):
    row = until(asked(company, ("BAG", 2), ("MUG", 1)), "packed")
    before = stock(company, "BAG", "LYON")[0]
    cancellation.cancel(order_id=row.order_id, reason="customer", actor="test")
    page = reverse("store:order", args=[row.pk])

    for _ in ("taken away a moment ago", "written down"):
        text = words(lea.get(page))
        assert text.index("Put back on the shelf") < text.index("Bag") < text.index("All put back")
        drain("work")
    assert to_put_back() == [("BAG", 2, "canceled"), ("MUG", 1, "canceled")]
    press = reverse("store:press", args=[row.pk, "putback"])
    assert "Thank you" in words(lea.post(press, follow=True))
    assert "nothing changed" in words(lea.post(press, follow=True))
    assert "All put back" not in words(lea.get(page))
    assert set(PutBack.objects.values_list("done_by", flat=True)) == {"lea"}
    assert stock(company, "BAG", "LYON") == (before, 0)
    check()


@pytest.mark.parametrize(("picked", "left"), [(3, 2), (2, 1), (1, 0)])
def test_fewer_units_than_were_picked_leave_the_others_to_put_back(company, picked, left):
    row = asked(company, ("BAG", 3))
    work.accept(fulfillment_order_id=row.pk, actor=ACTOR)
    for _ in range(picked):
        work.scan(fulfillment_order_id=row.pk, code="BAG", actor=ACTOR)
    edit(row.order, {"type": "quantity", "line": 1, "quantity": 1})
    if picked == 3:  # packed at once, before the queue has told the stock point
        work.pack(fulfillment_order_id=row.pk, actor=ACTOR)
    drain("work")

    assert to_put_back() == [("BAG", left, "fewer are wanted")] * (left > 0)
    assert row.lines.get(open=True).picked == 1


def test_the_store_sees_what_to_put_back_and_others_do_not(company, lea):
    assert "Nothing to put back" in words(lea.get(LIST))
    row = until(asked(company, ("BAG", 2)), "picked")
    cancel(row)
    press = reverse("store:put-back", args=[PutBack.objects.get().pk])
    other = signed_in(company.user("max", "PARIS"))

    assert "Bag" not in words(other.get(LIST))
    assert other.post(press).status_code == 404
    assert LIST in words(lea.get("/store/"))
    shown = words(lea.get(LIST))
    assert "BAG" in shown
    assert row.number in shown
    assert "canceled" in shown
    assert "Thank you" in words(lea.post(press, follow=True))
    assert LIST not in words(lea.get("/store/"))
    boss = signed_in(company.user("boss", is_staff=True, is_superuser=True))
    listed = reverse("admin:fulfillment_putback_changelist")
    assert row.number in words(boss.get(listed, {"done": "yes"}))
    assert row.number not in words(boss.get(listed, {"done": "no"}))


def test_two_people_at_once_put_it_back_once(live_company):
    cancel(until(asked(live_company, ("BAG", 2)), "picked"))
    rows = PutBack.objects.all()

    news = at_once(*[lambda who=who: work.put_back(rows, actor=who) for who in ("lea", "max")])

    assert sorted(news) == [0, 1]
    assert PutBack.objects.get().done_by in ("lea", "max")


def test_statements_do_not_grow_with_the_items(company, lea):
    counts = []
    for items in ([("BAG", 1)], [("BAG", 1), ("MUG", 1), ("TEE", 1), ("CAP", 1)]):
        row = until(asked(company, *items), "picked")
        cancellation.cancel(order_id=row.order_id, reason="customer", actor="test")
        with statements() as closing:
            drain("work")
        with statements() as showing:
            lea.get(LIST)
        counts.append((len(closing), len(showing)))

    assert counts[0] == counts[1]
    assert len(to_put_back()) == 5


def test_damaged_goods_do_not_go_back_on_the_shelf(company):
    row = until(asked(company, ("BAG", 1)), "picked")
    work.refuse(fulfillment_order_id=row.pk, reason="damaged", actor=ACTOR)

    assert to_put_back() == []
