"""Rules as an operations manager edits them: forms, counts, versions, what the database refuses."""

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from inventory.models import Location
from orders.models import SalesChannel
from routing import rules
from routing.models import Rule, RuleSet
from tests.routing import scenes
from tests.routing.scenes import route


@pytest.fixture
def console(client, company):
    client.force_login(company.user("ada", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def draft(company):
    return rules.new_version(rule_set_id=company.rules.pk)


PLAIN = {
    "name": "Express", "min_free_units": "0", "relax_days": "0", "choose": "weights",
    "economic": "1", "ecological": "1", "logistical": "1", "retail": "1",
    "co2_price_per_kg": "0.20", "central_bonus": "0.50", "overstock_relief": "0.05",
    "last_unit_cost": "0", "workload_cost": "0", "split_penalty": "2", "late_penalty_per_day": "3",
    "refusal_cost": "4", "split": "cheapest", "otherwise": "queue", "when": "at_once",
    "offer_to": "1", "step": "save",
}  # fmt: skip


def add_url(draft):
    return reverse("admin:routing_rule_add", args=[draft.pk])


def test_a_rule_is_written_in_the_form_and_read_in_words(console, company, draft):
    answer = console.post(add_url(draft), PLAIN | {
        "services": ["express"], "tiers": "gold, silver", "countries": ["FR"], "min_total": "100",
        "kinds": ["store", "warehouse"], "never": [str(company.locations["RIGA"].pk)],
        "max_km": "300", "split": "if_needed", "max_parcels": "3", "otherwise": "next",
    })  # fmt: skip
    assert answer.status_code == 302, answer.context["form"].errors
    page = console.get(answer["Location"]).content.decode()
    assert (
        "Express orders of gold or silver customers to FR from 100.00 up: any warehouse or store"
        " but Riga warehouse within 300 km, cheapest first counting CO₂e at 0.20 per kg;"
        " split only if needed, at most 3 parcels; if it does not fit: next rule."
    ) in page
    rule = draft.rules.get(position=2)
    assert list(rule.never.all()) == [company.locations["RIGA"]]


def test_criteria_one_after_the_other_take_the_place_of_weights(console, draft):
    console.post(
        add_url(draft), PLAIN | {"choose": "sort", "sort_1": "overstock", "sort_3": "nearest"}
    )
    assert draft.rules.get(position=2).sort == ["overstock", "nearest"]


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"min_total": "50", "max_total": "20"}, "max_total", "Must not be less than 50.00"),
        ({"countries": ["XX"]}, "countries", "XX is not the code of a country"),
        ({"otherwise": "fallback"}, "fallback", "Choose the stock point"),
        ({"otherwise": "cancel"}, "cancel_after_days", "After how many days"),
        ({"retail": "11"}, "retail", "less than or equal to 10"),
        ({"relax_days": "2"}, "relax_days", "Only who keeps the promise"),
        ({"choose": "sort"}, "sort_1", "Choose at least one"),
        ({"choose": "sort", "sort_1": "nearest", "sort_2": "nearest"}, "sort_1", "chosen twice"),
        ({"tags_any": "vip", "tags_none": "vip"}, "tags_none", "vip is asked for"),
        ({"name": ""}, "name", "required"),
    ],
)
def test_what_does_not_go_together_is_said_at_its_field(console, draft, wrong, field, words):
    answer = console.post(add_url(draft), PLAIN | wrong)
    assert words in " ".join(answer.context["form"].errors[field])
    assert words in answer.content.decode()
    assert draft.rules.count() == 1


def test_the_form_counts_open_orders_before_it_is_saved(console, company, draft):
    for total in ("TEE", "BAG", "BAG"):
        company.place((total, 1))
    express = company.place(
        ("BAG", 1), delivery={"method": "ship", "location": None, "service": "express"}
    )
    Rule.objects.filter(rule_set=draft).update(services=["standard"])
    answer = console.post(
        add_url(draft),
        PLAIN | {"step": "count", "min_total": "50"},
        headers={"accept": "application/json"},
    ).json()
    assert answer["count"] == (
        "3 open orders match now; this rule decides about 1, earlier rules take the others"
        " (1 wait)."
    )
    assert [one["number"] for one in answer["examples"]] == [express.number]
    assert draft.rules.count() == 1
    page = console.post(add_url(draft), PLAIN | {"step": "count", "min_total": "5000"})
    assert "No open order matches now." in page.content.decode()


