"""What a channel can promise, every step of it, and what capture may take of it."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

from inventory import ledger
from inventory.models import Location, PoolLocation, PoolThreshold, StockPool, Supplier, Supply
from orders import capture, offer
from orders.models import Allocation
from tests.moments import at_every_moment


def promised(company, sku="TEE", **asked):
    return offer.offers(company.web, [sku], **asked)[0].available


def steps(company, sku="TEE"):
    found = offer.explained(company.web, company.products[sku])
    return {step.key: step for step in found.steps}


def keep(company, sku, units):
    PoolThreshold.objects.create(pool=company.pool, product=company.products[sku], units=units)


def queue(company, *items):
    company.web.on_shortage = "queue"
    company.web.save()
    return company.place(*items)


def supply(company, sku, units, days, **changes):
    day = (timezone.now() + timedelta(days=days)).date()
    values = {"location": company.locations["WH"], "product": company.products[sku],
              "quantity": units, "eta": day, "first_eta": day}  # fmt: skip
    return Supply.objects.create(reference=f"PO-{sku}-{days}", **(values | changes))


def test_a_threshold_and_what_waits_are_kept_back(company):
    keep(company, "CAP", 1)
    assert promised(company, "CAP") == 1
    queue(company, ("CAP", 4))
    assert promised(company, "CAP") == 0


@pytest.mark.parametrize("off", ["product", "channel"])
def test_what_is_switched_off_is_not_promised(company, off):
    thing = company.products["TEE"] if off == "product" else company.web
    thing.active = False
    thing.save()
    assert promised(company) == 0
    assert steps(company)["not_sold"].change == -220


def test_an_unknown_product_is_left_out(company):
    assert [row.sku for row in offer.available(company.web, ["NOPE", "TEE"])] == ["TEE"]


def test_capture_leaves_the_threshold_alone(company):
    keep(company, "CAP", 1)
    with pytest.raises(capture.InsufficientStock) as refused:
        company.place(("CAP", 2))
    assert "1 of 2 units of CAP" in str(refused.value)
    company.place(("CAP", 1))
    with pytest.raises(capture.InsufficientStock):
        company.place(("CAP", 1))


def test_capture_does_not_overtake_those_who_wait(company):
    queue(company, ("CAP", 5))  # three wait
    ledger.post([ledger.Entry(company.products["CAP"].pk, company.locations["WH"].pk, "receipt",
                              on_hand=4)], actor="test")  # fmt: skip
    late = company.place(("CAP", 2))
    held = Allocation.objects.filter(order=late).exclude(reservation=None)
    assert sum(held.values_list("quantity", flat=True)) == 1


def test_two_lines_of_one_product_share_what_is_promised(company):
    keep(company, "BAG", 7)
    order = queue(company, ("BAG", 2), ("BAG", 2))
    held = Allocation.objects.filter(order=order).exclude(reservation=None)
    assert sorted(held.values_list("line__position", "quantity")) == [(1, 2), (2, 1)]


def test_a_pick_up_can_be_promised_only_where_the_units_are(company):
    keep(company, "BAG", 6)
    [row] = offer.offers(company.web, ["BAG"])
    assert row.available == 4
    assert {spot.code: (spot.available, spot.pickup) for spot in row.spots} == {
        "LYON": (4, 4), "PARIS": (4, 4),
    }  # fmt: skip
    assert promised(company, "TEE", location="WH") == 100
    assert offer.offers(company.web, ["TEE"], location="WH")[0].spots[0].pickup == 0


def test_only_stock_points_of_the_channel_can_be_asked_for(company):
    PoolLocation.objects.filter(location=company.locations["RIGA"]).delete()
    with pytest.raises(offer.UnknownPlace):
        promised(company, location="RIGA")
    company.locations["LYON"].online = False
    company.locations["LYON"].save()
    assert promised(company, location="LYON") == 0


def test_what_is_due_until_a_day_can_be_promised_by_then(company):
    supply(company, "SOLD", 10, 3, claimed=2)
    supply(company, "SOLD", 5, 9)
    supply(company, "SOLD", 50, 2, promisable=False)
    day = timezone.now().date()
    # A day after it is due, it is put away and can be promised.
    assert [promised(company, "SOLD", on=day + timedelta(days=n)) for n in (3, 4, 9, 10)] == [
        0, 8, 8, 13,
    ]  # fmt: skip
    assert promised(company, "SOLD") == 0


def test_what_waits_is_served_from_supply_first(company):
    queue(company, ("SOLD", 6))
    supply(company, "SOLD", 10, 3)
    found = offer.explained(company.web, company.products["SOLD"])
    assert (found.available, [due.units for due in found.by_day]) == (0, [4])


def test_supply_of_a_late_sender_counts_as_late_as_it_usually_is(company):
    sender = Location.objects.create(
        code="MILL", name="Mill", kind="supplier", country="PT", lat=40, lng=-8
    )
    Supplier.objects.create(location=sender, lines=9, days_late=2, days_late_p80=3)
    due = supply(company, "SOLD", 10, 5, supplier=sender).eta
    [found] = offer.explained(company.web, company.products["SOLD"]).by_day
    assert (found.day, found.units) == (due + timedelta(days=4), 10)
    assert promised(company, "SOLD", on=due + timedelta(days=3)) == 0
    assert promised(company, "SOLD", on=due + timedelta(days=4)) == 10


# --- the waterfall -------------------------------------------------------------------------------


def test_every_step_subtracts_to_the_next_and_ends_in_what_is_promised(company):
    tee = company.products["TEE"].pk
    place = {code: location.pk for code, location in company.locations.items()}
    PoolLocation.objects.filter(location=company.locations["RIGA"]).delete()
    company.locations["PARIS"].online = False
    company.locations["PARIS"].save()
    PoolLocation.objects.filter(location=company.locations["WH"]).update(buffer=5)
    ledger.set_levels([ledger.Level(tee, place["LYON"], 8, None)], actor="test")
    ledger.post(
        [ledger.Entry(tee, place["LYON"], "block", unavailable=3, bucket="damaged"),
         ledger.Entry(tee, place["WH"], "block", unavailable=2, bucket="display")], actor="test",
    )  # fmt: skip
    keep(company, "TEE", 4)
    company.place(("TEE", 6))
    queue(company, ("TEE", 90))

    found = steps(company)
    assert [(key, step.change, step.left) for key, step in found.items()] == [
        ("physical", 220, 220), ("pool", -100, 120), ("switched_off", -10, 110),
        ("reserved", -89, 21), ("unavailable", -5, 16), ("safety", -8, 8), ("buffer", -5, 3),
        ("short", 1, 4), ("threshold", -4, 0), ("waiting", -7, -7), ("floor", 7, 0),
        ("available", 0, 0),
    ]  # fmt: skip
    assert found["unavailable"].reasons == {"damaged": 3, "display": 2}
    assert [(part.code, part.units) for part in found["short"].parts] == [("LYON", 1)]
    assert promised(company) == found["available"].left


def test_the_steps_of_every_product_reconcile(company):
    company.place(("TEE", 3), ("CAP", 1))
    keep(company, "MUG", 40)
    for sku in company.products:
        found = list(steps(company, sku).values())
        for before, after in pairwise(found):
            assert after.before == before.left
        for step in found:
            assert not step.parts or step.change == sum(part.units for part in step.parts)
        assert found[-1].left == promised(company, sku)


def test_a_closed_stock_point_counts_nowhere(company):
    company.locations["RIGA"].active = False
    company.locations["RIGA"].save()
    assert steps(company)["physical"].left == 120
    assert promised(company) == 120


def test_shares_of_a_hot_sale_are_free_until_somebody_cuts_a_claim_off_them(company):
    from inventory.ledger import hot

    tee, lyon = company.products["TEE"].pk, company.locations["LYON"].pk
    hot.split(product=tee, location=lyon, shares=4, actor="test")
    assert promised(company) == 220
    assert steps(company)["reserved"].change == 0
    claim = ledger.Claim(0, tee, lyon, 2, 1, hot=True)
    hot.cut([claim], owner_type="order", actor="test")
    assert promised(company) == 218
    assert steps(company)["reserved"].change == -2


def test_an_order_takes_units_of_a_hot_sale(company):
    from inventory.ledger import hot

    cap, lyon = company.products["CAP"].pk, company.locations["LYON"].pk
    hot.split(product=cap, location=lyon, shares=2, actor="test")
    company.place(("CAP", 1))
    assert promised(company, "CAP") == 1


def test_what_is_on_its_way_is_listed_with_what_can_be_promised_of_it(company):
    supply(company, "SOLD", 10, 3, claimed=4)
    [due] = offer.explained(company.web, company.products["SOLD"]).incoming
    assert (due.kind, due.units, due.free, due.code) == ("purchase", 10, 6, "WH")
    other = StockPool.objects.create(code="none", name="Nothing")
    company.web.pool = other
    assert offer.explained(company.web, company.products["SOLD"]).incoming[0].free == 0


def test_a_channel_is_explained_as_of_any_moment(company):
    def now():
        return {sku: promised(company, sku) for sku in company.products}

    def was(at):
        return {sku: offer.explained(company.web, product, at=at).available
                for sku, product in company.products.items()}  # fmt: skip

    store = StockPool.objects.create(code="store", name="Store")
    PoolLocation.objects.create(pool=store, location=company.locations["LYON"])

    def move():
        company.web.pool = store
        company.web.save()

    def switch_off():
        company.products["MUG"].active = False
        company.products["MUG"].save()

    def close_channel():
        company.web.active = False
        company.web.save()

    at_every_moment(
        now, was,
        lambda: queue(company, ("CAP", 6)),
        lambda: Allocation.objects.filter(reservation=None).update(state="canceled", queue=""),
        switch_off, move, close_channel,
    )  # fmt: skip


def test_before_a_channel_existed_it_promised_nothing(company):
    long_ago = timezone.now() - timedelta(days=400)
    assert offer.explained(company.web, company.products["TEE"], at=long_ago).available == 0
