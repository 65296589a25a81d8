"""Trying rules on waiting and past orders: the figures, the orders that change, and that nothing
is touched."""

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from django.db.utils import InternalError
from django.utils import timezone

from orders.models import Allocation, Order
from routing import rules, trial
from routing.models import Rule
from routing.runs import control
from tests.routing import scenes
from tests.routing.scenes import route

TABLES = ("inventory_stock", "inventory_reservation", "inventory_stockmovement",
          "orders_allocation", "orders_order", "orders_orderevent", "orders_hold",
          "config_outboxrow", "routing_decision", "routing_decisionbase", "routing_offer",
          "routing_refusal", "routing_ruleset", "routing_rule")  # fmt: skip


def fingerprint() -> str:
    """A checksum over all rows of the tables a decision may touch, and of every sequence."""
    with connection.cursor() as cursor:
        sums = []
        for table in TABLES:
            cursor.execute(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), ''))"
                           f" FROM {table} t")  # fmt: skip
            sums.append(cursor.fetchone()[0])
        cursor.execute("SELECT md5(string_agg(sequencename || ':' || coalesce(last_value, 0), '|'"
                       " ORDER BY sequencename)) FROM pg_sequences")  # fmt: skip
        return "".join([*sums, cursor.fetchone()[0]])


@pytest.fixture
def draft(company):
    """The next version, by which the central warehouse sends whatever it has."""
    made = rules.new_version(rule_set_id=company.rules.pk)
    Rule.objects.filter(rule_set=made).update(central_bonus=90)
    return made


def test_a_trial_leaves_every_row_and_sequence_as_it_was(live_company, django_user_model):
    draft = rules.new_version(rule_set_id=live_company.rules.pk)
    orders = [live_company.place(("TEE", 2), ("BAG", 1)).pk for _ in range(3)]
    before = fingerprint()
    found = trial.live(orders, rule_set=draft.pk, now=timezone.now())
    assert (found.before.orders, found.after.orders) == (3, 3)
    assert fingerprint() == before


def test_the_database_itself_refuses_what_a_trial_would_write(company):
    order = company.place(("TEE", 1))
    with pytest.raises(InternalError, match="read-only"), transaction.atomic(), \
            trial.reading_only():  # fmt: skip
        Order.objects.filter(pk=order.pk).update(commission="1.00")


def test_figures_stand_side_by_side_and_changes_say_why(company, draft):
    orders = [company.place(("TEE", 1)).pk, company.place(("BAG", 1)).pk]
    found = trial.live(orders, rule_set=draft.pk, now=timezone.now())
    assert (found.before.name, found.after.name) == ("today's rules", "Standard v2")
    assert found.before.places == {"Lyon store": 2}
    assert found.after.places == {"Orléans warehouse": 1, "Lyon store": 1}
    (change,) = found.changes
    assert change.order == orders[0]
    assert "Lyon store was chosen" in change.before.sentence
    assert "Orléans warehouse was chosen" in change.after.sentence
    assert change.kg_co2 == pytest.approx(found.after.kg_co2 - found.before.kg_co2)


def test_orders_compete_for_the_last_units_as_in_a_run(company, draft):
    scenes.queue_when_short(company)
    first, second = company.place(("SOLD", 6)), company.place(("SOLD", 6))
    scenes.bring(company, "SOLD", "LYON", 10)  # neither has claimed any when it was placed
    found = trial.live([second.pk, first.pk], rule_set=draft.pk, now=timezone.now())
    assert found.changes == ()
    sent = {one.order: one.before.units for one in found.unchanged}
    assert sent == {first.pk: 6, second.pk: 4}  # who came first, whatever was asked first
    for figures in (found.before, found.after):  # neither takes anything from the other
        assert (figures.fit, figures.part, figures.units, figures.unfilled) == (1, 1, 10, 2)
    control.start(cause="manual", joint=False)
    scenes.work("run")
    placed = Allocation.objects.filter(order__in=sent, state="allocated")
    assert dict(placed.values_list("order").annotate(Sum("quantity"))) == sent


def test_a_few_orders_are_tried_at_once_on_the_page_of_a_draft(console, company, draft):
    order = company.place(("TEE", 1))
    asked = console.get(f"/admin/trial/?rule_set={draft.pk}")
    assert asked.context["form"]["rule_set"].value() == str(draft.pk)
    page = console.post("/admin/trial/", {"rule_set": draft.pk, "what": "waiting", "days": 7})
    text = page.content.decode()
    assert "1 of 1 would change" in text
    assert "Orléans warehouse was chosen" in text
    assert order.number in text


def test_many_orders_are_tried_by_a_worker_and_the_page_shows_its_job(
    console, company, draft, monkeypatch
):
    monkeypatch.setattr(trial, "AT_ONCE", 1)
    orders = [company.place(("TEE", 1)) for _ in range(2)]
    asked = {"rule_set": draft.pk, "what": "waiting", "days": 7}
    page = console.post("/admin/trial/", asked)
    assert "A worker tries it" in console.get(page.url).content.decode()
    scenes.work("import")
    shown = console.get(page.url)
    found = trial.live([one.pk for one in orders], rule_set=draft.pk, now=timezone.now())
    assert shown.context["trial"] == found
    assert len(found.changes) == 2


def test_past_decisions_are_made_again_under_other_rules_on_the_stock_of_then(company, draft):
    order = company.place(("TEE", 1))
    route(order)
    for place in ("WH", "RIGA"):
        scenes.take_away(company, "TEE", place)  # gone by now, but it was there then
    found = trial.past(days=1, rule_set=draft.pk, now=timezone.now())
    assert (found.before.name, found.before.orders) == ("as decided", 1)
    (change,) = found.changes
    assert change.before.words == "1 from Lyon store by Parcel"
    assert change.after.words == "1 from Orléans warehouse by Parcel"
    same = trial.past(days=1, rule_set=company.rules.pk, now=timezone.now())
    assert (same.changes, same.after.cost) == ((), same.before.cost)


def test_a_channel_tries_a_draft_on_its_own_order(client, company, draft):
    order = company.place(("TEE", 1))

    def ask(rules):
        return client.get(f"/api/v1/orders/{order.number}/trial", {"rule_set": rules},
                          headers={"Authorization": f"Bearer {company.web_key}"})  # fmt: skip

    (row,) = ask("Standard v2").json()
    assert row["before"]["places"] == [{"location_name": "Lyon store", "service": "Parcel",
                                        "units": 1}]  # fmt: skip
    assert row["after"]["places"][0]["location_name"] == "Orléans warehouse"
    assert ask("Standard v9").status_code == 404
    assert ask("Standard").status_code == 400
    assert not order.decisions.exists()
