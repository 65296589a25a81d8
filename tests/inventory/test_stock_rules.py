"""Units kept back by rule: the last that matches counts, at once, everywhere, and only it."""

from datetime import UTC, date, datetime

import pytest
import time_machine
from django.urls import reverse

from config.models import JobRun, OutboxRow
from inventory import ledger, stock_rules
from inventory.models import (
    PoolThreshold,
    Product,
    Stock,
    StockMovement,
    StockPool,
    StockRule,
)
from inventory.tasks import apply_stock_rules
from orders import cancellation
from reports.invariants import violations
from routing.engine import considered
from tests import cast
from tests.races.crowd import at_once, deadlocks
from tests.routing import scenes

pytestmark = pytest.mark.django_db


def rule(name="r", kind="safety", units=2, locations=(), pools=(), **conditions):
    made = StockRule.objects.create(name=name, kind=kind, units=units, **conditions)
    made.locations.set(locations)
    made.pools.set(pools)
    return made


def safety():
    """Safety by (SKU, stock point), where there is some."""
    rows = Stock.objects.filter(safety__gt=0).values_list(
        "product__sku", "location__code", "safety")  # fmt: skip
    return {(sku, code): units for sku, code, units in rows}


def thresholds():
    rows = PoolThreshold.objects.values_list("pool__code", "product__sku", "units", "rule__name")
    return {(pool, sku): (units, name) for pool, sku, units, name in rows}


def test_safety_counts_in_every_road(company, client):
    """Five are there and two stay: four cannot come from this place, three can be promised."""
    tee, lyon = company.products["TEE"].pk, company.locations["LYON"].pk
    ledger.post([ledger.Entry(tee, lyon, "adjustment", on_hand=-5)], actor="test")
    cast.change_rules(max_parcels=1)
    before = _routed(company, ("TEE", 4))
    assert scenes.claimed(before) == {"LYON": 4}
    cancellation.cancel(order_id=before.pk, reason="customer", actor="test")
    rule(units=2, locations=[company.locations["LYON"]], skus=["TEE"])
    stock_rules.apply()

    assert scenes.stock(company, "TEE", "LYON").free == 3
    answer = client.get("/api/v1/availability?sku=TEE",
                        headers={"Authorization": f"Bearer {company.web_key}"})  # fmt: skip
    shown = {row["location"]: row["available"] for row in answer.json()[0]["locations"]}
    assert shown["LYON"] == 3
    order = _routed(company, ("TEE", 4))
    assert "LYON" not in scenes.claimed(order)
    about = {row["code"]: row for row in considered(order.decisions.get().result)}
    assert about["LYON"]["status"] != "chosen"
    assert scenes.claimed(_routed(company, ("TEE", 3))) == {"LYON": 3}


def _routed(company, *items):
    order = company.place(*items)
    scenes.route(order)
    return order


@pytest.mark.parametrize(
    ("conditions", "where"),
    [({"location_kinds": ["store"]}, {"LYON", "PARIS"}), ({"skus": ["BAG"]}, {"BAG"}),
     ({"categories": ["things"], "location_kinds": ["warehouse"]}, {"WH", "RIGA"}),
     ({"categories": ["nothing"]}, set()), ({"tags": ["fragile", "x"]}, {"MUG"})],
    ids=["kind", "SKU", "category and kind", "category of nothing", "tag"],
)  # fmt: skip
def test_a_rule_holds_where_all_its_conditions_do(company, conditions, where):
    Product.objects.filter(sku="MUG").update(tags=["fragile"])
    rule(units=1, **conditions)
    stock_rules.apply()
    found = set(safety())
    expected = {(s.product.sku, s.location.code) for s in Stock.objects.select_related(
        "product", "location") if where & {s.product.sku, s.location.code}}  # fmt: skip
    assert found == expected


def test_of_several_that_match_the_last_counts_and_who_set_it_can_be_seen(company):
    rule("all", units=1, position=10)
    stores = rule("stores", units=3, position=20, location_kinds=["store"])
    rule("tees", units=2, position=15, skus=["TEE"])
    stock_rules.apply()
    assert safety()["TEE", "LYON"] == 3
    assert safety()["TEE", "WH"] == 2
    assert safety()["MUG", "WH"] == 1
    assert scenes.stock(company, "TEE", "LYON").safety_rule == stores
    StockRule.objects.filter(name="tees").update(position=30)
    stock_rules.apply()
    assert safety()["TEE", "LYON"] == 2


