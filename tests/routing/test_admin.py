"""The console's rooms of routing: drafts are edited, the rest is read."""

import re

import pytest
from django.template.loader import render_to_string
from django.urls import reverse

from routing import rules
from routing.models import Decision, RuleSet
from tests.routing import scenes
from tests.routing.scenes import refuse, route
from tests.routing.test_decide import more_points


@pytest.fixture
def console(client, company):
    client.force_login(company.user("ada", is_staff=True, is_superuser=True))
    return client


def page(console, name, *args):
    answer = console.get(reverse(f"admin:routing_{name}", args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def test_every_list_and_page_opens(console, company):
    order = company.place(("BAG", 8))
    decision = route(order)
    refuse(order, "LYON", "damaged")
    for model in ("ruleset", "emissionfactor", "decision", "refusal", "offer"):
        page(console, f"{model}_changelist")
    page(console, "ruleset_change", company.rules.pk)
    assert "Split into 2 parcels" in page(console, "decision_change", decision.pk)


def test_decisions_are_found_by_outcome_and_cause(console, company):
    order = company.place(("TEE", 1))
    route(order)
    refuse(order, "LYON")
    url = reverse("admin:routing_decision_changelist")
    found = console.get(f"{url}?cause=refused").content.decode()
    assert len(set(re.findall(r"/decision/(\d+)/change/", found))) == 1
    found = console.get(f"{url}?outcome__exact=unfillable").content.decode()
    assert not re.findall(r"/decision/(\d+)/change/", found)


def test_decisions_and_refusals_cannot_be_changed(console, company):
    decision = route(company.place(("TEE", 1)))
    for path in (
        reverse("admin:routing_decision_change", args=[decision.pk]),
        reverse("admin:routing_decision_add"),
        reverse("admin:routing_decision_delete", args=[decision.pk]),
        reverse("admin:routing_refusal_add"),
    ):
        assert console.post(path, {"sentence": "x"}).status_code == 403


FIGURES = {"max_attempts": "4"}


def test_a_draft_is_edited_and_then_decides(console, company):
    draft = rules.new_version(rule_set_id=company.rules.pk)
    answer = console.post(
        reverse("admin:routing_ruleset_change", args=[draft.pk]), {**FIGURES, "max_attempts": "7"}
    )
    assert answer.status_code == 302, answer.context["errors"]
    console.post(reverse("admin:routing_ruleset_activate", args=[draft.pk]))
    draft.refresh_from_db()
    assert (draft.max_attempts, draft.state) == (7, "active")


def test_an_active_rule_set_is_not_edited(console, company):
    url = reverse("admin:routing_ruleset_change", args=[company.rules.pk])
    assert console.post(url, {**FIGURES, "name": "Other"}).status_code == 403
    company.rules.refresh_from_db()
    assert company.rules.name == "Standard"


def test_an_active_rule_set_is_not_deleted(console, company):
    url = reverse("admin:routing_ruleset_delete", args=[company.rules.pk])
    assert console.post(url, {"post": "yes"}).status_code == 403


def test_a_new_version_is_made_with_one_button(console, company):
    url = reverse("admin:routing_ruleset_new_version", args=[company.rules.pk])
    assert console.get(url).status_code == 200
    assert RuleSet.objects.count() == 1
    console.post(url)
    assert RuleSet.objects.get(state="draft").version == 2


def test_figures_the_engine_cannot_count_with_are_refused(console, company):
    draft = rules.new_version(rule_set_id=company.rules.pk)
    answer = console.post(
        reverse("admin:routing_ruleset_change", args=[draft.pk]), {**FIGURES, "max_attempts": "11"}
    )
    assert answer.status_code == 200
    assert "max_attempts" in answer.context["adminform"].form.errors


def test_a_name_that_is_taken_is_refused_in_words(console, company):
    answer = console.post(reverse("admin:routing_ruleset_add"), {**FIGURES, "name": "Standard"})
    assert "make a new version" in answer.content.decode()


def test_activating_what_is_active_is_refused_in_words(console, company):
    answer = console.post(reverse("admin:routing_ruleset_activate", args=[company.rules.pk]))
    assert answer.status_code == 200
    assert "is active" in answer.content.decode()


# --- the decision card ---------------------------------------------------------------------------


def card(decision):
    html = render_to_string(
        "routing/decision_card.html", {"decision": Decision.objects.get(pk=decision.pk)}
    )
    return re.sub(r"\s+", " ", html)


def test_the_card_shows_the_winner_the_others_and_who_was_out(company):
    html = card(route(company.place(("BAG", 2))))
    assert "Lyon store ✓" in html
    assert "Paris store would have won if shipping had been more than" in html
    assert "2 stock points could not" in html
    assert "has no stock of any line" in html


def test_the_card_shows_the_nearest_rivals_and_folds_the_rest(company):
    more_points(company, 10)
    html = card(route(company.place(("TEE", 1))))
    assert "8 more that were farther behind" in html


def test_the_card_says_that_a_split_was_a_split_and_what_waits(company):
    scenes.queue_when_short(company)
    html = card(route(company.place(("BAG", 8), ("SOLD", 2))))
    assert "Split into 2 parcels, from Lyon store and Paris store" in html
    assert "2 × SOLD Sold: no point has it free" in html


def test_the_card_of_an_order_without_rules_says_what_is_missing(company):
    RuleSet.objects.update(state="archived")
    html = card(route(company.place(("TEE", 1))))
    assert "No rule set covers channel web." in html
    assert "rules: none" in html


def test_a_products_name_cannot_write_into_the_card(company):
    order = company.place(("TEE", 1))
    order.lines.update(name="<script>alert(1)</script>")
    assert "<script>" not in card(route(order))
