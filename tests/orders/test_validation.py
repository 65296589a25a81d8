"""What a channel's checks find, what follows, and that looking again changes only what changed."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.models import BundleComponent, Product
from orders import holds, validation
from orders.models import Hold, Order, OrderContact, OrderEvent, SalesChannel
from tests.cast import payload, validated
from tests.orders.door import problem, put, rows, send


def examined(company, *orders, **checks):
    """The verdicts on payloads under these settings, and how many statements it took."""
    company.web.checks = checks
    with CaptureQueriesContext(connection) as seen:
        found = validation.examine(
            company.web, [validated(order) for order in orders], now=timezone.now()
        )
    return found, len(seen)


def codes(verdict):
    return [(finding.pointer, finding.code) for finding in verdict.findings]


def hold(**params):
    return {"outcome": "hold", **params}


def to(country, **parts):
    address = {"name": "Ana", "line1": "1 High Street", "line2": "", "city": "Town", "region": "",
               "postcode": "", "country": country, "phone": ""}  # fmt: skip
    return payload(shipping_address={**address, **parts})


# --- address -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "parts", "wrong"),
    [
        ("FR", {"postcode": "69001"}, []),
        ("FR", {"postcode": "69 001"}, []),
        ("FR", {"postcode": "F-69001"}, []),
        ("FR", {"postcode": ""}, ["postcode"]),
        ("FR", {"postcode": "6900"}, ["postcode"]),
        ("DE", {"postcode": "D-10115"}, []),
        ("GB", {"postcode": "ec1a1bb"}, []),
        ("GB", {"postcode": "12345"}, ["postcode"]),
        ("LV", {"postcode": "1010"}, []),
        ("LV", {"postcode": "LV-1010"}, []),
        ("NL", {"postcode": "1012AB"}, []),
        ("US", {"postcode": "95014-1234"}, []),  # no state: shops write them in too many ways
        ("US", {"postcode": "9501"}, ["postcode"]),
        ("CA", {"postcode": "H3Z2Y7"}, []),
        ("JP", {"postcode": "1540023", "city": "", "region": "Tokyo"}, []),
        ("JP", {"postcode": "154-0023", "city": ""}, ["city"]),
        ("HK", {"city": "", "region": "Kowloon"}, []),
        ("SG", {"city": "", "postcode": "546080"}, []),
        ("AE", {"city": "Dubai"}, []),
        ("PA", {"postcode": "what they like"}, []),
        ("FR", {"postcode": "69001", "line1": "", "city": ""}, ["line1", "city"]),
    ],
)
def test_an_address_has_what_its_country_needs(company, country, parts, wrong):
    (verdict,), _ = examined(company, to(country, **parts), address=hold())
    assert [finding.pointer for finding in verdict.findings] == [
        f"/shipping_address/{part}" for part in wrong
    ]
    assert [one.type for one in verdict.holds] == ["address"][: len(wrong)]


def test_every_country_has_rules_and_its_own_example_passes(company):
    import pycountry

    from orders.validation.address import country, wrong_parts

    for row in pycountry.countries:
        rules = country(row.alpha_2)
        address = {"line1": "1", "city": "x", "region": "x", "country": row.alpha_2,
                   "postcode": rules.example}  # fmt: skip
        assert list(wrong_parts(address, by_country=True)) == [], row


def test_without_settings_only_street_and_city_are_needed_and_it_costs_no_statement(company):
    fine, bad = to("FR"), to("FR", line1="", city="")
    (first, second), statements = examined(company, fine, bad)
    assert statements == 0
    assert (first.findings, first.refused, first.risk) == ((), (), None)
    assert [(p.pointer, p.detail) for p in second.refused] == [
        ("/shipping_address/line1", "is needed to ship"),
        ("/shipping_address/city", "is needed to ship"),
    ]


def test_a_store_needs_no_address_but_each_further_destination_does(company):
    order = payload(delivery={"method": "pickup", "location": "LYON", "service": "standard"},
                    shipping_address=None)  # fmt: skip
    address = to("FR", postcode="x")["shipping_address"]
    further = {**order, "deliveries": [{"key": "b", "method": "ship", "address": address}]}
    (store, both), _ = examined(company, order, further, address=hold())
    assert codes(store) == []
    assert codes(both) == [("/deliveries/0/address/postcode", "format")]
    assert both.holds[0].reason.startswith("delivery 1, postcode: is not a postcode of")


# --- contact, price, restricted ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "email", "phone", "found"),
    [
        ({}, "", "", [("/customer/email", "needed")]),
        ({}, "", "06 12 34 56 78", []),
        ({}, "ana@example.org", "12", [("/customer/phone", "format")]),
        ({"valid_phone": False}, "ana@example.org", "12", []),
        ({"needs": "both"}, "ana@example.org", "", [("/customer/phone", "needed")]),
        ({"needs": "email"}, "", "+33612345678", [("/customer/email", "needed")]),
        ({"needs": "phone"}, "", "+1 555 0", [("/customer/phone", "format")]),
    ],
)
def test_the_customer_can_be_reached(company, params, email, phone, found):
    order = payload(customer={"email": email, "name": "Ana", "phone": phone})
    (verdict,), statements = examined(company, order, contact=hold(**params))
    assert codes(verdict) == found
    assert statements == 0


@pytest.mark.parametrize(
    ("price", "params", "found"),
    [
        ("20.00", {}, []),
        ("18.00", {}, []),
        ("17.99", {}, ["differs"]),
        ("22.01", {}, ["differs"]),
        ("17.99", {"tolerance_percent": 20}, []),
        ("0.00", {}, ["zero"]),
        ("0.00", {"zero_allowed": True}, []),
    ],
)
def test_unit_prices_are_near_our_own(company, price, params, found):
    order = put(payload(("TEE", 1)), "/line_items/0/unit_price", price)
    (verdict,), statements = examined(company, order, price=hold(**params))
    assert codes(verdict) == [("/line_items/0/unit_price", code) for code in found]
    assert statements == 1


def test_prices_in_another_currency_are_not_compared(company):
    order = put(payload(("TEE", 1), currency="SEK"), "/line_items/0/unit_price", "230.00")
    assert examined(company, order, price=hold())[0][0].findings == ()


PERFUME = {"dangerous_goods": "UN1266 3"}


@pytest.mark.parametrize(
    ("product", "params", "changes", "found"),
    [
        ({"age_limit": 18}, {}, {}, ["age"]),
        ({"age_limit": 18}, {}, {"metadata": {"age": 40}}, ["age"]),  # nobody said it proves it
        ({"age_limit": 18}, {"age_proof": "age"}, {"metadata": {"age": 18}}, []),
        ({"age_limit": 18}, {"age_proof": "age"}, {"metadata": {"age": "17"}}, ["age"]),
        ({"age_limit": 18}, {"age_proof": "of_age"}, {"metadata": {"of_age": True}}, []),
        ({"age_limit": 18}, {"age_proof": "of_age"}, {"metadata": {"of_age": "9" * 5000}}, ["age"]),
        ({"age_limit": 18}, {}, {"delivery": {"method": "pickup", "location": "LYON"}}, []),
        (PERFUME, {}, {}, []),
        (PERFUME, {}, {"delivery": {"service": "express"}}, ["dangerous_express"]),
        (PERFUME, {"dangerous_express": True}, {"delivery": {"service": "express"}}, []),
        (PERFUME, {"dangerous_not_to": ["FR"]}, {}, ["dangerous_country"]),
        (PERFUME, {"dangerous_not_to": ["NO"]}, {}, []),
    ],
)
def test_what_may_not_be_sold_to_everybody(company, product, params, changes, found):
    Product.objects.filter(sku="TEE").update(**product)
    (verdict,), _ = examined(company, payload(("TEE", 1), **changes), restricted=hold(**params))
    assert codes(verdict) == [("/line_items/0", code) for code in found]


def test_a_bundle_is_as_restricted_as_its_strictest_component(company):
    box = Product.objects.create(sku="BOX", name="Box", price=Decimal(10), is_bundle=True)
    for sku, limit in (("TEE", 16), ("MUG", 18)):
        Product.objects.filter(sku=sku).update(age_limit=limit)
        BundleComponent.objects.create(bundle=box, product=company.products[sku])
    (verdict,), statements = examined(company, payload(("BOX", 1)), restricted=hold(), price=hold())
    assert [finding.words for finding in verdict.findings] == [
        "is sold from 18 years on, and no age is proven"
    ]
    assert statements == 1


# --- fraud and duplicates ------------------------------------------------------------------------


def buyer(n, *items, **changes):
    """An order of a person of their own: nobody else has their mail, phone or street."""
    person = {"email": f"buyer{n}@example.org", "name": f"Buyer {n}", "phone": f"+3361234567{n}"}
    order = payload(*items, customer=person, **changes)
    return put(order, "/shipping_address/line1", f"{n} rue Neuve")


def test_signals_add_up_to_a_risk_with_reasons(company):
    order = buyer(1, ("TEE", 60), delivery={"service": "express"})
    order["billing_address"] = {**order["shipping_address"], "country": "DE"}
    (verdict,), statements = examined(company, order, fraud={"outcome": "hold"})
    assert statements == 1
    assert {f.code: f.score for f in verdict.findings} == {
        "countries": 25, "high_value": 20, "first_express": 15, "many_units": 20,
    }  # fmt: skip
    assert verdict.risk == 80
    assert [(w.type, w.handle) for w in verdict.holds] == [("fraud", "check:fraud")]
    assert "is DE, but it ships to FR" in verdict.holds[0].reason
    assert verdict.holds[0].data["findings"][0]["score"] == 25


@pytest.mark.parametrize(
    ("fraud", "holds_", "refused"),
    [
        ({"outcome": "accept"}, 0, 0),
        ({"outcome": "hold", "hold_at": 41}, 0, 0),
        ({"outcome": "hold", "hold_at": 40}, 1, 0),
        ({"outcome": "hold", "hold_at": 10, "refuse_at": 20}, 1, 0),
        ({"outcome": "refuse", "hold_at": 10, "refuse_at": 41}, 1, 0),
        ({"outcome": "refuse", "hold_at": 10, "refuse_at": 40}, 0, 2),
        ({"outcome": "refuse", "hold_at": 10, "refuse_at": 40, "score_high_value": 0}, 1, 0),
    ],
)
def test_fraud_goes_as_far_as_its_risk_and_no_further_than_its_outcome(
    company, fraud, holds_, refused
):
    (verdict,), _ = examined(company, buyer(1, ("TEE", 60)), fraud=fraud)
    assert (len(verdict.holds), len(verdict.refused)) == (holds_, refused)


def test_orders_in_a_row_are_counted_by_mail_phone_and_address(company):
    now = timezone.now()

    def at(minutes, order):
        return {**order, "placed_at": (now - timedelta(minutes=minutes)).isoformat()}

    for minutes in (10, 20, 70):
        company.place(**at(minutes, buyer(1, external_id=f"E-{minutes}")))
    stranger = buyer(2)
    same_mail = put(buyer(2), "/customer/email", "Buyer1@example.org")
    same_phone = put(buyer(2), "/customer/phone", "+33 6 12 34 56 71")
    same_door = put(buyer(2), "/shipping_address/line1", "1 RUE neuve")
    orders = [at(0, order) for order in (stranger, same_mail, same_phone, same_door)]
    for order in orders:
        (alone,), _ = examined(company, order, fraud=hold(per_hour=2))
        assert ("many_orders" in dict(map(reversed, codes(alone)))) == (order is not orders[0])
    (verdict,), _ = examined(company, orders[1], fraud=hold(per_hour=3, per_day=3))
    assert verdict.findings[0].words == "3 other orders with this email within a day"
    (calm,), _ = examined(company, orders[1], fraud=hold(per_hour=3, per_day=4))
    assert "many_orders" not in [finding.code for finding in calm.findings]


def test_orders_of_one_call_count_for_each_other(company):
    orders = [buyer(1, ("TEE", 1)) for _ in range(4)]
    verdicts, statements = examined(
        company, *orders, fraud=hold(per_hour=3, score_many_orders=60), duplicate=hold()
    )
    assert statements == 1
    assert [verdict.risk for verdict in verdicts] == [0, 0, 0, 60]
    assert [len(v.findings) for v in verdicts] == [0, 1, 2, 4]


def test_the_same_basket_of_the_same_person_may_be_a_duplicate(company):
    first = company.place(**buyer(1, ("TEE", 2), ("MUG", 1), external_id="A"))
    again = buyer(1, ("MUG", 1), ("TEE", 1), ("TEE", 1))
    other = buyer(1, ("TEE", 2))
    nobody = buyer(2, ("TEE", 2), ("MUG", 1))
    known = buyer(1, ("TEE", 2), ("MUG", 1), external_id="A")
    verdicts = [examined(company, o, duplicate=hold())[0][0] for o in (again, other, nobody, known)]
    assert [len(verdict.findings) for verdict in verdicts] == [1, 0, 0, 0]
    assert verdicts[0].findings[0].words.endswith(f"within 24 hours: {first.number}")
    assert verdicts[0].holds[0].type == "duplicate"
    late = {**again, "placed_at": (timezone.now() + timedelta(hours=1, minutes=5)).isoformat()}
    assert examined(company, late, duplicate=hold(hours=1))[0][0].findings == ()
    Order.objects.filter(pk=first.pk).update(state="canceled")
    assert examined(company, again, duplicate=hold())[0][0].findings == ()


def test_any_number_of_orders_takes_one_statement_that_reads_by_index(company):
    everything = {name: hold() for name in ("contact", "price", "fraud", "duplicate", "restricted")}
    orders = [buyer(n % 10, ("TEE", 1)) for n in range(60)]
    _, statements = examined(company, *orders, **everything)
    assert statements == 1
    with CaptureQueriesContext(connection) as seen:
        validation.examine(company.web, [validated(orders[0])], now=timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + seen[0]["sql"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    for index in ("contact_email", "contact_phone", "contact_address"):
        assert f"using {index}" in plan
    assert "Seq Scan" not in plan


def test_settings_that_do_not_exist_are_an_error_with_words(company):
    for checks, words in (
        ({"adress": hold()}, "no check is called 'adress'"),
        ({"price": hold(tolerence=1)}, "no parameter is called 'tolerence'"),
        ({"price": {"outcome": "Hold"}}, "'Hold' is not an outcome"),
    ):
        with pytest.raises(ValueError, match=words):
            examined(company, payload(), **checks)


# --- at capture ----------------------------------------------------------------------------------


def test_a_refused_order_is_answered_with_what_is_wrong_and_writes_nothing(client, company):
    SalesChannel.objects.update(checks={"price": {"outcome": "refuse"}})
    before = rows()
    data = put(payload(("TEE", 1)), "/line_items/0/unit_price", "1.00")
    data["total"], data["payments"] = "5.90", []
    said = problem(send(client, company, data), 400, "invalid", "/line_items/0/unit_price")
    assert "below our" in said["detail"]
    assert rows() == before


def test_an_order_to_look_at_is_taken_and_held_with_its_findings(client, company):
    SalesChannel.objects.update(checks={"address": hold(), "fraud": hold(hold_at=1)})
    data = buyer(1, ("TEE", 20))
    data["shipping_address"]["postcode"] = "1"
    assert send(client, company, data).status_code == 201
    order = Order.objects.get()
    assert {(h.type, h.handle) for h in order.holds.all()} == {
        ("address", "check:address"), ("fraud", "check:fraud"),
    }  # fmt: skip
    assert [finding["check"] for finding in order.findings] == ["address", "fraud"]
    assert order.risk == 20
    assert holds.blocking(order.pk, "route")


# --- again ---------------------------------------------------------------------------------------


def checked(order):
    return list(OrderEvent.objects.filter(order=order, kind="order.checked"))


@pytest.fixture
def order(company):
    SalesChannel.objects.update(checks={"address": hold(), "price": hold()})
    company.web.refresh_from_db()
    return company.place(**buyer(1, ("TEE", 1)))


def break_address(order, postcode="1"):
    OrderContact.objects.filter(order=order).update(postcode=postcode)


def test_looking_again_changes_nothing_when_nothing_changed(order):
    for _ in range(3):
        verdict = validation.rerun(order.pk, actor="lea")
    assert verdict.findings == ()
    assert checked(order) == []
    assert not order.holds.exists()


def test_a_hold_is_never_placed_twice_and_ends_when_the_address_is_right(order):
    break_address(order)
    for _ in range(3):
        validation.rerun(order.pk, actor="lea")
    found = order.holds.get()
    assert (found.type, found.handle, found.state) == ("address", "check:address", "open")
    assert len(checked(order)) == 1
    assert checked(order)[0].data["opened"] == ["address"]
    break_address(order, "69001")
    validation.rerun(order.pk, actor="lea")
    found.refresh_from_db()
    assert (found.state, found.resolved_by) == ("resolved", "lea")
    order.refresh_from_db()
    assert order.findings == []
    break_address(order)  # the same mistake again is news again
    validation.rerun(order.pk, actor="lea")
    found.refresh_from_db()
    assert found.state == "open"


def test_what_a_person_let_go_stays_so_until_something_else_is_found(order):
    break_address(order)
    validation.rerun(order.pk, actor="lea")
    found = order.holds.get()
    holds.resolve(hold_id=found.pk, actor="max")
    validation.rerun(order.pk, actor="lea")
    assert order.holds.get().state == "resolved"
    OrderContact.objects.filter(order=order).update(city="")
    validation.rerun(order.pk, actor="lea")
    found.refresh_from_db()
    assert found.state == "open"
    assert "city" in found.reason


def test_what_a_person_must_decide_is_not_resolved_by_looking_again(company, order):
    Product.objects.filter(sku="TEE").update(price="100.00")
    validation.rerun(order.pk, actor="lea")
    Product.objects.filter(sku="TEE").update(price="20.00")
    validation.rerun(order.pk, actor="lea")
    assert order.holds.get().state == "open"
    order.refresh_from_db()
    assert order.findings == []


def test_a_stored_order_is_held_where_a_new_one_would_be_refused(order):
    SalesChannel.objects.update(checks={"address": {"outcome": "refuse"}})
    break_address(order)
    verdict = validation.rerun(order.pk, actor="lea")
    assert verdict.refused == ()
    assert order.holds.get().state == "open"


def test_the_first_of_two_duplicates_stays_free_when_looked_at_again(company):
    SalesChannel.objects.update(checks={"duplicate": hold(), "fraud": hold(per_hour=1, hold_at=1)})
    company.web.refresh_from_db()
    first, second = (company.place(**buyer(1, ("TEE", 1))) for _ in range(2))
    assert sorted(second.holds.values_list("type", flat=True)) == ["duplicate", "fraud"]
    for order in (first, second):
        validation.rerun(order.pk, actor="lea")
    assert list(first.holds.values_list("type", "reason")) == []
    assert second.holds.count() == 2
    assert checked(second) == []


def test_an_ended_order_is_only_looked_at(order):
    break_address(order)
    Order.objects.filter(pk=order.pk).update(state="canceled")
    assert codes(validation.rerun(order.pk, actor="lea")) == [
        ("/shipping_address/postcode", "format")
    ]
    assert not Hold.objects.exists()
    assert checked(order) == []
