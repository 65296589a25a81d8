"""Orders are changed safely: previewed, versioned, only the difference is paid and routed."""

from decimal import Decimal

import pytest
from django.db.models import Sum

from config.models import OutboxRow
from fulfillment.models import FulfillmentOrder
from inventory.models import BundleComponent, Product, Reservation, Stock, StockMovement
from orders import editing, payments
from orders.models import Adjustment, Allocation, Hold, Order, OrderChange, OrderVersion, Refund
from tests.fulfillment import stage
from tests.orders.door import problem, read, send
from tests.orders.edits import add, change, check, edit, fresh, look, units


def test_case_71_only_the_difference_is_due(client, company):
    order = company.place(("TEE", 1))  # 20.00 and 4.90 shipping, captured
    answer = change(client, company, order, add("MUG", unit_price="10.00"))
    assert answer.status_code == 201, answer.content
    shown = answer.json()["preview"]
    assert (shown["balance_before"], shown["balance_after"]) == ("0.00", "10.00")
    assert shown["difference"] == "10.00"
    assert payments.balance(fresh(order)) == Decimal("10")
    assert Hold.objects.get(order=order, handle="balance").state == "open"
    back = change(client, company, order, {"type": "remove", "line": 2})
    assert back.json()["preview"]["balance_after"] == "0.00"
    assert payments.balance(fresh(order)) == 0
    assert Hold.objects.get(order=order, handle="balance").state == "resolved"
    assert not Refund.objects.exists()
    check()


def test_fewer_units_give_exactly_their_share_back(company):
    order = company.place(("TEE", 3))
    edit(order, {"type": "quantity", "line": 1, "quantity": 1})
    assert units(order) == {"TEE": 1}
    assert payments.balance(fresh(order)) == 0
    assert Refund.objects.get().amount == Decimal("40")
    assert Reservation.objects.aggregate(s=Sum("quantity"))["s"] == 1
    check()


def test_more_units_of_a_line_become_a_line_of_their_own_and_move_no_share(company):
    order = company.place(("TEE", 2), ("MUG", 1))
    before = list(order.lines.order_by("id").values("id", "quantity", "total", "discount"))
    slices = list(order.allocations.order_by("id").values("id", "state", "reservation_id"))
    edit(order, {"type": "quantity", "line": 1, "quantity": 5})
    lines = list(order.lines.order_by("id").values("id", "quantity", "total", "discount"))
    assert lines[:2] == before
    added = order.lines.get(position=3)
    assert (added.sku, added.quantity, added.total, added.external_id) == ("TEE", 3, 60, "0")
    assert (
        list(order.allocations.order_by("id").values("id", "state", "reservation_id"))[:2] == slices
    )
    check()


def test_only_what_changed_is_routed_again_and_what_is_picked_stays(company):
    order = stage.asked(company, ("TEE", 2)).order
    task = FulfillmentOrder.objects.get(order=order)
    stage.until(task, "picked")
    picked = Allocation.objects.get(order=order)
    edit(order, add("MUG", 2, unit_price="0"))
    stage.drain()
    picked.refresh_from_db()
    assert picked.state == "picked"
    assert picked.location.code == "LYON"
    new = Allocation.objects.get(order=order, line__sku="MUG")
    assert new.state == "allocated"
    assert FulfillmentOrder.objects.filter(order=order).count() == 2
    check()


def test_a_preview_tells_all_and_changes_nothing(client, company):
    order = company.place(("TEE", 3), ("MUG", 1))

    def world():
        return {
            "stock": list(Stock.objects.order_by("id").values_list("on_hand", "reserved")),
            "ledger": StockMovement.objects.aggregate(n=Sum("reserved"), m=Sum("on_hand")),
            "rows": StockMovement.objects.count(),
            "claims": list(Reservation.objects.order_by("id").values_list("id", "quantity")),
            "slices": list(Allocation.objects.order_by("id").values()),
            "work": OutboxRow.objects.count(), "events": order.events.count(),
            "order": Order.objects.values().get(pk=order.pk),
            "lines": list(order.lines.order_by("id").values()),
            "kept": (OrderVersion.objects.count(), OrderChange.objects.count(),
                     Refund.objects.count(), Adjustment.objects.count(), Hold.objects.count()),
        }  # fmt: skip

    before = world()
    actions = [
        add("BAG"), {"type": "quantity", "line": 1, "quantity": 1},
        {"type": "price", "line": 2, "discount": "1.50"}, {"type": "shipping", "amount": "0"},
        {"type": "address", "shipping_address": {
            "name": "", "line1": "Brīvības 1", "city": "Riga", "postcode": "LV-1010",
            "country": "LV"}},
        {"type": "appeasement", "amount": "5.00", "reason": "sorry"},
    ]  # fmt: skip
    answer = change(client, company, order, *actions, dry_run=True)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert world() == before
    applied = change(client, company, order, *actions, based_on=told["version"])
    assert applied.status_code == 201, applied.content
    assert applied.json()["preview"] == told
    assert {e["what"] for e in told["effects"]} == {"released", "added", "rerouted"}
    assert told["before"]["total"] == "74.40"
    assert told["after"]["total"] == "108.00"  # 20 + 9.50 - 1.50 + 80, no shipping
    assert told["refunded"] == "5.00"
    assert told["promised_after"] > told["promised_before"]
    check()


