"""Units that somebody only holds give way before any order loses one."""

from inventory import ledger
from inventory.ledger import hot
from inventory.models import Reservation, Stock
from orders import baskets
from orders.models import Allocation
from reports.invariants import violations
from tests.fulfillment import stage
from tests.routing import scenes


def lose(company, sku, place, units):
    entry = ledger.Entry(company.products[sku].pk, company.locations[place].pk, "adjustment",
                         on_hand=-units)  # fmt: skip
    ledger.post([entry], actor="operator")
    scenes.work("shortage")


def broken():
    return {name: rows for name, rows in violations().items() if rows}


def test_the_newest_basket_gives_way_and_the_order_stays(company):
    order = company.place(("CAP", 1))
    stage.drain()
    place = Allocation.objects.get(order=order).location.code
    other = {"LYON": "PARIS", "PARIS": "LYON"}[place]
    baskets.hold(company.web, reference="old", items={"CAP": 1}, actor="test", pickup=other)
    lose(company, "CAP", other, 1)
    assert not Reservation.objects.filter(owner_type="basket").exists()
    assert Allocation.objects.get(order=order).location.code == place
    assert broken() == {}


def test_of_two_baskets_the_newer_one_loses(company):
    for reference, units in (("old", 3), ("new", 2)):
        baskets.hold(company.web, reference=reference, items={"TEE": units}, actor="test",
                     pickup="LYON")  # fmt: skip
    lose(company, "TEE", "LYON", 6)
    assert list(Reservation.objects.values_list("quantity", flat=True)) == [3]
    assert broken() == {}


def test_a_hot_sale_ends_where_the_shelf_is_short(company):
    shelf = {"product": company.products["TEE"].pk, "location": company.locations["LYON"].pk}
    hot.split(**shelf, shares=4, actor="lea")
    lose(company, "TEE", "LYON", 4)
    row = Stock.objects.get(product_id=shelf["product"], location_id=shelf["location"])
    assert (row.hot, row.reserved, row.on_hand) == (0, 0, 6)
    assert broken() == {}
