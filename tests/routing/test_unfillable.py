"""The queue of units that no stock point can serve, as its page, and the reasons' page."""

import re
from datetime import UTC, datetime

import pytest
from django.urls import reverse
from django.utils import timezone

from inventory.models import Supply
from orders.models import Allocation, OrderNote
from routing import engine, queues, unfillable
from routing.engine import explain
from routing.models import Decision, Refusal, RefusalReason
from tests.cast import change_rule_sets
from tests.routing import scenes
from tests.routing.scenes import claimed, places, refuse, route, waiting

LIST = "admin:routing_unfillableslice_changelist"


@pytest.fixture
def stuck(company):
    """An order of caps that both stores refused, and one of what nobody has."""
    scenes.queue_when_short(company)
    refused = company.place(("CAP", 1))
    for _ in range(2):
        route(refused)
        refuse(refused, next(code for state, code in places(refused) if state == "allocated"))
    none = company.place(("SOLD", 2))
    route(none)
    return refused, none


def piece(order) -> Allocation:
    return order.allocations.get()


def words(answer) -> str:
    return " ".join(answer.content.decode().split())


def act(console, name: str, *pieces: Allocation):
    data = {"action": name, "_selected_action": [one.pk for one in pieces]}
    return console.post(reverse(LIST), data, follow=True)


def page(name: str, one: Allocation) -> str:
    return reverse(f"admin:routing_unfillableslice_{name}", args=[one.pk])


def test_the_queue_says_why_how_long_and_whose(console, company, stuck):
    refused, none = stuck
    shown = words(console.get(reverse(LIST)))
    assert unfillable.counts() == {"refused": 1, "no_stock": 1}
    assert refused.number in shown
    assert "15.00 EUR" in shown or "€" in shown
    only = words(console.get(reverse(LIST), {"why": "no_stock"}))
    assert none.number in only
    assert refused.number not in only
    act(console, "take_on", piece(none))
    mine = words(console.get(reverse(LIST), {"owner": "mine"}))
    assert none.number in mine
    assert refused.number not in mine


def test_every_reason_of_the_engine_has_its_tab():
    for reason in explain.UNFILLED.values():
        fitting = [kind for kind, (_, pattern) in unfillable.KINDS.items()
                   if pattern and re.search(pattern, reason)]  # fmt: skip
        assert fitting, reason


def test_a_person_routes_notes_and_cancels_what_is_picked(console, company, stuck):
    refused, none = stuck
    assert "1 order is being routed" in words(act(console, "route_now", piece(none)))
    asked = act(console, "note_all", piece(none), piece(refused))
    (url, _) = asked.redirect_chain[-1]
    console.post(url, {"text": "called the supplier"})
    assert OrderNote.objects.count() == 2
    (url, _) = act(console, "cancel_all", piece(none)).redirect_chain[-1]
    told = console.post(url, {"reason": "unfillable", "note": ""}, follow=True)
    assert "2 units were canceled" in words(told)
    none.refresh_from_db()
    assert none.state == "canceled"
    scenes.check()


def test_a_person_ships_from_a_stock_point_that_has_it(console, company, stuck):
    _, none = stuck
    scenes.bring(company, "SOLD", "RIGA", 5)
    form = words(console.get(page("ship_from", piece(none))))
    assert "Riga warehouse" in form
    assert "Paris store" not in form
    riga, paris = company.locations["RIGA"].pk, company.locations["PARIS"].pk
    console.post(page("ship_from", piece(none)), {"place": paris})
    assert not claimed(none)

    told = console.post(page("ship_from", piece(none)), {"place": riga}, follow=True)

    assert "Riga warehouse is asked for them" in words(told)
    assert places(none) == {("allocated", "RIGA"): 2}
    decision = Decision.objects.latest("pk")
    assert (decision.cause, decision.sentence) == ("manual", "boss chose Riga warehouse by hand.")
    assert decision.offers.get().units == 2
    assert decision.engine_version == engine.ENGINE_VERSION
    scenes.check()


def test_a_person_lets_it_wait_for_what_is_on_its_way(console, company, stuck):
    _, none = stuck
    supply = Supply.objects.create(
        reference="PO-7", product=company.products["SOLD"], location=company.locations["WH"],
        quantity=5, eta=timezone.now().date(),
    )  # fmt: skip
    told = console.post(page("wait_for", piece(none)), {"supply": supply.pk}, follow=True)
    assert "wait for" in words(told)
    assert waiting(none) == [("backorder", "waits for PO-7", 2)]
    supply.refresh_from_db()
    assert supply.claimed == 2
    scenes.check()


def test_who_refused_may_be_asked_again_when_the_time_is_over(company):
    change_rule_sets(exclude_days=3, max_attempts=10)
    scenes.queue_when_short(company)
    order = company.place(("CAP", 1))
    for _ in range(2):
        route(order)
        refuse(order, next(code for state, code in places(order) if state == "allocated"))
    until = Refusal.objects.values_list("excluded_until", "at")
    assert {(end - at).days for end, at in until} == {3}
    scenes.all_due()
    assert queues.retry_due()["rung"] == 0
    assert route(order, cause="retried").outcome == "unfillable"
    past = datetime(2020, 1, 1, tzinfo=UTC)
    Refusal.objects.update(at=past, excluded_until=past)
    scenes.all_due()
    assert queues.retry_due()["rung"] == 1
    assert route(order, cause="retried").outcome == "routed"
    scenes.check()


def test_reasons_are_edited_and_their_codes_stay(console, company):
    reason = RefusalReason.objects.get(code="too_busy")
    url = reverse("admin:routing_refusalreason_change", args=[reason.pk])
    data = {"code": "x", "name": "no hands today", "effect": "none", "bucket": "missing",
            "position": 4}  # fmt: skip
    console.post(url, data)
    reason.refresh_from_db()
    assert (reason.code, reason.name, reason.active) == ("too_busy", "no hands today", False)
    order = company.place(("TEE", 1))
    route(order)
    refuse(order, "LYON", "timeout")
    shown = words(console.get(reverse("admin:routing_refusal_changelist"), {"reason": "timeout"}))
    assert "not accepted in time" in shown
    assert "for ever" in shown
