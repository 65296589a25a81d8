"""Publishing: every change becomes a figure of every channel, numbered in the order of commits."""

import threading

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection, transaction
from django.db.models import Max

from config.management.commands.publish import Command as Publisher
from inventory import ledger
from inventory.models import PoolLocation, PoolThreshold, StockChange, StockPool
from orders import publishing
from orders.models import Allocation, ChannelStock, SalesChannel, StockCrossing
from orders.offer import WAITING
from tests.races.crowd import at_once, deadlocks


@pytest.fixture
def published(company):
    """The company, its first figures told to nobody yet."""
    publishing.publish_all()
    return company


def figure(company, sku, channel=None):
    return ChannelStock.objects.get(channel=channel or company.web, product=company.products[sku])


def change(company, sku, code, on_hand=0, **changes):
    """Stock moves at one place, and what that means is published."""
    ledger.post(
        [ledger.Entry(company.products[sku].pk, company.locations[code].pk, "adjustment",
                      on_hand=on_hand, **changes)], actor="test",
    )  # fmt: skip
    publishing.publish_all()


def test_every_product_of_the_pool_gets_a_figure(published):
    assert dict(ChannelStock.objects.values_list("product__sku", "quantity")) == {
        "TEE": 220, "MUG": 110, "BAG": 10, "CAP": 2,
    }  # fmt: skip
    assert not StockChange.objects.exists()
    assert not StockCrossing.objects.exists()


def test_only_what_changed_gets_a_new_number(published):
    before = dict(ChannelStock.objects.values_list("product__sku", "number"))
    change(published, "TEE", "LYON", -1)
    after = dict(ChannelStock.objects.values_list("product__sku", "number"))
    assert {sku for sku in after if after[sku] != before[sku]} == {"TEE"}
    assert figure(published, "TEE").quantity == 219
    assert after["TEE"] == max(after.values())


def test_an_order_is_published_with_everything_it_claims(published):
    published.place(("TEE", 3), ("MUG", 1))
    assert publishing.publish_all() == 2
    assert [figure(published, sku).quantity for sku in ("TEE", "MUG")] == [217, 109]


def test_units_that_wait_in_a_queue_are_published_as_promised(published):
    published.web.on_shortage = "queue"
    published.web.save()
    published.place(("CAP", 5))
    publishing.publish_all()
    change(published, "CAP", "LYON", 4)
    waiting = sum(Allocation.objects.filter(reservation=None).values_list("quantity", flat=True))
    assert waiting == 3
    assert figure(published, "CAP").quantity == 1


def test_a_switched_off_stock_point_a_buffer_and_a_threshold_act_at_once(published):
    lyon = published.locations["LYON"]
    lyon.online = False
    lyon.save()
    publishing.publish_all()
    assert figure(published, "TEE").quantity == 210
    PoolLocation.objects.filter(location=published.locations["PARIS"]).update(buffer=4)
    PoolThreshold.objects.create(pool=published.pool, product=published.products["TEE"], units=6)
    publishing.publish_all()
    assert figure(published, "TEE").quantity == 200


@pytest.mark.parametrize("gone", ["product", "channel", "pool"])
def test_what_is_no_longer_sold_is_told_as_zero(published, gone):
    if gone == "product":
        published.products["TEE"].active = False
        published.products["TEE"].save()
    elif gone == "channel":
        published.web.active = False
        published.web.save()
    else:
        PoolLocation.objects.filter(pool=published.pool).delete()
    publishing.publish_all()
    assert figure(published, "TEE").quantity == 0


def test_a_channel_that_moves_to_another_pool_says_what_that_one_has(published):
    store = StockPool.objects.create(code="store", name="Store")
    PoolLocation.objects.create(pool=store, location=published.locations["LYON"])
    published.web.pool = store
    published.web.save()
    publishing.publish_all()
    assert dict(ChannelStock.objects.values_list("product__sku", "quantity")) == {
        "TEE": 10, "MUG": 5, "BAG": 5, "CAP": 1,
    }  # fmt: skip


