"""Which orders a rule is for: every condition, alone and together."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from orders.models import Customer, Order, OrderContact
from routing import matching
from routing.models import Rule, RuleSet
from tests.cast import active


@pytest.fixture
def order(company):
    """Two bags by express to Lyon for a gold customer, tagged, promised in two days: 164.90."""
    order = company.place(
        ("BAG", 2), tags=["vip", "gift"],
        delivery={"method": "ship", "location": None, "service": "express"},
    )  # fmt: skip
    Customer.objects.update(tier="Gold")
    OrderContact.objects.update(region="Rhône")
    Order.objects.update(promised_at=timezone.now() + timedelta(days=2))
    return order


# condition: (values that hold for the order, values that do not)
TABLE = {
    "channel_kinds": (["web", "till"], ["till"]),
    "deliveries": (["ship"], ["pickup", "ship_to_store"]),
    "services": (["express"], ["standard"]),
    "min_total": ("164.90", "164.91"),
    "max_total": ("164.90", "164.89"),
    "tiers": (["silver", "gold"], ["silver"]),
    "countries": (["DE", "fr"], ["DE"]),
    "regions": (["RHÔNE"], ["Rhone"]),
    "tags_any": (["vip", "other"], ["other", "VIP"]),
    "tags_none": (["other"], ["gift"]),
    "categories": (["things", "others"], ["others"]),
    "promised_within_days": (2, 1),
}


def holds(company, **conditions):
    rule_set = RuleSet(name="Draft", version=1)
    rule_set.save()
    found = matching.count(Rule(rule_set=rule_set, **conditions), now=timezone.now())
    rule_set.delete()
    return found.matching == 1


@pytest.mark.parametrize("name", matching.CONDITIONS)
def test_every_condition_takes_what_it_names_and_nothing_else(company, order, name):
    right, wrong = TABLE[name]
    assert holds(company, **{name: right})
    assert not holds(company, **{name: wrong})


def test_an_order_meets_all_conditions_or_the_rule_is_not_for_it(company, order):
    right = {name: values for name, (values, _) in TABLE.items()}
    assert holds(company, **right)
    assert not holds(company, **right | {"countries": ["DE"]})


def test_what_is_not_known_of_an_order_meets_no_condition_but_is_no_error(company, order):
    Order.objects.update(promised_at=None, customer=None, tags=[])
    OrderContact.objects.all().delete()
    for name in ("tiers", "countries", "regions", "promised_within_days", "tags_any"):
        assert not holds(company, **{name: TABLE[name][0]})
    assert holds(company, tags_none=["vip"])


def test_ended_and_test_orders_and_those_of_other_rule_sets_do_not_count(company, order):
    company.place(("TEE", 1), test=True)
    assert holds(company)
    Order.objects.filter(pk=order.pk).update(state="closed")
    assert not holds(company)
    Order.objects.filter(pk=order.pk).update(state="open")
    web = RuleSet.objects.create(name="Web")
    web.channels.add(company.web)
    active(web)
    assert not holds(company)


def test_counting_is_one_statement_whatever_there_is_to_count(
    company, order, django_assert_num_queries
):
    rule = company.rules.rules.select_related("rule_set").get()
    rule.categories = ["things"]
    with django_assert_num_queries(1):
        matching.count(rule, now=timezone.now())


def test_the_condition_is_true_or_false_for_one_order_that_is_routed(company, order):
    sql = f"""SELECT {matching.MATCHES} FROM routing_rule r, orders_order o
                LEFT JOIN orders_ordercontact x ON x.order_id = o.id AND false"""
    with connection.cursor() as cursor:
        cursor.execute(sql, {"now": timezone.now()})
        assert cursor.fetchall() == [(True,)]
