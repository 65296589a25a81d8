"""Addresses to check: people see what is wrong, put it right, and the order goes on."""

import re

import pytest

from config.models import OutboxRow
from orders import addresses, holds
from orders.models import Hold, Order, OrderEvent, SalesChannel
from orders.validation.table import CHECKS
from tests.cast import payload
from tests.orders.door import problem, put, send

QUEUE = "/admin/orders/hold/?type__exact=address&state__exact=open"


@pytest.fixture
def order(company):
    """An order whose postcode cannot be one of France, held."""
    SalesChannel.objects.update(checks={"address": {"outcome": "hold"}})
    company.web.refresh_from_db()
    order = company.place(**put(payload(("TEE", 1)), "/shipping_address/postcode", "690"))
    assert order.holds.get().type == "address"
    return order


def page(order):
    return f"/admin/orders/order/{order.pk}/address/"


def filled(order, **changes):
    """What the browser sends: the form as it is shown, with these fields typed anew."""
    (address,) = addresses.of(order).values()
    return {f"{part}_0": value for part, value in {**address, **changes}.items()}


def state(order):
    return order.holds.get().state


def words(answer):
    return " ".join(str(message) for message in answer.wsgi_request._messages)


def test_the_queue_counts_and_leads_to_the_form(console, order):
    listed = console.get(QUEUE).content.decode()
    assert "postcode: is not a postcode of France, such as 33380" in listed
    tab = re.search(r"type__exact=address[^<]*</?[^§]*?(\d+)", listed)
    assert tab
    assert tab[1] == "1"
    hold = order.holds.get()
    for url in (f"/admin/orders/hold/{hold.pk}/change/", f"/admin/orders/order/{order.pk}/change/"):
        assert "Fix the address" in console.get(url).content.decode()


def test_the_form_shows_what_is_wrong_at_its_field(console, order):
    shown = console.get(page(order)).content.decode()
    field = shown[shown.index("id_postcode_0") :]
    assert 'value="690"' in shown
    assert "Is not a postcode of France, such as 33380." in field[: field.index("id_country_0")]
    assert "1 rue de la République" in shown


def test_what_is_still_wrong_is_said_and_nothing_saved(console, order):
    answer = console.post(page(order), filled(order, postcode="6900", city=""))
    assert answer.status_code == 200
    shown = answer.content.decode()
    assert "Is needed to ship." in shown
    assert "Is not a postcode of France" in shown
    shown = console.post(page(order), filled(order, line1="")).content.decode()
    assert shown.count("Is needed to ship.") == 1  # the city is there: nothing old is said
    order.contact.refresh_from_db()
    assert (order.contact.postcode, order.contact.city) == ("690", "Lyon")
    assert state(order) == "open"


def test_the_right_address_is_found_on_the_map_and_lets_the_order_go(console, order):
    OutboxRow.objects.all().delete()
    lyon = order.contact.lat
    answer = console.post(page(order), filled(order, postcode="13001", city="Marseille"))
    assert answer.status_code == 302
    order.contact.refresh_from_db()
    assert (order.contact.postcode, order.contact.city) == ("13001", "Marseille")
    assert order.contact.lat == pytest.approx(43.3, abs=0.1)
    assert order.contact.lat != lyon
    assert state(order) == "resolved"
    event = OrderEvent.objects.get(order=order, kind="order.changed")
    assert event.data["fields"] == ["shipping_address/city", "shipping_address/postcode"]
    assert "13001" not in str(list(OrderEvent.objects.values_list("data", flat=True)))
    assert OutboxRow.objects.filter(topic="route", subject=order.pk).exists()
    assert (
        "Fix the address"
        not in console.get(f"/admin/orders/order/{order.pk}/change/").content.decode()
    )


def test_a_person_may_know_better(console, order):
    hold = order.holds.get()
    answer = console.post(
        f"/admin/orders/hold/{hold.pk}/address/", filled(order, line2="door 3") | {"anyway": "on"}
    )
    assert (answer.status_code, answer.url) == (302, QUEUE)
    hold.refresh_from_db()
    assert (hold.state, hold.resolved_by) == ("resolved", "boss")
    order.contact.refresh_from_db()
    assert order.contact.line2 == "door 3"


def test_a_hold_placed_by_hand_ends_with_the_repair_too(console, company):
    order = company.place(("TEE", 1))
    holds.place(order_id=order.pk, type="address", handle="called", reason="moved", actor="max")
    assert console.post(page(order), filled(order, line1="2 rue Neuve")).status_code == 302
    assert state(order) == "resolved"


def test_each_destination_has_its_own_fields(console, company, order):
    address = payload()["shipping_address"]
    data = payload(("TEE", 1), ("MUG", 1))
    data["deliveries"] = [{"key": "mum", "method": "ship", "address": {**address, "city": ""}}]
    data["line_items"][1]["delivery"] = "mum"
    two = company.place(**data)
    shown = console.get(page(two)).content.decode()
    assert "mum: City" in shown
    sent = {
        f"{part}_{i}": value
        for i, known in enumerate(addresses.of(two).values())
        for part, value in known.items()
    }
    assert console.post(page(two), {**sent, "city_1": "Lyon"}).status_code == 302
    assert two.delivery_groups.get().city == "Lyon"
    assert state(two) == "resolved"