def test_counting_says_what_is_wrong_and_words_follow_the_sliders(console, draft):
    answer = console.post(
        add_url(draft), PLAIN | {"step": "count", "countries": ["XX"], "ecological": "2"},
        headers={"accept": "application/json"},
    ).json()  # fmt: skip
    assert "XX is not the code of a country" in answer["count"]
    assert answer["factors"]["ecological"] == {
        "words": "twice as important as what it costs in money",
        "counts": "a kg of CO₂e counts as 0.40",
    }


def test_rules_move_are_copied_and_deleted_by_buttons(console, draft):
    for name in ("Second", "Third"):
        console.post(add_url(draft), PLAIN | {"name": name})
    third = draft.rules.get(name="Third")
    step = lambda what: console.post(  # noqa: E731
        reverse("admin:routing_rule_step", args=[draft.pk, third.pk, what])
    )
    step("up")
    step("copy")
    names = list(draft.rules.order_by("position").values_list("position", "name"))
    assert names == [(1, "All orders"), (2, "Third"), (3, "Third (copy)"), (4, "Second")]
    step("delete")
    names = list(draft.rules.order_by("position").values_list("position", "name"))
    assert names == [(1, "All orders"), (2, "Third (copy)"), (3, "Second")]


def test_a_preset_fills_the_form_and_says_why(console, draft):
    page = console.get(add_url(draft) + "?preset=logistical").content.decode()
    assert "The central warehouse sends what it has" in page
    assert "a parcel not from the central warehouse counts as 6.00" in page


def test_activation_shows_the_open_orders_by_rule_and_the_rival(console, company, draft):
    company.place(("TEE", 1))
    company.place(("TEE", 1), delivery={"method": "ship", "location": None, "service": "express"})
    Rule.objects.filter(rule_set=draft).update(services=["express"])
    RuleSet.objects.create(name="Web", state="draft").channels.add(company.web)
    RuleSet.objects.filter(name="Web").update(state="active")
    url = reverse("admin:routing_ruleset_activate", args=[draft.pk])
    (share,) = console.get(url).context["shares"]
    assert share["orders"] == 0  # another rule set decides for the only channel
    RuleSet.objects.filter(name="Web").update(state="archived")
    page = console.get(url)
    assert [(one["name"], one["orders"], one["waiting"]) for one in page.context["shares"]] == [
        ("1. All orders", 1, 1), ("", 1, 1),
    ]  # fmt: skip
    console.post(url)
    assert RuleSet.objects.get(pk=draft.pk).state == "active"


def test_totals_that_mean_other_money_elsewhere_are_said_before(console, company):
    SalesChannel.objects.create(
        code="uk", name="UK", kind="web", pool=company.pool, currency="GBP"
    )  # fmt: skip
    draft = rules.new_version(rule_set_id=company.rules.pk)
    url = reverse("admin:routing_ruleset_activate", args=[draft.pk])
    assert "sell in" not in console.get(url).content.decode()
    draft.rules.update(min_total=100)
    assert "Its channels sell in EUR, GBP" in console.get(url).content.decode()


def test_a_draft_without_rules_is_not_activated(console):
    empty = RuleSet.objects.create(name="Empty")
    answer = console.post(reverse("admin:routing_ruleset_activate", args=[empty.pk]))
    assert "has no rule" in answer.content.decode()


def test_versions_stand_side_by_side_with_what_changed(console, company, draft):
    rule = draft.rules.get()
    rule.max_km = 300
    rules.change(rule)
    rules.add(Rule(rule_set=draft, name="Late", otherwise="queue"))
    page = console.get(reverse("admin:routing_ruleset_versions", args=[draft.pk]))
    marks = [(part.title, part.mark) for part in page.context["table"]]
    assert marks == [("The rule set", ""), ("All orders", "changed"), ("Late", "new")]
    assert page.context["table"][1].rows[1:] == [
        ("who may send", "any stock point", "any stock point within 300 km", True)
    ]


