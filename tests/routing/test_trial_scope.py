"""Which orders and decisions a trial is about, and what they share."""

import pytest
from django.utils import timezone

from inventory.models import Capacity, Location
from orders.models import SalesChannel
from routing import rules, trial, trial_jobs
from routing.models import Rule, RuleSet
from tests.fulfillment.stage import statements
from tests.routing import scenes
from tests.routing.scenes import route


@pytest.fixture
def business(company):
    """A draft for a channel of its own, by which the central warehouse sends what it has."""
    channel = SalesChannel.objects.create(code="b2b", name="B2B", kind="b2b", pool=company.pool)
    draft = RuleSet.objects.create(name="Business")
    draft.channels.set([channel])
    Rule.objects.create(rule_set=draft, central_bonus=90)
    return draft


def test_a_set_is_only_tried_on_orders_that_it_would_decide_about(company, business):
    company.place(("TEE", 1))
    decided = company.place(("TEE", 1))
    route(decided)
    for what in (trial_jobs.WAITING, trial_jobs.PAST):
        found = trial_jobs.run(rule_set=business.pk, what=what, days=1)
        assert (found.before.orders, found.changes, found.left_out) == (0, (), 0)
    company.web = SalesChannel.objects.get(code="b2b")
    order = company.place(("TEE", 1))
    found = trial_jobs.run(rule_set=business.pk, what=trial_jobs.WAITING, days=1)
    assert [change.order for change in found.changes] == [order.pk]


def test_a_set_for_all_channels_leaves_those_with_a_set_of_their_own_to_that(company, business):
    draft = rules.new_version(rule_set_id=company.rules.pk)
    assert rules.decided_by(draft.pk) == {
        company.web.pk,
        *business.channels.values_list("pk", flat=True),
    }
    rules.activate(rule_set_id=business.pk)
    assert rules.decided_by(draft.pk) == {company.web.pk}
    assert rules.decided_by(business.pk) == set(business.channels.values_list("pk", flat=True))


def test_of_the_past_the_newest_decisions_are_made_again(company, monkeypatch):
    monkeypatch.setattr(trial, "MOST", 2)
    monkeypatch.setattr(trial, "BATCH", 1)
    orders = [company.place(("TEE", 1)) for _ in range(4)]
    for order in orders:
        route(order)
    found = trial.past(rule_set=company.rules.pk, now=timezone.now(), days=3)
    assert [one.order for one in found.unchanged] == [orders[3].pk, orders[2].pk]
    assert found.left_out == 2


def test_orders_in_one_parcel_share_days_and_stock_with_all_others(company):
    Location.objects.exclude(code="LYON").update(can_ship=False)
    Capacity.objects.create(location=company.locations["LYON"], orders=2)
    kept = [company.place(("TEE", 1), ("MUG", 1), ship_together=True) for _ in range(2)]
    orders = [*kept, company.place(("TEE", 1))]

    def tried():
        with statements() as made:
            found = trial.live([one.pk for one in orders], rule_set=company.rules.pk,
                               now=timezone.now())  # fmt: skip
        return found, len(made)

    tried()  # what is remembered from then on
    found, made = tried()
    assert (found.before.parcels, found.before.units, found.before.unfilled) == (2, 4, 1)
    orders += [company.place(("MUG", 1), ship_together=True) for _ in range(3)]
    assert tried()[1] == made
    for order in orders[:3]:
        route(order)
    placed = sum(sum(scenes.claimed(order).values()) for order in orders[:3]
                 if not scenes.waiting(order))  # fmt: skip
    assert placed == found.before.units
