"""The numbers on the managers' page and the home page, each against the rows behind it."""

import csv
import html
import io
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from config.site import level
from fulfillment import work
from fulfillment.models import Parcel
from orders import cancellation, holds, lifecycle
from orders.models import Allocation, Order, SalesChannel
from reports import figures
from reports.figures import Period
from routing import queues
from routing.models import Refusal
from tests.cast import change_rules
from tests.fulfillment import stage

PARIS = ZoneInfo("Europe/Paris")
SEVENTH = date(2026, 9, 7)


def placed(company, *moments, **changes):
    """Orders of one BAG (84.90 with shipping) placed at these moments."""
    orders = [company.place(("BAG", 1), **changes) for _ in moments]
    for order, moment in zip(orders, moments, strict=True):
        Order.objects.filter(pk=order.pk).update(placed_at=moment)
    return orders


def utc(day, hour, minute=0, month=9):
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def sums(rows):
    return sum(r.orders for r in rows), sum(r.units for r in rows), sum(r.value for r in rows)


def tiles():
    return {tile.stage: tile.orders for tile in figures.funnel(now=timezone.now()) if tile.orders}


# --- the funnel ----------------------------------------------------------------------------------


@pytest.fixture
def busy(company):
    """An order in every stage."""
    SalesChannel.objects.update(on_shortage="queue")
    company.web.refresh_from_db()
    stage.only(company, "LYON")
    company.place(("SOLD", 1))
    for n, state in enumerate(["accepted", "picked", "packed"]):
        row = stage.asked(company, ("TEE", n + 1))
        stage.until(row, state)
    stage.shipped(stage.asked(company, ("TEE", 1)))
    stage.asked(company, ("MUG", 1))
    held = company.place(("MUG", 1))
    holds.place(order_id=held.pk, type="manual", handle="h", reason="r", blocks=["route"],
                   actor="lea")  # fmt: skip
    stage.drain()
    return company


def test_each_stage_counts_its_orders(busy):
    assert tiles() == {"to_route": 1, "routed": 1, "picking": 2, "packed": 1, "shipped_today": 1,
                       "unfillable": 1, "on_hold": 1}  # fmt: skip


def test_an_order_in_two_stages_is_in_both(company):
    stage.only(company, "LYON")
    row = stage.asked(company, ("TEE", 2))
    stage.until(row, "accepted")
    lifecycle.split_slice(row.lines.get().allocation, quantity=1)
    assert tiles() == {"picking": 1}
    order = company.place(("TEE", 1))
    assert tiles() == {"picking": 1, "to_route": 1}
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    assert tiles() == {"picking": 1}


def test_what_waits_for_a_run_or_is_held_ages_only_once_it_is_overdue(company):
    change_rules(when="run")
    order, held = company.place(("TEE", 1)), company.place(("MUG", 1))
    holds.place(order_id=held.pk, type="manual", handle="h", reason="r", blocks=["route"],
                   actor="lea")  # fmt: skip
    stage.drain()
    began = timezone.now() - timedelta(hours=20)
    Allocation.objects.update(since=began)

    def to_route(after: timedelta) -> tuple[datetime | None, str]:
        now = began + after
        tile = next(t for t in figures.funnel(now=now) if t.stage == "to_route")
        assert tile.orders == 2
        return tile.oldest, level(tile, now=now)

    assert to_route(timedelta(hours=20)) == (None, "busy")
    assert to_route(timedelta(hours=45)) == (began, "danger")  # no run came within a day
    assert order.allocations.get().queue_reason == queues.FOR_RUN
    order.allocations.update(next_action_at=timezone.now() + timedelta(days=9))
    holds.resolve(hold_id=held.holds.get().pk, actor="lea")
    assert to_route(timedelta(hours=20)) == (began, "danger")  # and nobody routed it


def test_every_stage_is_there_also_with_nothing_in_it(company):
    assert [(t.stage, t.orders, t.oldest) for t in figures.funnel(now=timezone.now())] == [
        (name, 0, None) for name in figures.FUNNEL
    ]


