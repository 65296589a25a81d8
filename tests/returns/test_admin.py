"""Staff handle returns at the console, each step one small form in words."""

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from returns.models import Return
from tests.returns import journeys
from tests.returns.test_views import text


@pytest.fixture
def staff(company):
    user = company.user("lea", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="returns"))
    return user


@pytest.fixture
def console(client, staff):
    client.force_login(staff)
    return client


@pytest.fixture
def order(company):
    return journeys.deliver(journeys.buy(company, ("BAG", 3, "89.99"), shipping="5.00"))


def button(rma, name):
    return reverse(f"admin:returns_return_{name}", args=[rma.pk])


def press(console, rma, name, **data):
    """Look at the form, send it, and come back to the return's page."""
    assert console.get(button(rma, name)).status_code == 200
    data["csrfmiddlewaretoken"] = "sent by every browser"  # a form of one button has nothing else
    answer = console.post(button(rma, name), data, follow=True)
    rma.refresh_from_db()
    return text(answer)


def asked(order, units=3):
    return Return.objects.get(pk=journeys.send_back(order, BAG=units).pk)


def test_a_return_goes_all_its_way_at_the_console(console, order, company):
    rma = asked(order)
    line = rma.lines.get().pk
    words = press(console, rma, "receive_goods", location="WH", **{f"arrived_{line}": 2})
    assert "2 units of" in words
    assert (rma.state, rma.lines.get().received) == ("received", 2)
    grades = {f"grades_{line}_{grade}": n for grade, n in {"A": 1, "B": 0, "C": 0, "D": 1}.items()}
    assert "are graded" in press(console, rma, "inspect_goods", **grades)
    assert rma.state == "inspected"
    words = press(console, rma, "refund_money", amount="179.98", shipping="0")
    assert "€179.98 goes back" in words
    assert journeys.given_back(order) == rma.refund_amount
    assert journeys.stock("BAG", company.locations["WH"]) == (1, 0, 0, 1)
    assert rma.order.events.filter(kind="return.refunded", actor="lea").count() == 1


def test_the_refund_form_proposes_what_the_units_cost(console, order, company):
    rma = journeys.come_back(order, company.locations["WH"], BAG=2)
    html = console.get(button(rma, "refund_money")).content.decode()
    assert 'value="179.98"' in html
    assert "€5.00 of shipping is left" in html
    words = press(console, rma, "refund_money", amount="269.97", shipping="0")
    assert "at most €179.98: that is what the 2 units that came back cost" in words
    assert journeys.given_back(order) == 0


def test_a_refund_ahead_of_the_goods_asks_why(console, order):
    rma = asked(order, units=1)
    words = press(console, rma, "refund_money", amount="89.99", shipping="0")
    assert "This field is required" in words
    press(console, rma, "refund_money", amount="89.99", shipping="0", without_goods="lost")
    assert (rma.state, rma.refund_note) == ("refunded", "lost")


def test_the_same_form_sent_twice_has_one_effect(console, order, company):
    rma = asked(order)
    line = rma.lines.get().pk
    for _ in range(2):
        press(console, rma, "receive_goods", location="WH", **{f"arrived_{line}": 1})
    assert journeys.stock("BAG", company.locations["WH"]) == (1, 0, 1, 0)


def test_goods_that_wait_at_two_places_are_inspected_one_place_after_the_other(
    console, order, company
):
    rma = asked(order)
    line = rma.lines.get().pk
    for code in ("WH", "LYON"):
        press(console, rma, "receive_goods", location=code, **{f"arrived_{line}": 1})
    for code in ("WH", "LYON"):
        assert f"({code})" in text(console.get(button(rma, "inspect_goods")))
        press(console, rma, "inspect_goods", **{f"grades_{line}_A": 1})
    assert rma.state == "inspected"


def test_approve_decline_and_cancel_are_told_apart(console, order):
    def new():
        return Return.objects.get(pk=journeys.process.request(
            order_id=order.pk, lines=[(order.lines.get().pk, 1)], reason="other", by="customer"
        ).pk)  # fmt: skip

    first, second = new(), new()
    assert "is approved" in press(console, first, "approve_return")
    assert "This field is required" in press(console, second, "decline_return", reason="")
    press(console, second, "decline_return", reason="worn")
    press(console, first, "cancel_return")
    assert (first.state, second.state) == ("canceled", "declined")


def test_only_buttons_that_make_sense_are_there(console, order, company):
    rma = asked(order, units=1)
    page = reverse("admin:returns_return_change", args=[rma.pk])
    html = console.get(page).content.decode()
    assert button(rma, "receive_goods") in html
    assert button(rma, "approve_return") not in html
    journeys.arrive(rma, company.locations["WH"])
    html = console.get(page).content.decode()
    assert button(rma, "inspect_goods") in html
    assert button(rma, "cancel_return") not in html
    assert "they are not for sale until then" in html


def test_a_button_pressed_too_late_says_what_is_allowed(console, order, company):
    rma = journeys.come_back(order, company.locations["WH"], BAG=1)
    assert "it cannot become canceled" in press(console, rma, "cancel_return")


def test_the_list_finds_returns_by_their_numbers(console, order):
    rma = asked(order, units=1)
    url = reverse("admin:returns_return_changelist")
    for term, found in [(rma.number, True), (order.number, True), (order.external_id, True),
                        ("BAG", True), ("R999", False)]:  # fmt: skip
        html = console.get(url, {"q": term}).content.decode()
        assert (reverse("admin:returns_return_change", args=[rma.pk]) in html) is found


def test_the_list_takes_the_same_statements_whatever_its_length(
    console, order, django_assert_max_num_queries
):
    for _ in range(3):
        asked(order, units=1)
    console.get(reverse("admin:returns_return_changelist"))
    with django_assert_max_num_queries(15):
        console.get(reverse("admin:returns_return_changelist"))


def test_staff_make_a_return_after_the_window_with_a_reason(console, company):
    from datetime import timedelta

    from django.utils import timezone

    order = company.place(("BAG", 1))
    journeys.deliver(order, at=timezone.now() - timedelta(days=40))
    new = reverse("admin:returns_return_new_return")
    assert "there is no order M1" in text(console.post(new, {"order": "M1"}))
    url = console.post(new, {"order": order.number})["Location"]
    data = {f"units_{order.lines.get().pk}": 1, "reason": "other", "note": ""}
    assert "after delivery are over" in text(console.post(url, data))
    console.post(url, {**data, "override": "was in hospital"})
    assert Return.objects.get().override == "was in hospital"


def test_who_may_only_look_gets_no_buttons(client, company, order):
    rma = asked(order, units=1)
    user = company.user("tom", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_return"))
    client.force_login(user)
    html = client.get(reverse("admin:returns_return_change", args=[rma.pk])).content.decode()
    assert button(rma, "receive_goods") not in html
    assert client.post(button(rma, "cancel_return")).status_code == 403
    rma.refresh_from_db()
    assert rma.state == "approved"