def test_a_product_is_substituted_at_the_price_of_the_old_unless_another_is_given(company):
    order = company.place(("TEE", 2), ("MUG", 1))
    edit(order, {"type": "substitute", "line": 1, "sku": "BAG"})
    assert units(order) == {"BAG": 2, "MUG": 1}
    assert payments.amount_due(fresh(order)) == Decimal("54.40")
    edit(order, {"type": "substitute", "line": 3, "sku": "CAP", "quantity": 1,
                 "unit_price": "15.00"})  # fmt: skip
    assert units(order) == {"BAG": 1, "CAP": 1, "MUG": 1}
    assert payments.amount_due(fresh(order)) == Decimal("49.40")
    check()


def test_the_last_unit_that_an_edit_gives_up_can_be_taken_by_the_same_edit(company):
    stage.only(company, "LYON")
    order = company.place(("CAP", 1))
    edit(order, {"type": "remove", "line": 1}, add("CAP", unit_price="12.00"))
    assert units(order) == {"CAP": 1}
    assert order.lines.count() == 2
    check()


def test_shortage_follows_the_channel(client, company):
    order = company.place(("TEE", 1))
    answer = change(client, company, order, add("TEE"), add("BAG", 11))
    problem(answer, 409, "insufficient_stock", "/actions/1/quantity")
    assert fresh(order).version == 1
    company.web.on_shortage = "queue"
    company.web.save()
    shown = look(order, add("BAG", 11))
    assert [(e.what, e.units) for e in shown.effects if e.what == "waits"] == [("waits", 1)]


# --- prices --------------------------------------------------------------------------------------


def test_a_price_adjustment_is_a_further_discount_and_all_sums_agree(company):
    order = company.place(("TEE", 3))
    edit(order, {"type": "price", "line": 1, "discount": "10.00"}, reason="scratched")
    line = order.lines.get()
    assert (line.discount, line.total) == (10, 50)
    assert (fresh(order).discount_total, fresh(order).total) == (10, Decimal("54.90"))
    assert Adjustment.objects.get().amount == -10
    assert Refund.objects.get().amount == 10
    edit(order, {"type": "price", "line": 1, "discount": "-4.00"})
    assert payments.balance(fresh(order)) == 4
    check()


def test_a_discount_counts_for_the_units_that_are_left(company):
    order = company.place(("TEE", 3))
    edit(order, {"type": "quantity", "line": 1, "quantity": 2})
    shown = edit(order, {"type": "price", "line": 1, "discount": "5.01"}).preview
    assert shown["difference"] == "-5.01"
    assert payments.amount_due(fresh(order)) == Decimal("39.89")
    assert payments.balance(fresh(order)) == 0
    check()