def test_each_tile_opens_a_list_of_as_many_orders(busy, admin_client):
    page = admin_client.get(reverse("admin:index"))
    for tile in page.context["tiles"]:
        rows = admin_client.get(tile["url"]).context["cl"].result_count
        assert rows == tile["tile"].orders, tile["url"]


def test_today_begins_at_the_companys_midnight_on_the_tile_and_in_its_list(busy, admin_client):
    Parcel.objects.update(shipped_at=utc(7, 21, 50))  # 23:50 in Paris
    with time_machine.travel(utc(7, 21, 55), tick=False):
        assert tiles()["shipped_today"] == 1
    with time_machine.travel(utc(7, 22, 30), tick=False):
        assert "shipped_today" not in tiles()
        admin_client.force_login(busy.user("boss", is_staff=True, is_superuser=True))
        url = reverse("admin:orders_order_changelist") + "?stage=shipped_today"
        assert admin_client.get(url).context["cl"].result_count == 0


# --- sales ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "late"),
    [("Europe/Paris", [utc(6, 22, 30), utc(7, 21, 59)]),
     ("America/New_York", [utc(8, 1), utc(8, 3, 59)])],
)  # fmt: skip
def test_one_day_holds_the_days_orders_whatever_utc_says(company, settings, zone, late):  # case 191
    settings.COMPANY_TIME_ZONE = zone
    placed(company, *[utc(7, 12)] * 3, *late)
    placed(company, utc(6, 12), utc(8, 12))
    (row,) = figures.sales(Period(SEVENTH, SEVENTH))
    assert (row.day, row.orders, row.units, row.value) == (SEVENTH, 5, 5, Decimal("424.50"))


def test_the_day_the_clocks_go_back_has_its_twenty_fifth_hour(company):
    placed(company, utc(24, 22, month=10), utc(25, 22, 59, month=10), utc(25, 23, month=10))
    day = date(2026, 10, 25)
    assert sums(figures.sales(Period(day, day)))[0] == 2


def test_the_days_of_a_month_sum_to_the_month(company):  # case 193
    start = datetime(2026, 8, 31, 20, tzinfo=UTC)
    company.place(("TEE", 3))
    placed(company, *[start + timedelta(hours=67 * i) for i in range(12)][:10])
    month = Period(date(2026, 9, 1), date(2026, 9, 30))
    days = [figures.sales(Period(day, day)) for day in month.days]
    assert len(days) == 30
    assert sums([row for rows in days for row in rows]) == sums(figures.sales(month))
    assert sums(figures.sales(month))[0] == 9


def test_channels_and_currencies_are_counted_apart_and_tests_not_at_all(company):
    market = SalesChannel.objects.create(code="m", name="Market", kind="marketplace",
                                         pool=company.pool)  # fmt: skip
    placed(company, utc(7, 12), utc(7, 13), currency="USD")
    placed(company, utc(7, 12), test=True)
    (other,) = placed(company, utc(7, 12))
    Order.objects.filter(pk=other.pk).update(channel=market)
    rows = figures.sales(Period(SEVENTH, SEVENTH))
    assert [(r.channel, r.currency, r.orders) for r in rows] == [
        ("Market", "EUR", 1), ("Web shop", "USD", 2)]  # fmt: skip


# --- service -------------------------------------------------------------------------------------


@pytest.fixture
def served(company):
    """Lyon handed over 3 units and refused 1; what is refused goes nowhere else."""
    row = stage.asked(company, ("BAG", 4))
    work.refuse(fulfillment_order_id=row.pk, reason="damaged", actor="lea",
                keep={row.lines.get().pk: 3})  # fmt: skip
    stage.shipped(row)
    return company


def today():
    day = timezone.now().astimezone(PARIS).date()
    return Period(day, day)


def test_the_fill_rate_is_what_was_handed_over_of_what_was_asked(served):
    (row,) = figures.service(today())
    assert (row.code, row.handed_over, row.refused, row.refusals) == ("LYON", 3, 1, 1)
    assert row.fill_rate == 0.75


