"""Rule sets, tariff and emission factor: seeded once, versioned, never changed in use."""

import pytest

from config.demo import rulebook
from config.status import IllegalMove
from orders.models import DeliveryService
from routing import defaults, rules
from routing.engine import Emission, Tariff
from routing.models import EmissionFactor, RuleSet, TariffBand
from tests.cast import change_rules, rules_open
from tests.routing.scenes import route

pytestmark = pytest.mark.django_db


def test_a_new_house_can_route_by_its_defaults(company):
    with rules_open():
        RuleSet.objects.all().delete()
    DeliveryService.objects.all().delete()
    seeded = defaults.seed()
    decision = route(company.place(("TEE", 1)))
    assert (decision.outcome, decision.rule_set_id) == ("routed", seeded.pk)


def test_seeding_again_changes_nothing_that_people_have_set():
    defaults.seed()
    mine = TariffBand.objects.filter(service__code="parcel", max_km=50)
    mine.filter(max_g=1000).update(price=1)
    mine.filter(max_g=2000).delete()
    bands = TariffBand.objects.count()
    defaults.seed()
    assert TariffBand.objects.count() == bands
    assert mine.get(max_g=1000).price == 1
    assert RuleSet.objects.count() == 1


def test_the_emission_factor_stands_with_its_source_and_is_the_engines():
    defaults.seed()
    van = EmissionFactor.objects.get(code="van")
    assert "DESNZ" in van.source
    assert van.kg_per_tkm + van.wtt_kg_per_tkm == pytest.approx(Emission().kg_per_tkm_last_mile)


def test_the_default_tariff_costs_more_the_farther_and_the_heavier():
    defaults.seed()
    bands = [
        (b.max_km, b.max_g, b.price) for b in TariffBand.objects.filter(service__code="parcel")
    ]
    grid = Tariff(bands=tuple(bands)).grid.base
    assert (grid[1:] > grid[:-1]).all()
    assert (grid[:, 1:] >= grid[:, :-1]).all()


def test_a_new_version_is_a_draft_with_the_same_figures(company):
    with rules_open():
        company.rules.channels.add(company.web)
    change_rules(central_bonus=7, max_km=300)
    draft = rules.new_version(rule_set_id=company.rules.pk)
    assert (draft.version, draft.state) == (2, "draft")
    rule = draft.rules.get()
    assert (rule.central_bonus, rule.max_km) == (7, 300)
    assert list(draft.channels.all()) == [company.web]


def test_activating_a_version_archives_the_one_before(company):
    draft = rules.new_version(rule_set_id=company.rules.pk)
    rules.activate(rule_set_id=draft.pk)
    states = dict(RuleSet.objects.values_list("version", "state"))
    assert states == {1: "archived", 2: "active"}


def test_what_was_active_once_is_not_activated_again(company):
    draft = rules.new_version(rule_set_id=company.rules.pk)
    rules.activate(rule_set_id=draft.pk)
    with pytest.raises(IllegalMove):
        rules.activate(rule_set_id=company.rules.pk)
    assert RuleSet.objects.get(pk=draft.pk).state == "active"


def test_every_decision_names_the_version_that_was_active_when_it_was_made(company):
    first = route(company.place(("TEE", 1)))
    draft = rules.new_version(rule_set_id=company.rules.pk)
    rules.activate(rule_set_id=draft.pk)
    second = route(company.place(("TEE", 1)))
    assert (first.rule_set_id, second.rule_set_id) == (company.rules.pk, draft.pk)


def test_the_demo_companys_rules_route_every_kind_of_order(company):
    rule_set = rulebook.write(company.rules)
    assert (rule_set.version, rule_set.state) == (2, "active")
    names = {}
    for service in ("standard", "express"):
        order = company.place(
            ("TEE", 1), delivery={"method": "ship", "location": None, "service": service}
        )
        decision = route(order)
        names[service] = (decision.outcome, decision.rule and decision.rule.name)
    assert names == {
        "standard": ("routed", "All other orders"), "express": ("routed", "Express"),
    }  # fmt: skip