# --- what the database refuses -------------------------------------------------------------------


def refused(change):
    """Whether the database does."""
    try:
        with transaction.atomic():
            change()
    except IntegrityError as error:
        return "never changes" in str(error)
    return False


def test_the_database_refuses_every_change_of_what_decides_or_has_decided(company, draft):
    rule, place = company.rules.rules.get(), company.locations["LYON"]
    changes = [
        lambda: Rule.objects.filter(pk=rule.pk).update(max_km=5),
        lambda: Rule.objects.filter(pk=rule.pk).update(rule_set=draft, position=9),
        lambda: Rule.objects.filter(pk=rule.pk).delete(),
        lambda: Rule.objects.create(rule_set=company.rules, position=2),
        lambda: rule.only.add(place),
        lambda: rule.never.add(place),
        lambda: company.rules.channels.add(company.web),
        lambda: RuleSet.objects.filter(pk=company.rules.pk).update(max_attempts=9),
        lambda: RuleSet.objects.filter(pk=company.rules.pk).update(state="draft"),
        company.rules.delete,
    ]
    assert [refused(change) for change in changes] == [True] * len(changes)
    rules.activate(rule_set_id=draft.pk)  # and the one before is archived
    assert all(refused(change) for change in changes)
    assert refused(lambda: RuleSet.objects.filter(pk=company.rules.pk).update(state="active"))


def test_a_draft_is_deleted_with_its_rules(console, company, draft):
    draft.rules.get().only.add(company.locations["LYON"])
    console.post(reverse("admin:routing_ruleset_delete", args=[draft.pk]), {"post": "yes"})
    assert not RuleSet.objects.filter(pk=draft.pk).exists()


# --- the fallback stays open (case 87) -----------------------------------------------------------


def fall_back_to(place, draft):
    """A version whose last rule falls back to a place decides."""
    rule = draft.rules.get()
    rule.otherwise, rule.fallback = "fallback", place
    rules.change(rule)
    return rules.activate(rule_set_id=draft.pk)


def close(console, place):
    return console.post(reverse("admin:inventory_location_close", args=[place.pk]))


def test_a_fallback_is_not_closed_until_another_is_named(console, company, draft):
    wh = company.locations["WH"]
    active = fall_back_to(wh, draft)
    words = (
        "Orléans warehouse is the fallback of rule 1 of Standard v2: activate a version that"
        " names another first."
    )
    assert words in close(console, wh).content.decode()
    with pytest.raises(IntegrityError), transaction.atomic():
        Location.objects.filter(pk=wh.pk).update(active=False)
    assert Location.objects.get(pk=wh.pk).active
    fall_back_to(company.locations["PARIS"], rules.new_version(rule_set_id=active.pk))
    assert close(console, wh).status_code == 302
    assert not Location.objects.get(pk=wh.pk).active


def test_a_set_whose_fallback_is_closed_is_not_activated(console, company, draft):
    close(console, company.locations["RIGA"])
    with pytest.raises(rules.NotReady, match="Riga warehouse is a fallback of Standard v2"):
        fall_back_to(company.locations["RIGA"], draft)
    with pytest.raises(IntegrityError, match="name another"), transaction.atomic():
        RuleSet.objects.filter(pk=draft.pk).update(state="active")


# --- orders that no rule is for (case 95) --------------------------------------------------------


def test_orders_that_no_rule_is_for_are_listed_and_retried_when_one_is(console, company):
    RuleSet.objects.update(state="archived")
    order = company.place(("TEE", 1))
    route(order)
    assert "1 order waits" in console.get("/admin/routing/ruleset/").content.decode()
    page = console.get(reverse("admin:routing_ruleset_uncovered")).content.decode()
    assert order.number in page
    assert "no rule set covers channel web" in page
    assert "<strong>Web shop</strong> has no active rule set" in page
    draft = rules.new_version(rule_set_id=company.rules.pk)
    console.post(reverse("admin:routing_ruleset_activate", args=[draft.pk]))
    scenes.work("rules")
    assert order.allocations.get().next_action_at <= timezone.now()
    route(order)
    assert console.get("/admin/routing/ruleset/").context["uncovered"] == 0
