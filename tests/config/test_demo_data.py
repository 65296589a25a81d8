"""The demo company's plain data: counts, uniqueness, sums, and the same again next time."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from stdnum import ean

from config.demo import catalog, network, people
from config.demo.baskets import CHANNELS, orders
from config.geo import distance_km, locate
from orders.payload import validated

NOW = datetime(2026, 11, 2, 10, 30, tzinfo=UTC)
NAMED = {
    "TEE-0001-BLK-M", "TEE-0001-WHT-L", "JKT-0002-NVY-L", "SNK-0003-WHT-42", "BAG-0004-TAN",
    "MUG-0005", "SCF-0006-RED",
}  # fmt: skip
TOTALS = ("discount_total", "shipping_total", "shipping_tax", "tax_total", "total")
KINDS = {spec.code: spec.kind for spec in network.LOCATIONS}


@pytest.fixture(scope="module")
def stock():
    return list(catalog.opening_stock(seed=1))


@pytest.fixture(scope="module")
def placed():
    return list(orders(seed=1, start=0, count=500, now=NOW))


# --- the network ---------------------------------------------------------------------------------


def test_the_network_has_the_promised_stock_points():
    assert Counter(KINDS.values()) == {
        "warehouse": 3, "store": 40, "supplier": 4, "distributor": 2,
    }  # fmt: skip
    assert len(KINDS) == len(network.LOCATIONS)
    assert [spec.code for spec in network.LOCATIONS if spec.is_central] == ["WH-CENTRAL"]


@pytest.mark.parametrize("spec", network.LOCATIONS, ids=lambda spec: spec.code)
def test_a_stock_point_lies_in_the_town_of_its_address(spec):
    town = locate(country=spec.country, city=spec.city, postcode=spec.postcode, region=spec.region)
    assert town.precision == "city"
    assert distance_km(town, spec) < 12
    assert ZoneInfo(spec.timezone)


def test_opening_hours_are_whole_weeks_of_rising_times():
    for spec in network.LOCATIONS:
        assert tuple(spec.opening_hours) == network.WEEKDAYS
        for intervals in spec.opening_hours.values():
            times = [time for interval in intervals for time in interval]
            assert times == sorted(times)
            assert all(len(interval) == 2 for interval in intervals)
        assert datetime.strptime(spec.cutoff, "%H:%M").replace(tzinfo=UTC)
    weeks = {str(s.opening_hours) for s in network.LOCATIONS if s.kind == "store"}
    assert len(weeks) >= 10
    closed = sum(not s.opening_hours["sun"] for s in network.LOCATIONS if s.kind == "store")
    assert 10 <= closed <= 30


def test_some_stores_only_hand_over():
    small = [spec for spec in network.LOCATIONS if not spec.can_ship]
    assert {spec.kind for spec in small} == {"store"}
    assert all(spec.can_pickup for spec in small)


def test_those_outside_the_company_ship_with_a_lead_time():
    for spec in network.LOCATIONS:
        outside = spec.kind in {"supplier", "distributor"}
        assert (spec.lead_days > 0) == outside
        assert spec.can_receive_returns != outside


# --- the catalog ---------------------------------------------------------------------------------


def test_there_are_two_thousand_different_products():
    goods = catalog.products(seed=1)
    assert len(goods) == 2000
    for field in ("sku", "gtin", "name"):
        assert len({getattr(product, field) for product in goods}) == 2000
    assert {product.sku for product in goods} >= NAMED
    assert {product.category for product in goods} == {
        "apparel", "shoes", "home", "accessories", "outdoor", "beauty", "toys",
    }  # fmt: skip


def test_every_barcode_passes_its_check_digit_and_belongs_to_nobody():
    for product in catalog.products(seed=1):
        assert len(product.gtin) == 13
        assert ean.is_valid(product.gtin)
        assert 200 <= int(product.gtin[:3]) <= 299


def test_products_have_a_size_a_weight_and_a_price():
    for product in catalog.products(seed=1):
        box = (product.length_mm, product.width_mm, product.height_mm)
        assert all(20 <= side <= 1000 for side in box)
        assert 50 <= product.weight_g <= 5000
        assert Decimal(1) < product.price < Decimal(500)
        assert product.price == product.price.quantize(Decimal("0.01"))


def test_variants_of_a_style_share_their_price_and_season():
    styles = {}
    for product in catalog.products(seed=1):
        styles.setdefault(product.style, set()).add((product.price, product.season_end))
    assert all(len(shared) == 1 for shared in styles.values())


@pytest.mark.parametrize(
    ("today", "ends"),
    [
        (date(2026, 1, 31), {date(2025, 7, 31), date(2026, 1, 31), date(2026, 7, 31)}),
        (date(2026, 2, 1), {date(2026, 1, 31), date(2026, 7, 31), date(2027, 1, 31)}),
        (date(2026, 12, 24), {date(2026, 7, 31), date(2027, 1, 31), date(2027, 7, 31)}),
    ],
)
def test_seasons_are_the_last_the_current_and_the_next(today, ends):
    goods = catalog.products(seed=1, today=today)
    assert {p.season_end for p in goods if p.season_end} == ends
    assert sum(p.season_end is None for p in goods) > 500


def test_few_products_sell_much_and_most_sell_little():
    weights = sorted(catalog.popularity(seed=1).values(), reverse=True)
    assert len(weights) == 2000
    assert sum(weights) == pytest.approx(1)
    assert sum(weights[:200]) > 0.4
    assert weights[-1] > 0


# --- stock ---------------------------------------------------------------------------------------


def test_opening_stock_is_some_twenty_thousand_rows_each_once(stock):
    assert 18_000 <= len(stock) <= 22_000
    assert len({(row.sku, row.location_code) for row in stock}) == len(stock)
    assert all(row.on_hand > 0 and row.safety >= 0 and row.target > 0 for row in stock)
    assert {row.location_code for row in stock} == set(KINDS)
    assert {row.sku for row in stock} <= {p.sku for p in catalog.products(seed=1)}


def test_the_central_warehouse_is_deep_and_stores_are_shallow(stock):
    rows = Counter(row.location_code for row in stock)
    assert rows["WH-CENTRAL"] > 1800
    assert all(240 <= rows[code] <= 410 for code, kind in KINDS.items() if kind == "store")
    central = {row.sku for row in stock if row.location_code == "WH-CENTRAL"}
    assert central >= NAMED


def test_stores_have_overstock_and_holes_in_their_size_runs(stock):
    shelves = [row for row in stock if KINDS[row.location_code] == "store"]
    over = sum(row.on_hand >= 2 * row.target for row in shelves) / len(shelves)
    assert 0.05 < over < 0.2
    sizes = Counter((row.location_code, row.sku.rpartition("-")[0]) for row in shelves
                    if row.sku.startswith(("TEE", "SWT", "DRS")))  # fmt: skip
    assert sum(n < 6 for n in sizes.values()) > len(sizes) / 2


def test_scarce_goods_lie_in_two_shipping_stores_one_unit_each(stock):
    scarce = catalog.scarce(seed=1)
    ships = {spec.code for spec in network.LOCATIONS if spec.can_ship and spec.kind == "store"}
    for sku in scarce:
        rows = [row for row in stock if row.sku == sku]
        assert [row.on_hand - row.safety for row in rows] == [1, 1]
        assert {row.location_code for row in rows} <= ships
    assert len(scarce) == 12


def test_a_handful_is_sold_out_everywhere_and_partly_on_its_way(stock):
    gone = set(catalog.sold_out(seed=1))
    assert len(gone) == 6
    assert not gone & {row.sku for row in stock}
    assert gone & {line.sku for line in catalog.purchase_orders(seed=1)}


def test_those_outside_the_company_hold_only_what_they_trade_in(stock):
    category = {p.sku: p.category for p in catalog.products(seed=1)}
    for row in stock:
        if row.location_code in network.SUPPLIES:
            assert category[row.sku] in network.SUPPLIES[row.location_code]


def test_sixty_lines_of_purchase_orders_are_on_their_way():
    lines = list(catalog.purchase_orders(seed=1))
    category = {p.sku: p.category for p in catalog.products(seed=1)}
    assert len(lines) == 60
    assert len({(line.reference, line.sku) for line in lines}) == 60
    for line in lines:
        assert KINDS[line.supplier_code] == "supplier"
        assert KINDS[line.location_code] == "warehouse"
        assert category[line.sku] in network.SUPPLIES[line.supplier_code]
        assert line.quantity > 0
        assert 0 < line.eta_days_from_now <= 60


# --- people --------------------------------------------------------------------------------------


def test_there_are_people_for_every_role_and_one_login_per_store():
    assert {person.role for person in people.STAFF} == {
        "admin", "operations", "manager", "warehouse", "store", "customer_service",
    }  # fmt: skip
    assert len({person.username for person in people.STAFF}) == len(people.STAFF)
    stores = {p.location_code: p.username for p in people.STAFF if p.role == "store"}
    assert set(stores) == {code for code, kind in KINDS.items() if kind == "store"}
    assert stores["ST-LYON-01"] == "store.lyon"
    assert all(p.email.endswith("@maestro.example") for p in people.STAFF)


def test_customers_live_in_real_towns_and_are_nobody():
    everybody = list(people.customers(seed=1, count=600))
    assert len({customer.email for customer in everybody}) == 600
    for customer in everybody:
        assert customer.email.isascii()
        assert customer.email.rpartition("@")[2] in {"example.org", "example.com", "example.net"}
        town = locate(
            country=customer.country, city=customer.city, postcode=customer.postcode,
            region=customer.region,
        )  # fmt: skip
        area = locate(country=customer.country, postcode=customer.postcode)
        assert town.precision == "city", customer
        assert distance_km(town, area) < 100, customer
    assert any(not customer.name.isascii() for customer in everybody)


# --- baskets -------------------------------------------------------------------------------------


def test_orders_add_up_to_the_cent(placed):
    for _, order in placed:
        lines = order["line_items"]
        money = {name: Decimal(order[name]) for name in TOTALS}
        subtotal = sum(line["quantity"] * Decimal(line["unit_price"]) for line in lines)
        taxes = sum(Decimal(line["tax"]) for line in lines) + money["shipping_tax"]
        own = sum(Decimal(line["discount"]) for line in lines)
        due = subtotal - money["discount_total"] + money["shipping_total"]
        assert money["tax_total"] == taxes
        assert own <= money["discount_total"] < subtotal
        assert money["total"] == due + (0 if order["tax_included"] else taxes)
        assert sum(Decimal(p["amount"]) for p in order["payments"]) == money["total"]


def test_money_is_text_with_two_decimals(placed):
    for _, order in placed:
        amounts = [order[name] for name in TOTALS]
        amounts += [
            line[n] for line in order["line_items"] for n in ("unit_price", "discount", "tax")
        ]
        amounts += [payment["amount"] for payment in order["payments"]]
        assert all(f"{Decimal(amount):.2f}" == amount for amount in amounts)
        assert all(Decimal(amount) >= 0 for amount in amounts)


def test_orders_have_the_shape_of_real_baskets(placed):
    sizes = Counter(len(order["line_items"]) for _, order in placed)
    assert 0.55 < sizes[1] / 500 < 0.71
    assert 0.15 < sizes[2] / 500 < 0.27
    assert max(sizes) <= 8
    assert {channel for channel, _ in placed} == set(CHANNELS)
    known = {product.sku for product in catalog.products(seed=1)}
    for _, order in placed:
        skus = [line["sku"] for line in order["line_items"]]
        assert len(set(skus)) == len(skus)
        assert known.issuperset(skus)


def test_orders_were_placed_just_now(placed):
    for _, order in placed:
        at = datetime.fromisoformat(order["placed_at"])
        assert NOW - timedelta(minutes=2) < at < NOW


def test_external_ids_are_unique_per_channel_over_seeds_too():
    ids = [
        (channel, order["external_id"])
        for seed in (1, 2, 11)
        for channel, order in orders(seed=seed, start=0, count=200, now=NOW)
    ]
    assert len(set(ids)) == len(ids) == 600


def test_an_order_is_the_same_wherever_the_count_begins(placed):
    assert list(orders(seed=1, start=250, count=5, now=NOW)) == placed[250:255]
    assert next(orders(seed=2, start=0, count=1, now=NOW)) != placed[0]


def test_some_customers_wish_for_more_and_the_api_takes_their_orders(placed):
    """Gifts, days, one parcel, stores, second addresses; tills and marketplaces say their own."""
    wishes = Counter()
    for channel, order in placed:
        validated(order)
        wishes["sold_at"] += channel == "till" and "sold_at" in order
        wishes["ship_by"] += channel == "marketplace" and "ship_by" in order
        wishes["store"] += order["delivery"]["method"] == "ship_to_store"
        for name in ("gift", "wanted_on", "ship_together", "deliveries"):
            wishes[name] += name in order
    assert set(wishes) == {name for name, times in wishes.items() if times >= 3}, wishes
    channels = Counter(channel for channel, _ in placed)
    assert wishes["sold_at"] == channels["till"]
    assert wishes["ship_by"] == channels["marketplace"]


# --- all of it -----------------------------------------------------------------------------------

_FINGERPRINT = """
import hashlib, sys, types
root = types.ModuleType("config")  # the roof starts Celery; only what lies under it is asked
root.__path__ = ["config"]
sys.modules["config"] = root
from datetime import UTC, datetime
from config.demo import baskets, catalog, network, people
now = datetime(2026, 11, 2, tzinfo=UTC)
everything = [
    catalog.products(seed=1), list(catalog.opening_stock(seed=1)), network.LOCATIONS,
    list(catalog.purchase_orders(seed=1)), people.STAFF,
    list(baskets.orders(seed=1, start=0, count=50, now=now)),
]
print(hashlib.sha256(repr(everything).encode()).hexdigest())
print(sorted(m for m in sys.modules if m.split(".")[0] in {"django", "celery", "psycopg"}))
"""


def test_another_process_makes_the_same_company_and_needs_no_django():
    root = Path(catalog.__file__).parents[2]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _FINGERPRINT], cwd=root, env={"PYTHONHASHSEED": hash_seed},
            capture_output=True, text=True, check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }  # fmt: skip
    assert len(outputs) == 1
    assert outputs.pop().splitlines()[1] == "[]"