def test_an_address_that_is_not_known_to_the_order_is_no_address(order):
    with pytest.raises(KeyError):
        addresses.fix(order_id=order.pk, addresses={"mum": {"city": "Lyon"}}, actor="lea")
    Order.objects.filter(pk=order.pk).update(state="closed")
    with pytest.raises(addresses.OrderEnded, match="is closed"):
        addresses.fix(order_id=order.pk, addresses={"": {"city": "Lyon"}}, actor="lea")


def test_half_a_repair_says_what_is_still_wrong(order):
    fixed = addresses.fix(order_id=order.pk, addresses={"": {"line2": "door 3"}}, actor="lea")
    assert fixed.changed == ("shipping_address/line2",)
    assert fixed.held
    assert fixed.wrong == ("postcode: is not a postcode of France, such as 33380",)


def test_people_who_may_only_look_cannot_repair(client, company, order):
    client.force_login(company.user("eve", is_staff=True))
    assert client.get(page(order)).status_code == 403


# --- over REST, and on the page ------------------------------------------------------------------


def test_a_channel_asks_to_look_again(client, company, order):
    url = f"/api/v1/orders/{order.external_id}/check"
    said = send(client, company, b"", url=url).json()
    assert (said["risk"], said["holds"]) == (None, ["address"])
    assert said["findings"] == order.findings
    order.contact.postcode = "69001"
    order.contact.save()
    headers = {"Idempotency-Key": "again"}
    answers = [send(client, company, b"", url=url, **headers).json() for _ in range(2)]
    assert answers == [{"number": order.number, "risk": None, "findings": [], "holds": []}] * 2
    assert OrderEvent.objects.filter(order=order, kind="order.checked").count() == 1
    problem(send(client, company, b"", url="/api/v1/orders/nothing/check"), 404)


def test_staff_look_again_from_the_page(console, order):
    answer = console.post(f"/admin/orders/order/{order.pk}/check/")
    assert "is not a postcode of France" in words(answer)


# --- a channel's checks as a form ----------------------------------------------------------------


def channel_page(channel):
    return f"/admin/orders/saleschannel/{channel.pk}/change/"


def channel_form(console, channel):
    """The form as the page shows it, ready to be sent back."""
    form = console.get(channel_page(channel)).context["adminform"].form
    data = {f"keys-{name}": 0 for name in ("TOTAL_FORMS", "INITIAL_FORMS")}
    for name, field in form.fields.items():
        value = field.prepare_value(form.get_initial_for_field(field, name))
        if value not in (None, False):
            data[name] = value
    return data


def test_a_channel_that_was_never_set_stays_so_when_it_is_saved(console, company):
    data = channel_form(console, company.web)
    assert data["check_address_outcome"] == "refuse"
    assert console.post(channel_page(company.web), {**data, "name": "Shop"}).status_code == 302
    company.web.refresh_from_db()
    assert (company.web.name, company.web.checks) == ("Shop", {})


def test_checks_are_chosen_in_fields_and_applied(console, company):
    shown = console.get(channel_page(company.web)).content.decode()
    for check in CHECKS.values():
        assert f"Checks: {check.title}" in shown
        assert all(param.label in shown for param in check.params)
    data = channel_form(console, company.web) | {
        "check_price_outcome": "hold", "check_price_tolerance_percent": "",
        "check_restricted_outcome": "refuse", "check_restricted_dangerous_not_to": "no, CH",
    }  # fmt: skip
    assert console.post(channel_page(company.web), data).status_code == 302
    company.web.refresh_from_db()
    assert company.web.checks == {
        "price": {"outcome": "hold", "tolerance_percent": 10, "zero_allowed": False},
        "restricted": {"outcome": "refuse", "age_proof": "", "age_at_counter": True,
                       "dangerous_express": False, "dangerous_not_to": ["CH", "NO"]},
    }  # fmt: skip
    again = channel_form(console, company.web)
    assert again["check_restricted_dangerous_not_to"] == "CH NO"
    order = company.place(**put(payload(("TEE", 1)), "/line_items/0/unit_price", "20.00"))
    assert not Hold.objects.filter(order=order).exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"check_fraud_outcome": "hold", "check_fraud_hold_at": "95"}, "Must not be lower"),
        ({"check_restricted_dangerous_not_to": "XX"}, "XX is not the code of a country"),
        ({"check_duplicate_hours": "0"}, "greater than or equal to 1"),
        ({"check_price_outcome": "maybe"}, "Select a valid choice"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_words(console, company, changes, words):
    answer = console.post(channel_page(company.web), channel_form(console, company.web) | changes)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    company.web.refresh_from_db()
    assert company.web.checks == {}