def test_where_no_rule_holds_the_rows_own_figure_counts_again(company):
    tee, lyon = company.products["TEE"].pk, company.locations["LYON"].pk
    ledger.set_levels([ledger.Level(tee, lyon, 4, None)], actor="test")
    one = rule(units=1, skus=["TEE"])
    stock_rules.apply()
    assert safety()["TEE", "LYON"] == 1
    StockRule.objects.filter(pk=one.pk).update(active=False)
    stock_rules.apply()
    assert safety() == {("TEE", "LYON"): 4}


def test_only_what_differs_is_written_and_it_is_in_the_ledger(company):
    rule(units=1, skus=["CAP"])
    assert stock_rules.apply().safety == 2
    before = StockMovement.objects.count()
    assert stock_rules.apply() == stock_rules.Applied(0, 0)
    assert StockMovement.objects.count() == before
    assert StockMovement.objects.filter(kind="safety", safety=1, safety_after=1).count() == 2
    assert not any(violations().values())


def test_a_season_begins_and_ends_with_the_companys_day(company, settings):
    settings.COMPANY_TIME_ZONE = "Europe/Paris"
    rule(units=1, skus=["TEE"], starts=date(2026, 12, 1), ends=date(2026, 12, 24))
    for moment, holds in [
        (datetime(2026, 11, 30, 22, 59, tzinfo=UTC), False),
        (datetime(2026, 11, 30, 23, 1, tzinfo=UTC), True),
        (datetime(2026, 12, 24, 22, 59, tzinfo=UTC), True),
        (datetime(2026, 12, 24, 23, 1, tzinfo=UTC), False),
    ]:
        with time_machine.travel(moment, tick=False):
            stock_rules.apply()
        assert bool(safety()) is holds, moment


def test_thresholds_are_per_pool_and_product(company):
    other = StockPool.objects.create(code="b2b", name="Business")
    rule("all pools", "threshold", 5, skus=["TEE", "MUG"], position=1)
    rule("business", "threshold", 9, skus=["TEE"], pools=[other], position=2)
    assert stock_rules.apply().thresholds == 4
    assert thresholds() == {
        ("all", "TEE"): (5, "all pools"), ("all", "MUG"): (5, "all pools"),
        ("b2b", "TEE"): (9, "business"), ("b2b", "MUG"): (5, "all pools"),
    }  # fmt: skip
    StockRule.objects.filter(name="all pools").update(skus=["MUG"], units=6)
    assert stock_rules.apply().thresholds == 3
    assert thresholds() == {
        ("all", "MUG"): (6, "all pools"), ("b2b", "TEE"): (9, "business"),
        ("b2b", "MUG"): (6, "all pools"),
    }  # fmt: skip


def test_what_is_new_has_its_rule_with_the_next_round(company):
    rule(units=2, location_kinds=["store"])
    stock_rules.apply()
    product = Product.objects.create(sku="NEW", name="New")
    entry = ledger.Entry(product.pk, company.locations["LYON"].pk, "receipt", on_hand=5)
    ledger.post([entry], actor="test")
    apply_stock_rules()
    assert safety()["NEW", "LYON"] == 2
    assert JobRun.objects.get(job="apply_stock_rules").result == {"safety": 1, "thresholds": 0}


def test_every_rule_is_counted_as_its_form_counts_it(company):
    Product.objects.filter(sku="MUG").update(tags=["fragile"])
    made = [rule("all"), rule("stores", location_kinds=["store"], active=False),
            rule("mugs", tags=["fragile"], skus=["MUG", "TEE"]), rule("none", categories=["x"]),
            rule("pools", "threshold", skus=["TEE"])]  # fmt: skip
    counted = stock_rules.all_matches()
    assert counted == {one.pk: stock_rules.matches(stock_rules.conditions(one)) for one in made}
    assert counted[made[2].pk] == stock_rules.Matches(1, 4, 0)
    assert counted[made[4].pk] == stock_rules.Matches(1, 0, 1)


@pytest.mark.django_db(transaction=True)
def test_rules_applied_by_several_at_once_end_as_the_rules_say(live_company):
    before = deadlocks()
    rule(units=2, location_kinds=["store"])
    rule("t", "threshold", 3)
    ends = at_once(*[stock_rules.apply] * 4)
    assert not [end for end in ends if isinstance(end, Exception)]
    assert set(safety().values()) == {2}
    assert len(thresholds()) == Product.objects.count()
    StockRule.objects.update(active=False)
    at_once(*[stock_rules.apply] * 4)
    assert (safety(), thresholds(), deadlocks()) == ({}, {}, before)
    assert not violations()["I03 every bucket is the sum of the ledger"]


