"""Purchase orders in the books and in the console, and what customers send back."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from inventory import ledger, supplies
from inventory.models import Reservation, Stock, StockMovement, Supplier, Supply
from reports.invariants import violations
from returns import process
from tests.orders.supply import TODAY, backordering, receive, settle, supply
from tests.returns import journeys


def page(client, row, action=""):
    url = reverse("admin:inventory_supply_change", args=[row.pk])
    return url.replace("change/", f"{action}/") if action else url


def words(answer):
    return " ".join(answer.content.decode().split())


# --- the books -----------------------------------------------------------------------------------


def test_a_receipt_is_a_movement_that_names_its_line(company):
    row = supply(company, 5, sku="TEE")
    receive(row, 5, refused=1, key="r-1")
    moved = StockMovement.objects.get(key="receipt:r-1")
    assert (moved.kind, moved.on_hand, moved.unavailable, moved.bucket) == (
        "receipt", 5, 1, "damaged")  # fmt: skip
    assert (moved.cause_type, moved.cause_id) == ("supply", row.pk)


def test_refused_units_alone_close_a_line_too(company):  # case 49
    row = supply(company, 10, sku="TEE")
    before = Stock.objects.get(product=row.product, location=row.location)
    receive(row, 10, refused=10)
    after = Stock.objects.get(pk=before.pk)
    assert (after.on_hand, after.damaged, after.free) == (before.on_hand + 10, 10, before.free)
    assert row.state == "received"


@pytest.mark.parametrize(("quantity", "refused"), [(0, 0), (-1, 0), (2, 3), (2, -1)])
def test_quantities_that_cannot_be_are_no_receipt(quantity, refused):
    with pytest.raises(ValueError, match="refused"):
        supplies.Receipt(1, quantity, "k", refused)


def test_of_several_receipts_one_for_a_canceled_line_books_none(company):
    row, gone = supply(company, 5), supply(company, 5, reference="PO-2")
    supplies.cancel(gone.pk, actor="t")
    with pytest.raises(supplies.Ended):
        supplies.receive([supplies.Receipt(row.pk, 1, "a"), supplies.Receipt(gone.pk, 1, "b")],
                         actor="t")  # fmt: skip
    row.refresh_from_db()
    assert row.received == 0


def test_claims_on_supply_are_released_split_and_moved_like_others(company):
    row = supply(company, 5)
    (claim,) = ledger.claim_supply(
        [ledger.SupplyClaim(1, row.pk, 4, 7)], owner_type="order"
    ).values()  # fmt: skip
    part = ledger.split(claim, quantity=1)
    assert Reservation.objects.get(pk=part).supply_id == row.pk
    tee, wh = company.products["TEE"].pk, company.locations["WH"].pk
    ledger.move([ledger.Claim(1, tee, wh, 1, 7)], [part], owner_type="order", actor="t")
    row.refresh_from_db()
    assert row.claimed == 3
    with pytest.raises(ledger.ClaimGone, match="on their way"):
        ledger.take([(claim, "k")], cause_type="parcel", actor="t")


def test_a_claim_beyond_what_is_to_come_is_not_granted(company):
    row = supply(company, 3)
    wanted = [ledger.SupplyClaim(1, row.pk, 2, 7), ledger.SupplyClaim(2, row.pk, 2, 8)]
    assert ledger.claim_supply(wanted, owner_type="order") == {}
    Supply.objects.update(promisable=False)
    assert ledger.claim_supply(wanted[:1], owner_type="order") == {}


# --- notices -------------------------------------------------------------------------------------


def noticed(row, quantity, days):
    said = supplies.Notice(row.reference, "ASN-1", row.product_id, row.location_id, quantity,
                           TODAY + timedelta(days=days))  # fmt: skip
    assert supplies.notices([said], actor="t") == ["created"]
    settle()
    row.refresh_from_db()
    return Supply.objects.get(notice="ASN-1")


@pytest.mark.parametrize(("days", "who"), [(2, [3, 1]), (30, [0, 2])])
def test_the_oldest_promises_go_to_whichever_arrives_first(company, days, who):
    backordering(company)
    row = supply(company, 5)
    orders = [company.place(("SOLD", 3)), company.place(("SOLD", 2))]
    early = noticed(row, 4 if days < 10 else 2, days)
    units = [
        sum(a.quantity for a in order.allocations.filter(reservation__supply=early))
        for order in orders
    ]
    assert units == who
    assert row.claimed + early.claimed == 5
    assert (row.quantity, early.promisable) == (5 - early.quantity, True)
    assert not {name: rows for name, rows in violations().items() if rows}


def test_nothing_new_is_promised_from_a_notice_before_the_old_promises_have_moved(company):
    backordering(company)
    row = supply(company, 5)
    company.place(("SOLD", 5))
    said = supplies.Notice("PO-1", "ASN-1", row.product_id, row.location_id, 4, TODAY)
    supplies.notices([said], actor="t")
    assert not supplies.coming(pool=company.pool.pk, products=[row.product_id])


# --- the console ---------------------------------------------------------------------------------


def test_the_list_says_what_is_promised_free_and_late(company, console):
    backordering(company)
    supply(company, 5, reference="PO-LATE", days=-3)
    company.place(("SOLD", 2))
    url = reverse("admin:inventory_supply_changelist")
    shown = words(console.get(url, {"look": "late"}))
    assert "PO-LATE" in shown
    assert "late" in shown
    assert "PO-LATE" not in words(console.get(url, {"look": "received"}))


def test_the_page_says_who_waits_and_how_reliable_the_sender_is(company, console):
    backordering(company)
    row = supply(company, 5, supplier=company.locations["RIGA"].pk)
    order = company.place(("SOLD", 2))
    assert "Not measured yet" in words(console.get(page(console, row)))
    Supplier.objects.create(
        location=company.locations["RIGA"], lines=8, days_late=1.5, days_late_p80=4, short=0.125
    )
    shown = words(console.get(page(console, row)))
    assert "Of its last 8 closed lines: 1.5 days late on average" in shown
    assert "12.5% of the units never came" in shown
    assert "the day of the last receipt less the first date" in shown
    link = reverse("stock-cause", args=["order", order.pk])
    assert link in shown
    assert console.get(link, follow=True).redirect_chain


def test_receiving_by_hand_books_a_double_click_once(company, console):
    row = supply(company, 5)
    url = page(console, row, "receive")
    key = console.get(url).context["form"]["key"].value()
    for _ in range(2):
        answer = console.post(url, {"quantity": 2, "refused": 0, "key": key})
        assert answer.status_code == 302
    row.refresh_from_db()
    assert row.received == 2
    assert "More than arrived" in words(console.post(url, {"quantity": 1, "refused": 2, "key": 1}))


def test_a_change_that_hits_promises_is_told_first(company, console):
    backordering(company)
    row = supply(company, 5)
    company.place(("SOLD", 3))
    company.place(("SOLD", 2))
    url = page(console, row, "change-line")
    asked = {"quantity": 1, "eta": row.eta.isoformat()}
    told = words(console.post(url, asked))
    assert "2 orders lose 4 units, the newest first" in told
    assert "nobody owns this line yet" in told
    row.refresh_from_db()
    assert row.quantity == 5
    assert console.post(url, asked | {"sure": "on"}).status_code == 302
    row.refresh_from_db()
    assert row.quantity == 1
    later = {"quantity": 1, "eta": (row.eta + timedelta(days=1)).isoformat()}
    assert "would come 1 day later" in words(console.post(url, later))


def test_a_change_that_hits_nobody_is_done_at_once(company, console):
    row = supply(company, 5)
    url = page(console, row, "change-line")
    answer = console.post(url, {"quantity": 7, "eta": row.eta.isoformat()})
    assert answer.status_code == 302
    row.refresh_from_db()
    assert row.quantity == 7


def test_a_line_is_ended_owned_and_made_by_hand(company, console):
    row = supply(company, 5)
    boss = company.user("ana", is_staff=True)
    assert console.post(page(console, row, "owner"), {"owner": boss.pk}).status_code == 302
    row.refresh_from_db()
    assert row.owner == boss
    assert "No promise is hit" in words(console.get(page(console, row, "end")))
    assert console.post(page(console, row, "end")).status_code == 302
    row.refresh_from_db()
    assert row.state == "canceled"
    assert page(console, row, "receive") not in words(console.get(page(console, row)))
    url = reverse("admin:inventory_supply_new_line")
    made = {"kind": "oversell", "sku": "SOLD", "location": row.location_id, "quantity": 3}
    assert console.post(url, made).status_code == 302
    assert Supply.objects.get(kind="oversell").eta is None
    assert "A purchase order needs this" in words(console.post(url, made | {"kind": "purchase"}))


def test_senders_are_listed_with_their_figures(company, console):
    Supplier.objects.create(location=company.locations["RIGA"], lines=3, days_late_p80=6, short=0.2)
    shown = words(console.get(reverse("admin:inventory_supplier_changelist")))
    assert "Riga warehouse" in shown
    assert "20.0%" in shown
    detail = reverse("admin:inventory_supplier_change", args=[company.locations["RIGA"].pk])
    assert "The lines behind it" in words(console.get(detail))


# --- what customers send back --------------------------------------------------------------------


def test_an_approved_return_is_seen_on_its_way_and_never_promised(company):
    order = journeys.deliver(company.place(("BAG", 2)))
    line = order.lines.get()
    rma = process.request(order_id=order.pk, lines=[(line.pk, 2)], reason="other", by="customer")
    process.approve(return_id=rma.pk, actor="lea")
    row = Supply.objects.get(kind="return")
    assert (row.reference, row.quantity, row.promisable, row.location) == (
        rma.number, 2, False, order.parcels.get().location)  # fmt: skip
    assert row.eta == timezone.now().date() + timedelta(days=14)
    wh = company.locations["WH"]
    back = rma.lines.get().pk
    process.receive(return_id=rma.pk, location=wh, arrived={back: 1}, actor="lea")
    row.refresh_from_db()
    assert (row.state, row.received) == ("open", 1)
    process.receive(return_id=rma.pk, location=wh, arrived={back: 2}, actor="lea")
    row.refresh_from_db()
    assert (row.state, row.received) == ("received", 2)
    assert not {name: rows for name, rows in violations().items() if rows}


def test_a_return_that_is_canceled_is_not_expected_any_more(company):
    order = journeys.deliver(company.place(("BAG", 1)))
    line = order.lines.get()
    rma = process.request(order_id=order.pk, lines=[(line.pk, 1)], reason="other", by="customer")
    process.approve(return_id=rma.pk, actor="lea")
    process.cancel(return_id=rma.pk, actor="lea")
    assert Supply.objects.get(kind="return").state == "canceled"


def test_a_limit_may_fall_to_nothing_and_be_raised_again_and_is_never_received(company):
    row = supply(company, 3, reference="oversell", days=None, kind="oversell")
    with pytest.raises(supplies.NotReceived, match="oversell limit"):
        receive(row, 1)
    supplies.cancel(row.pk, actor="t")
    assert supply(company, 2, reference="oversell", days=None, kind="oversell").free == 2


def test_a_line_that_never_comes_is_canceled_from_the_start(company):
    assert supply(company, 0).state == "canceled"


def test_a_purchase_order_numbered_like_a_return_leaves_the_return_alone(company):
    place, product = company.locations["LYON"].pk, company.products["SOLD"].pk
    supplies.expect_return("R1", {product: 2}, location=place, eta=TODAY, actor="t")
    line = supplies.Line("R1", product, place, 9, TODAY)
    assert supplies.upsert([line], actor="t") == ["ended"]
    row = Supply.objects.get()
    assert (row.kind, row.quantity, row.promisable) == ("return", 2, False)
    with pytest.raises(supplies.NotReceived):
        receive(row, 1)
