"""Gift cards: paid with, filled again once, and switched off when their purchase goes back."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from orders import cancellation
from orders.models import GiftCard, GiftCardEntry, Payment
from orders.payments import OverRefund, gift_cards
from tests.cast import payload
from tests.orders.door import problem, send
from tests.orders.test_payments import check, give_back, money
from tests.races.crowd import at_once
from tests.returns import journeys

D = Decimal
BALANCE = "/api/v1/gift-cards/balance"


def issue(amount="100.00", **changes):
    return gift_cards.issue(amount=D(amount), currency="EUR", actor="ana", **changes)


def by_card(code, amount="84.90", rest=None):
    """Payments of a payload: so much by this card, the rest by a credit card."""
    card = {"reference": "g", "method": "gift_card", "state": "captured", "amount": amount,
            "gift_card": code}  # fmt: skip
    other = {"reference": "c", "method": "card", "state": "captured", "amount": rest}
    return {"payments": [card, other] if rest else [card]}


def balance(card):
    return GiftCard.objects.get(pk=card.pk).balance


def test_a_card_pays_and_gets_its_money_back_once(company):  # case 139
    card, code = issue()
    order = company.place(("BAG", 1), **by_card(code.lower().replace("-", " ")))
    assert balance(card) == D("15.10")
    assert Payment.objects.get().gift_card == card
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    assert balance(card) == D(100)
    with pytest.raises(OverRefund, match=r"only €0\.00 left"):
        give_back(order, "84.90")
    assert balance(card) == D(100)
    assert list(card.entries.order_by("id").values_list("amount", flat=True)) == [
        D(100), D("-84.90"), D("84.90")]  # fmt: skip
    check()


def test_a_card_and_another_payment_share_an_order(company):
    card, code = issue("50.00")
    order = company.place(("BAG", 1), **by_card(code, "50.00", "34.90"))
    give_back(order, 60)
    assert balance(card) == D(50)
    assert [row[2] for row in money(order)] == [D(50), D(10)]
    check()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"balance": 84}, "has €84.00 left"),
        ({"active": False}, "is switched off"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "has expired"),
        ({"currency": "USD"}, "holds USD, not EUR"),
    ],
)
def test_a_card_that_cannot_pay_refuses_the_order(client, company, change, words):
    card, code = issue()
    GiftCard.objects.filter(pk=card.pk).update(**change)
    answer = send(client, company, payload(("BAG", 1), **by_card(code)))
    assert words in problem(answer, 400, "invalid", "/payments/0/gift_card")["detail"]
    assert not Payment.objects.exists()
    assert not GiftCardEntry.objects.filter(key__startswith="pay:").exists()


def test_an_unknown_code_is_named(client, company):
    answer = send(client, company, payload(("BAG", 1), **by_card("AAAA-BBBB-CCCC-DDDD")))
    problem(answer, 400, "invalid", "/payments/0/gift_card")


def test_of_two_orders_at_once_one_gets_the_card(live_company):
    card, code = issue("100.00")
    results = at_once(*[lambda: live_company.place(("TEE", 4), **by_card(code))] * 2)
    assert sum(isinstance(result, Exception) for result in results) == 1
    assert balance(card) == D("15.10")


def test_rows_of_many_orders_are_refused_as_if_those_before_were_paid(company):
    card, code = issue("100.00")
    order = company.place(("TEE", 1))
    rows = [gift_cards.Redemption(order.pk, n, code, D(60), "EUR") for n in (1, 2)]
    with pytest.raises(gift_cards.GiftCardRefused) as refused, transaction.atomic():
        gift_cards.redeem(rows, actor="web")
    assert refused.value.refused == {2: "this gift card has €40.00 left"}
    assert balance(card) == D(100)


# --- purchases -----------------------------------------------------------------------------------


def sold(client, company, order, code, /, **changes):
    body = {"code": code, "amount": "80.00", "currency": "EUR", "order": order.external_id,
            "line": 1}  # fmt: skip
    return send(client, company, {**body, **changes}, url="/api/v1/gift-cards")


def usable(client, company, code):
    answer = send(client, company, {"code": code}, url=BALANCE)
    return answer.json()["usable"]


def test_a_card_whose_purchase_comes_back_is_switched_off(client, company):
    order = journeys.deliver(journeys.buy(company, ("BAG", 2, "80.00")))
    codes = ["FIRSTCARD0001", "FIRSTCARD0002"]
    assert [sold(client, company, order, code).status_code for code in codes] == [201, 201]
    GiftCard.objects.filter(ending="0001").update(balance=D(10))  # spent in part
    GiftCardEntry.objects.create(card=GiftCard.objects.get(ending="0001"), amount=D(-70),
                                 key="pay:x", actor="x")  # fmt: skip
    rma = journeys.come_back(order, company.locations["WH"], BAG=1)
    journeys.process.refund(return_id=rma.pk, actor="lea")
    assert [usable(client, company, code) for code in codes] == [True, False]
    give_back(order, "80.00")
    assert not usable(client, company, codes[0])
    check()


def test_a_canceled_purchase_switches_its_card_off(client, company):
    order = company.place(("BAG", 1))
    sold(client, company, order, "SOLDCARD0001")
    assert usable(client, company, "sold-card-0001")
    cancellation.cancel(order_id=order.pk, reason="customer", actor="lea")
    assert not usable(client, company, "sold-card-0001")


def test_a_code_is_registered_once(client, company):
    order = company.place(("BAG", 1))
    assert sold(client, company, order, "SOLDCARD0001").status_code == 201
    assert sold(client, company, order, "sold card 0001").status_code == 200
    problem(sold(client, company, order, "SOLDCARD0001", amount="90.00"), 409, "code_taken")
    assert GiftCard.objects.get().balance == D(80)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"code": "short"}, "/code"), ({"amount": "0"}, "/amount"),
        ({"amount": "0.001"}, "/amount"), ({"currency": "EURO"}, "/currency"),
        ({"order": "nobody"}, "/order"), ({"line": 7}, "/line"), ({"line": "1"}, "/line"),
    ],
)  # fmt: skip
def test_a_card_that_cannot_be_is_refused(client, company, changes, pointer):
    order = company.place(("BAG", 1))
    problem(sold(client, company, order, "SOLDCARD0001", **changes), 400, "invalid", pointer)
    assert not GiftCard.objects.exists()


def test_a_code_nobody_has_is_not_found(client, company):
    problem(send(client, company, {"code": "AAAA-BBBB-CCCC"}, url=BALANCE), 404)


# --- console -------------------------------------------------------------------------------------


def test_staff_issue_a_card_and_see_its_code_once(console, client, company):
    url = reverse("admin:orders_giftcard_issue_card")
    page = console.post(url, {"amount": "25.00", "currency": "EUR"}, follow=True)
    words = page.content.decode()
    card = GiftCard.objects.get()
    code = next(w for w in words.replace("<", " ").split() if w.rstrip(".").endswith(card.ending))
    assert gift_cards.find(code.rstrip(".")) == card
    assert card.ending in console.get(reverse("admin:orders_giftcard_changelist")).content.decode()
    assert (
        code.rstrip(".")
        not in console.get(reverse("admin:orders_giftcard_change", args=[card.pk])).content.decode()
    )


def test_staff_switch_a_card_off_and_on(console, company):
    card, _ = issue()
    page = reverse("admin:orders_giftcard_switch_card", args=[card.pk])
    for active in (False, True):
        console.post(page)
        card.refresh_from_db()
        assert card.active is active
