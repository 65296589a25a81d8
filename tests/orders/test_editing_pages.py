"""The console's pages that edit an order: fill in, see what it does, apply, compare versions."""

import re

import pytest

from orders import editing
from orders.models import Allocation, Order, OrderChange


def url(order, page="edit"):
    return f"/admin/orders/order/{order.pk}/{page}/"


def fields(html):
    """The form's fields as a browser would send them."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", html):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if "name" in attributes:
            found[attributes["name"]] = attributes.get("value", "")
    for name, body in re.findall(r'<select name="([^"]+)"[^>]*>(.*?)</select>', html, re.S):
        chosen = re.search(r'<option value="([^"]*)" selected', body)
        found[name] = chosen.group(1) if chosen else ""
    return found


def filled(console, order, **changes):
    html = console.get(url(order)).content.decode()
    data = fields(html[html.index('name="based_on"') - 100 :])
    return data | {name.replace("__", "-"): value for name, value in changes.items()}


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_an_order_is_edited_in_two_steps(console, company):
    order = company.place(("TEE", 2), ("MUG", 1))
    data = filled(console, order, line1__quantity="1", new0__sku="BAG", new0__quantity="1",
                  rest__reason="asked by phone")  # fmt: skip
    shown = console.post(url(order), {**data, "step": "preview"})
    assert shown.status_code == 200
    words = text(shown)
    assert "114.40 EUR" in words
    assert "60.00 EUR" in words  # still to pay
    assert "stock is held at Lyon store" in words
    assert Order.objects.get(pk=order.pk).version == 1
    again = fields(shown.content.decode())
    back = text(console.post(url(order), {**again, "step": "back"}))
    assert "See what it does" in back
    done = console.post(url(order), {**again, "step": "apply"})
    assert done.status_code == 302
    change = OrderChange.objects.get(order=order)
    assert (change.version, change.reason, change.actor) == (2, "asked by phone", "boss")
    assert Allocation.objects.filter(order=order, line__sku="BAG").count() == 1


def test_what_is_left_alone_is_no_action(console, company):
    order = company.place(("TEE", 2))
    answer = console.post(url(order), {**filled(console, order), "step": "preview"})
    assert "Nothing is changed yet." in text(answer)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"new0__sku": "NONE", "new0__quantity": "1"}, "no active product has SKU"),
        ({"line1__quantity": "-1"}, "greater than or equal to 0"),
        ({"line1__discount": "999"}, "is more than the €40.00 the line costs"),
        ({"rest__country": "XX"}, "is not an ISO 3166-1 country code"),
        ({"rest__method": "pickup"}, "which store?"),
        ({"rest__appeasement": "5"}, "say what the gesture is for"),
        ({"line1__substitute": "MUG", "line1__quantity": "1"}, "not both"),
        ({"new1__quantity": "1"}, "which product?"),
    ],
)
def test_what_is_wrong_is_said_on_the_form(console, company, changes, words):
    order = company.place(("TEE", 2))
    answer = console.post(url(order), {**filled(console, order, **changes), "step": "preview"})
    assert answer.status_code == 200
    assert words in text(answer).replace("&#x27;", "'")
    assert "See what it does" in text(answer)


def test_whoever_comes_second_reads_what_changed_meanwhile(console, company):
    order = company.place(("TEE", 2))
    data = filled(console, order, line1__quantity="1")
    editing.apply(order_id=order.pk, actor="lea",
                  actions=[{"type": "add_line", "sku": "MUG", "quantity": 1}])  # fmt: skip
    answer = text(console.post(url(order), {**data, "step": "apply"}))
    assert "the order is at version 2 now: line 2: 1 × MUG is new" in answer
    assert Order.objects.get(pk=order.pk).version == 2


def test_address_and_store_are_changed_together(console, company):
    order = company.place(("TEE", 1))
    data = filled(console, order, rest__line1="9 place Bellecour", rest__method="pickup",
                  rest__location="LYON")  # fmt: skip
    console.post(url(order), {**data, "step": "apply"})
    order = Order.objects.get(pk=order.pk)
    assert (order.contact.line1, order.delivery) == ("9 place Bellecour", "pickup")
    assert order.pickup_location.code == "LYON"


def test_a_draft_is_kept_applied_or_thrown_away(console, company):
    order = company.place(("TEE", 2))
    for _ in range(2):
        data = filled(console, order, line1__quantity="1")
        console.post(url(order), {**data, "step": "keep"})
    first, second = OrderChange.objects.filter(order=order).order_by("id")
    page = url(order, "versions")
    assert "Drafts" in text(console.get(page))
    assert "The order was never changed" in text(console.get(page))
    console.post(page, {"change": first.pk, "step": "apply"})
    answer = console.post(page, {"change": second.pk, "step": "apply"}, follow=True)
    assert "line 1: units 2 became 1" in text(answer)
    console.post(page, {"change": second.pk, "step": "discard"})
    states = [c.state for c in OrderChange.objects.filter(order=order).order_by("id")]
    assert states == ["applied", "discarded"]


def test_two_versions_stand_side_by_side(console, company):
    order = company.place(("TEE", 2))
    for actions in ([{"type": "add_line", "sku": "MUG", "quantity": 1}],
                    [{"type": "shipping", "amount": "0"}]):  # fmt: skip
        editing.apply(order_id=order.pk, actor="lea", actions=actions)
    shown = text(console.get(url(order, "versions"), {"left": "1", "right": "3"}))
    assert "Line 2 differs – 1 × MUG at 9.50: 9.50" in shown
    assert "Total differs 44.90 49.50" in shown
    assert "Line 1 2 × TEE at 20.00: 40.00 2 × TEE" in shown


def test_who_may_only_look_may_not_edit(client, company, django_user_model):
    order = company.place(("TEE", 1))
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    client.force_login(viewer)
    assert client.get(url(order)).status_code in {302, 403}
    assert client.post(url(order), {"step": "apply"}).status_code in {302, 403}