def test_channels_of_other_pools_have_their_own_figures(published):
    store = StockPool.objects.create(code="store", name="Store")
    PoolLocation.objects.create(pool=store, location=published.locations["PARIS"], buffer=2)
    till = SalesChannel.objects.create(code="till", name="Till", kind="till", pool=store)
    publishing.publish_all()
    assert figure(published, "TEE", till).quantity == 8
    change(published, "TEE", "PARIS", -5)
    assert figure(published, "TEE", till).quantity == 3
    assert figure(published, "TEE").quantity == 215


def test_a_crossing_of_zero_is_written_once(published):
    for units in (-1, -1, 1, 1):
        change(published, "CAP", "LYON" if units == -1 and figure(published, "CAP").quantity == 2
               else "PARIS", units)  # fmt: skip
    cap = published.products["CAP"]
    assert list(StockCrossing.objects.filter(product=cap).order_by("number")
                .values_list("in_stock", flat=True)) == [False, True]  # fmt: skip


def test_the_last_unit_is_gone_for_every_channel(published):  # case 1
    other = SalesChannel.objects.create(
        code="market", name="Market", kind="marketplace", pool=published.pool
    )
    change(published, "CAP", "PARIS", -1)
    published.place(("CAP", 1))
    publishing.publish_all()
    assert figure(published, "CAP").quantity == figure(published, "CAP", other).quantity == 0


def test_a_hot_sale_is_published_unit_by_unit(published):
    tee, lyon = published.products["TEE"].pk, published.locations["LYON"].pk
    from inventory.ledger import hot

    with transaction.atomic():
        hot.split(product=tee, location=lyon, shares=3, actor="test")
    publishing.publish_all()
    assert figure(published, "TEE").quantity == 220
    with transaction.atomic():
        hot.cut([ledger.Claim(0, tee, lyon, 2, 1, hot=True)], owner_type="order", actor="test")
    publishing.publish_all()
    assert figure(published, "TEE").quantity == 218


def test_publishing_takes_as_many_statements_however_many_products_changed(
    published, django_assert_max_num_queries
):
    ledger.post(
        [ledger.Entry(p.pk, place.pk, "adjustment", on_hand=1)
         for p in published.products.values() for place in published.locations.values()],
        actor="test",
    )  # fmt: skip
    with django_assert_max_num_queries(6):
        assert publishing.publish().changes == 5


def test_one_publisher_at_a_time_and_the_other_does_not_wait(live_company):
    publishing.publish_all()
    change_seen, end = threading.Event(), threading.Event()

    def first():
        with transaction.atomic():
            live_company.products["TEE"].active = False
            live_company.products["TEE"].save()
        with transaction.atomic():
            publishing.publish()
            change_seen.set()
            end.wait(10)
        connection.close()

    other = threading.Thread(target=first)
    other.start()
    assert change_seen.wait(10)
    ledger.post([ledger.Entry(live_company.products["MUG"].pk, live_company.locations["WH"].pk,
                              "adjustment", on_hand=1)], actor="test")  # fmt: skip
    assert publishing.publish() == publishing.Round()
    end.set()
    other.join(10)
    publishing.publish_all()
    assert figure(live_company, "MUG").quantity == 111
    assert figure(live_company, "MUG").number > figure(live_company, "TEE").number


def test_a_change_that_is_rolled_back_is_not_published(published):
    with transaction.atomic():
        ledger.post(
            [
                ledger.Entry(
                    published.products["TEE"].pk,
                    published.locations["WH"].pk,
                    "adjustment",
                    on_hand=-9,
                )
            ],
            actor="test",
        )
        transaction.set_rollback(True)
    assert publishing.publish_all() == 0


def test_telling_again_gives_new_numbers_to_chosen_rows_or_a_whole_channel(published):
    newest = ChannelStock.objects.aggregate(n=Max("number"))["n"]
    assert publishing.tell_again([figure(published, "TEE").pk]) == 1
    assert figure(published, "TEE").number == newest + 1
    assert publishing.tell_again(channel=published.web.pk) == 4
    assert all(row.number > newest + 1 for row in ChannelStock.objects.all())