def test_many_rows_are_written_in_a_few_statements(company, django_assert_max_num_queries):
    rule(units=1)
    with django_assert_max_num_queries(10):
        assert stock_rules.apply().safety == Stock.objects.count()


# --- the page ------------------------------------------------------------------------------------


def form(**changes):
    values = {"name": "Stores keep two", "kind": "safety", "units": "2", "position": "10",
              "active": "on", "location_kinds": ["store"], "skus": "TEE, MUG\nMUG"}  # fmt: skip
    return {**values, **changes}


def test_a_rule_is_applied_when_it_is_saved_and_gone_when_it_is_deleted(company, console):
    answer = console.post(reverse("admin:inventory_stockrule_add"), form(), follow=True)
    made = StockRule.objects.get()
    assert (made.skus, made.updated_by) == (["TEE", "MUG"], "boss")
    assert set(safety()) == {(sku, code) for sku in ("TEE", "MUG") for code in ("LYON", "PARIS")}
    assert "Applied: 4 figures changed." in answer.content.decode()
    assert StockMovement.objects.filter(kind="safety", actor="boss").count() == 4
    page = reverse("admin:inventory_stockrule_delete", args=[made.pk])
    assert console.post(page, {"post": "yes"}).status_code == 302
    assert safety() == {}
    assert not StockRule.objects.exists()


def test_the_list_shows_what_is_in_force_and_reorders_at_once(company, console):
    first = rule("one", units=1, position=1)
    second = rule("two", units=5, position=2, skus=["TEE"])
    stock_rules.apply()
    url = reverse("admin:inventory_stockrule_changelist")
    assert f"{Stock.objects.count() - 4:,} stock rows" in console.get(url).content.decode()
    data = {"form-TOTAL_FORMS": 2, "form-INITIAL_FORMS": 2, "_save": "Save",
            "form-0-id": first.pk, "form-0-position": 3, "form-0-active": "on",
            "form-1-id": second.pk, "form-1-position": 2, "form-1-active": "on"}  # fmt: skip
    assert console.post(url, data).status_code == 302
    assert set(safety().values()) == {1}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"categories": "thing"}, "No product has: thing."),
     ({"skus": "NOPE"}, "No product has: NOPE"),
     ({"starts": "2026-12-24", "ends": "2026-12-01"}, "ends before it begins"),
     ({"kind": "threshold"}, "A threshold holds for pools"),
     ({"skus": ",".join(f"S{n}" for n in range(1001))}, "more than 1,000 SKUs")],
)  # fmt: skip
def test_a_rule_that_cannot_hold_is_refused_in_words(company, console, changes, words):
    answer = console.post(reverse("admin:inventory_stockrule_add"), form(**changes))
    assert words in answer.content.decode()
    assert not StockRule.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, "4 stock rows of 2 products"), ({"skus": ""}, "8 stock rows of 5 products"),
     ({"kind": "threshold", "location_kinds": []}, "2 products in 1 pool"),
     ({"skus": "NOPE"}, "No product has: NOPE."), ({"name": "", "units": ""}, "4 stock rows")],
)  # fmt: skip
def test_the_form_says_what_it_would_match_while_it_is_filled_in(company, console, changes, words):
    answer = console.post(reverse("admin:inventory_stockrule_matches"), form(**changes))
    assert answer.content.decode().startswith(words)


def test_what_changes_much_is_left_to_a_worker(company, console, monkeypatch):
    monkeypatch.setattr(stock_rules, "AT_ONCE", 3)
    answer = console.post(reverse("admin:inventory_stockrule_add"), form(), follow=True)
    assert "4 figures change within a minute" in answer.content.decode()
    assert safety() == {}
    scenes.work("stock_rules")
    assert len(safety()) == 4
    made = StockRule.objects.get()
    console.post(reverse("admin:inventory_stockrule_delete", args=[made.pk]), {"post": "yes"})
    assert len(safety()) == 4
    scenes.work("stock_rules")
    assert safety() == {}
    assert not StockRule.objects.exists()
    assert not OutboxRow.objects.filter(topic="stock_rules", done_at=None).exists()
