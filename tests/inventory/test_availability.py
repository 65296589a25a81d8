"""What a pool can promise: one statement, every stock point on its own, never less than nothing."""

import pytest

from inventory import availability, ledger
from inventory.ledger import Level
from inventory.models import PoolLocation, PoolThreshold, StockPool


@pytest.fixture
def pool(company):
    return company.pool.pk


def units(pool, *skus):
    return {row.sku: row.available for row in availability.available(pool=pool, skus=skus)}


def test_many_skus_take_one_statement(company, pool, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = units(pool, *company.products)
    assert found == {"TEE": 220, "MUG": 110, "BAG": 10, "CAP": 2, "SOLD": 0}
    with django_assert_num_queries(1):
        availability.points(pool=pool, skus=list(company.products))


def test_a_place_that_is_short_takes_nothing_from_the_others(company, pool):
    lyon = company.locations["LYON"].pk
    ledger.set_levels([Level(company.products["TEE"].pk, lyon, 500, None)], actor="test")
    PoolLocation.objects.filter(location=company.locations["PARIS"]).update(buffer=99)
    assert units(pool, "TEE") == {"TEE": 200}


def test_only_open_stock_points_of_the_pool_that_sell_online_count(company, pool):
    for code, field in (("LYON", "online"), ("PARIS", "active")):
        setattr(company.locations[code], field, False)
        company.locations[code].save()
    PoolLocation.objects.filter(location=company.locations["RIGA"]).delete()
    [row] = availability.available(pool=pool, skus=["TEE"])
    assert row.locations == (("WH", 100),)
    assert [point.code for point in availability.points(pool=pool, skus=["TEE"])["TEE"].points] == [
        "WH"
    ]


def test_a_threshold_is_kept_back_once_and_only_in_its_pool(company, pool):
    other = StockPool.objects.create(code="other", name="Other")
    PoolLocation.objects.create(pool=other, location=company.locations["WH"])
    PoolThreshold.objects.create(pool=other, product=company.products["TEE"], units=30)
    assert units(pool, "TEE") == {"TEE": 220}
    assert units(other.pk, "TEE") == {"TEE": 70}
    assert availability.points(pool=other.pk, skus=["TEE"])["TEE"].available == 70


def test_more_kept_back_than_there_is_is_nothing_and_not_less(company, pool):
    PoolThreshold.objects.create(pool=company.pool, product=company.products["CAP"], units=9)
    [row] = availability.available(pool=pool, skus=["CAP"])
    assert (row.available, row.at("LYON")) == (0, 0)


def test_units_that_wait_are_whatever_the_caller_says(company, pool):
    cap = company.products["CAP"].pk
    waiting = f"SELECT {pool}::bigint AS pool_id, {cap}::bigint AS product_id, 1 AS units"
    [row] = availability.available(pool=pool, skus=["CAP"], waiting=waiting)
    assert (row.available, row.kept) == (1, 1)


def test_capture_knows_which_rows_are_split_for_a_hot_sale(company, pool):
    from inventory.ledger import hot

    hot.split(product=company.products["TEE"].pk, location=company.locations["LYON"].pk, shares=2,
              actor="test")  # fmt: skip
    points = availability.points(pool=pool, skus=["TEE"])["TEE"].points
    assert {point.code: (point.free, point.hot) for point in points}["LYON"] == (10, True)
    assert [point.hot for point in points].count(True) == 1