def test_the_command_publishes_once_and_says_so(company, capsys):
    call_command("publish", once=True)
    assert "4 figures changed" in capsys.readouterr().out


def test_the_publisher_lives_through_a_database_that_is_away(company, monkeypatch):
    def away():
        raise OperationalError("server closed the connection unexpectedly")

    naps = []
    monkeypatch.setattr("time.sleep", naps.append)
    monkeypatch.setattr(publishing, "publish", away)
    monkeypatch.setattr(Publisher.__module__ + ".connection.close", lambda: None)
    assert Publisher().look() is False
    assert naps == [1]


def test_a_channel_that_follows_the_feed_while_buyers_buy_misses_nothing(live_company):
    known, since, done = {}, 0, threading.Event()

    def follow():
        nonlocal since
        publishing.confirmed(live_company.web, upto=since)
        page = publishing.changes(live_company.web, since=since, limit=2)
        publishing.sent(page)
        known.update((figure.sku, figure.available) for figure in page)
        since = page[-1].number if page else since
        return bool(page)

    def channel():
        while not done.is_set():
            follow()

    def publisher():
        while not done.is_set():
            publishing.publish()

    def buyers():
        for _ in range(12):
            live_company.place(("TEE", 1), ("MUG", 2), ("BAG", 1) if _ < 8 else ("TEE", 1))
        publishing.tell_again(channel=live_company.web.pk)
        done.set()

    before = deadlocks()
    assert at_once(channel, publisher, publisher, buyers) == [None] * 4
    publishing.publish_all()
    while follow():
        pass
    assert known == dict(ChannelStock.objects.values_list("product__sku", "quantity"))
    assert known["MUG"] == 110 - 24
    follow()
    assert set(ChannelStock.objects.values_list("acknowledged", "product__sku")) == {
        (units, sku) for sku, units in known.items()
    }
    assert deadlocks() == before


# Thousands of settled rows, a few open ones.
SETTLED = """
INSERT INTO inventory_product (sku, name, style, color, size, category, tags, unit, weight_g,
    length_mm, width_mm, height_mm, price, active)
SELECT 'P' || n, 'x', '', '', '', '', '{}', 'piece', 0, 0, 0, 0, 1, true
  FROM generate_series(1, 4000) n;
INSERT INTO orders_channelstock (channel_id, product_id, quantity, number, changed_at, sent,
    sent_number, acknowledged)
SELECT c.id, p.id, 1, nextval('orders_channelstock_number'), now(), 1,
       currval('orders_channelstock_number'), 1
  FROM orders_saleschannel c, inventory_product p WHERE p.sku LIKE 'P%';
INSERT INTO orders_allocation (line_id, order_id, quantity, state, queue, queue_reason, attempt,
    since)
SELECT l.id, l.order_id, 1, 'canceled', '', '', 0, now()
  FROM orders_orderline l, generate_series(1, 4000);
ANALYZE orders_channelstock; ANALYZE orders_allocation; ANALYZE inventory_product;
"""


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (WAITING, "allocation_waiting"),
        (publishing._UNSENT, "channel_stock_unsent"),
        (publishing._UNCONFIRMED, "channel_stock_unconfirmed"),
        (publishing._CHANGES, "channel_stock_feed"),
    ],
)
def test_what_is_open_is_found_without_reading_what_is_settled(published, sql, index):
    published.place(("TEE", 1))
    publishing.publish_all()
    with connection.cursor() as cursor:
        cursor.execute(SETTLED)
        newest = ChannelStock.objects.aggregate(n=Max("number"))["n"]
        params = {"channel": published.web.pk, "upto": newest, "after": newest - 3, "limit": 10}
        cursor.execute(f"EXPLAIN {sql}", params if "%(" in sql else None)
        assert index in "\n".join(row[0] for row in cursor.fetchall())