@pytest.mark.parametrize(
    ("action", "pointer"),
    [
        ({"type": "price", "line": 1, "discount": "60.01"}, "/actions/0/discount"),
        ({"type": "price", "line": 1, "discount": "-0.01"}, "/actions/0/discount"),
        ({"type": "price", "line": 1, "discount": "0.001"}, "/actions/0/discount"),
        ({"type": "price", "line": 9, "discount": "1"}, "/actions/0/line"),
        ({"type": "quantity", "line": 1, "quantity": 0}, "/actions/0/quantity"),
        ({"type": "quantity", "line": 1, "quantity": 1.5}, "/actions/0/quantity"),
        ({"type": "remove", "line": 1, "why": "x"}, "/actions/0/why"),
        ({"type": "explode"}, "/actions/0/type"),
        ({"type": "add_line", "sku": "NONE", "quantity": 1}, "/actions/0/sku"),
        ({"type": "add_line", "sku": "TEE", "quantity": 1, "unit_price": "5", "discount": "6"},
         "/actions/0/discount"),
        ({"type": "appeasement", "amount": "0", "reason": "x"}, "/actions/0/amount"),
        ({"type": "delivery", "method": "pickup", "location": "WH"}, "/actions/0/location"),
        ({"type": "delivery", "method": "pickup"}, "/actions/0/location"),
        ({"type": "address", "shipping_address": {"country": "FR", "city": "Lyon"}},
         "/actions/0/shipping_address/line1"),
        ({"type": "quantity", "line": 1, "quantity": 3}, "/actions"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_named(client, company, action, pointer):
    order = company.place(("TEE", 3))
    problem(change(client, company, order, action), 400, "invalid", pointer)
    assert fresh(order).version == 1


def test_the_same_units_cannot_be_changed_twice_in_one_edit(client, company):
    order = company.place(("TEE", 3))
    twice = change(client, company, order, {"type": "remove", "line": 1},
                   {"type": "quantity", "line": 1, "quantity": 2})  # fmt: skip
    problem(twice, 400, "invalid", "/actions/1")
    nothing = change(client, company, order, {"type": "remove", "line": 1})
    problem(nothing, 409, "not_possible_now", "/actions")


def test_a_gesture_is_a_refund_of_captured_money_and_a_discount_before(company):
    order = company.place(("TEE", 3))
    edit(order, {"type": "appeasement", "amount": "7.00", "reason": "late"})
    assert (fresh(order).total, Refund.objects.get().amount) == (Decimal("64.90"), 7)
    assert payments.balance(fresh(order)) == 0
    assert Reservation.objects.aggregate(s=Sum("quantity"))["s"] == 3
    paid = {"reference": "a", "method": "card", "amount": "34.40", "state": "authorized"}
    late = company.place(("TEE", 1), ("MUG", 1), payments=[paid])
    edit(late, {"type": "appeasement", "amount": "7.00", "reason": "late"})
    assert fresh(late).total == Decimal("27.40")
    assert sum(a.amount for a in late.adjustments.all()) == -7
    check()


def test_an_order_never_costs_less_than_was_given_back(client, company):
    order = company.place(("TEE", 1))
    edit(order, {"type": "appeasement", "amount": "20.00", "reason": "late"})
    answer = change(client, company, order, {"type": "price", "line": 1, "discount": "15.00"})
    problem(answer, 409, "not_possible_now", "/actions/0")
    check()


def test_taxes_on_top_follow_the_price(company):
    order = company.place(
        ("TEE", 2), tax_included=False, tax_total="8.00", total="52.90", payments=[],
        line_items=[{"external_id": "1", "sku": "TEE", "quantity": 2, "unit_price": "20.00",
                     "tax": "8.00"}],
    )  # fmt: skip
    edit(order, {"type": "price", "line": 1, "discount": "10.00"})
    line = order.lines.get()
    assert (line.tax, line.total) == (6, 36)
    edit(order, {"type": "quantity", "line": 1, "quantity": 3})
    assert order.lines.get(position=2).tax == 4
    assert fresh(order).total == Decimal("64.90")
    check()


def test_amounts_keep_to_the_currency(company):
    order = company.place(
        currency="JPY", shipping_total="0", total="1000", payments=[],
        line_items=[{"external_id": "1", "sku": "TEE", "quantity": 3, "unit_price": "333.3334"}],
    )  # fmt: skip
    edit(order, {"type": "quantity", "line": 1, "quantity": 2})
    edit(order, {"type": "price", "line": 1, "discount": "100"})
    assert payments.amount_due(fresh(order)) == 567
    check()


# --- bundles -------------------------------------------------------------------------------------


def kit(company):
    bundle = Product.objects.create(sku="KIT", name="Kit", price=40, is_bundle=True)
    for sku, count, share in (("TEE", 2, 30), ("MUG", 1, 10)):
        BundleComponent.objects.create(
            bundle=bundle, product=company.products[sku], quantity=count, share=share
        )
    return bundle


def test_bundles_are_changed_as_wholes(company):
    kit(company)
    order = company.place(
        shipping_total="0", total="120.00", payments=[],
        line_items=[{"external_id": "1", "sku": "KIT", "quantity": 3, "unit_price": "40.00"}],
    )  # fmt: skip
    edit(order, {"type": "quantity", "line": 1, "quantity": 2})
    assert units(order) == {"TEE": 4, "MUG": 2}
    assert payments.amount_due(fresh(order)) == 80
    edit(order, {"type": "price", "line": 1, "discount": "0.01"}, add("KIT"))
    assert units(order) == {"TEE": 6, "MUG": 3}
    assert payments.amount_due(fresh(order)) == Decimal("119.99")
    for bundle in order.bundles.all():
        assert bundle.total == bundle.lines.aggregate(s=Sum("total"))["s"]
    edit(order, {"type": "substitute", "line": 2, "sku": "BAG"})
    assert units(order) == {"TEE": 4, "MUG": 2, "BAG": 1}
    assert payments.amount_due(fresh(order)) == Decimal("119.99")
    check()


# --- versions ------------------------------------------------------------------------------------


def test_every_version_stays_readable(client, company):
    order = company.place(("TEE", 2))
    url = f"/api/v1/orders/{order.number}/versions"
    assert [v["number"] for v in read(client, company, url).json()] == [1]
    edit(order, {"type": "quantity", "line": 1, "quantity": 1}, add("MUG"))
    edit(order, {"type": "shipping", "amount": "0"})
    versions = read(client, company, url).json()
    assert [(v["number"], v["current"]) for v in versions] == [(1, False), (2, False), (3, True)]
    first, third = (read(client, company, f"{url}/{n}").json() for n in (1, 3))
    assert [(line["sku"], line["quantity"]) for line in first["lines"]] == [("TEE", 2)]
    assert [(line["sku"], line["quantity"]) for line in third["lines"]] == [("TEE", 1), ("MUG", 1)]
    assert (first["amounts"]["total"], third["amounts"]["total"]) == ("44.90", "29.50")
    assert first["shipping_address"]["line1"] == "1 rue de la République"
    problem(read(client, company, f"{url}/4"), 404)
    changes = read(client, company, f"/api/v1/orders/{order.number}/changes").json()
    assert [c["version"] for c in changes] == [2, 3]


def test_a_change_for_an_old_version_is_refused_with_what_changed(client, company):
    order = company.place(("TEE", 2))
    edit(order, {"type": "quantity", "line": 1, "quantity": 1})
    answer = change(client, company, order, add("MUG"), based_on=1)
    body = problem(answer, 409, "version_changed")
    assert "line 1: units 2 became 1" in body["detail"]


def test_a_draft_waits_and_is_applied_once_to_its_version(company):
    order = company.place(("TEE", 2))
    common = {"order_id": order.pk, "actor": "lea"}
    one = editing.draft(actions=[add("MUG")], **common)
    two = editing.draft(actions=[{"type": "remove", "line": 1}, add("BAG")], **common)
    assert (one.state, fresh(order).version) == ("draft", 1)
    done = editing.apply_draft(change_id=one.pk, actor="lea")
    assert (done.pk, done.state, done.version) == (one.pk, "applied", 2)
    with pytest.raises(editing.NotOpen):
        editing.apply_draft(change_id=one.pk, actor="lea")
    with pytest.raises(editing.Stale, match="1 × MUG is new"):
        editing.apply_draft(change_id=two.pk, actor="lea")
    editing.discard(change_id=two.pk)
    with pytest.raises(editing.NotOpen):
        editing.discard(change_id=two.pk)


def test_addresses_are_kept_apart_so_that_they_can_be_erased(company):
    order = company.place(("TEE", 1))
    home = {"name": "Eve", "line1": "2 rue Neuve", "city": "Lyon", "postcode": "69002",
            "country": "FR"}  # fmt: skip
    done = edit(order, {"type": "address", "shipping_address": home})
    stored = (
        str(done.actions)
        + str(done.preview)
        + str(
            list(order.versions.values_list("document", flat=True))
            + list(order.events.values_list("data", flat=True))
        )
    )
    assert "rue Neuve" not in stored
    assert "Eve" not in stored
    assert done.contact["0"]["line1"] == "2 rue Neuve"
    assert order.versions.get(number=2).contact["shipping_address"]["name"] == "Eve"
    assert fresh(order).contact.line1 == "2 rue Neuve"


def test_the_same_key_changes_once(client, company):
    order = company.place(("TEE", 1))
    url = f"/api/v1/orders/{order.number}/changes"
    body, key = {"actions": [add("MUG")]}, {"Idempotency-Key": "k1"}
    first, again = (send(client, company, body, url=url, **key) for _ in range(2))
    assert first.json() == again.json()
    assert fresh(order).version == 2
    assert order.lines.count() == 2