def test_a_stock_point_of_whom_nothing_was_asked_has_no_rate(served):
    assert figures.service(Period(SEVENTH, SEVENTH)) == []
    assert figures.Service(1, "X", "X", 0, 0, 0).fill_rate is None


# --- pages ---------------------------------------------------------------------------------------


@pytest.fixture
def manager(client, company):
    user = company.user("mia", is_staff=True)
    names = ["view_order", "view_parcel", "view_refusal"]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return client


def links(page):
    """Every address on the page that opens the rows of a period."""
    found = re.findall(r'href="(/admin/[^"]*__gte=[^"]*)"', page.content.decode())
    return [html.unescape(url) for url in found]


def test_each_number_opens_exactly_its_rows(served, manager):
    order = Order.objects.get()
    served.place(("TEE", 1), test=True)
    Order.objects.filter(pk=served.place(("TEE", 1)).pk).update(placed_at=utc(7, 12))
    opened = links(manager.get(reverse("managers")))
    lists = {url.split("?")[0] for url in opened}
    assert lists == {"/admin/orders/order/", "/admin/fulfillment/parcel/",
                     "/admin/routing/refusal/"}  # fmt: skip
    there = {"order": (order, order.placed_at), "parcel": (order.parcels.get(), timezone.now()),
             "refusal": (Refusal.objects.get(), timezone.now())}  # fmt: skip
    for url in opened:
        row, moment = there[url.split("/")[3]]
        asked = {name.split("__")[1]: value for name, value in parse_qsl(urlsplit(url).query)
                 if name.endswith(("__gte", "__lt"))}  # fmt: skip
        inside = asked["gte"] <= moment.astimezone(PARIS).isoformat() < asked["lt"]
        shown = manager.get(url).context["cl"].result_list
        assert list(shown) == [row] * inside, url


def test_the_managers_page_shows_its_formulas_and_totals(served, manager):
    words = manager.get(reverse("managers")).content.decode()
    for formula in figures.FORMULAS.values():
        assert html.escape(formula) in words
    assert "€324.90" in words
    assert "75.0" in words


def test_a_period_without_orders_says_what_to_do(company, manager):
    answer = manager.get(reverse("managers"), {"first": "2020-01-01", "last": "2020-01-31"})
    assert "No orders in this period" in answer.content.decode()


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [("2026-09-08", "2026-09-07", "ends before it begins"), ("2020-01-01", "2026-01-01", "At most"),
     ("x", "2026-01-01", ""), ("\0", "9999-99-99", "")],
)  # fmt: skip
def test_a_period_that_is_none_is_answered_in_words(company, manager, first, last, words):
    answer = manager.get(reverse("managers"), {"first": first, "last": last})
    assert answer.status_code == 200
    assert words in answer.content.decode()


def test_the_sales_file_has_the_figures_of_the_page(company, manager):
    placed(company, utc(7, 12), utc(7, 13), utc(8, 12))
    answer = manager.get(reverse("managers-csv"), {"first": "2026-09-07", "last": "2026-09-07"})
    assert "sales-2026-09-07-2026-09-07.csv" in answer["Content-Disposition"]
    text = b"".join(answer.streaming_content).decode()
    rows = list(csv.DictReader(io.StringIO(text.lstrip("\ufeff"))))
    assert [(r["day"], r["channel"], r["orders"], r["units"]) for r in rows] == [
        ("2026-09-07", "Web shop", "2", "2")]  # fmt: skip
    assert Decimal(rows[0]["value"]) == Decimal("169.80")


@pytest.mark.parametrize("name", ["managers", "managers-csv"])
def test_the_figures_are_for_those_who_may_see_orders(client, company, name):
    assert client.get(reverse(name)).status_code == 302
    client.force_login(company.user("lea", "LYON", is_staff=True))
    assert client.get(reverse(name)).status_code == 403
