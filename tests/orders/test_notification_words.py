"""What messages say: figures, dates, places and names as a customer reads them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from fulfillment import work
from inventory.models import Location
from orders import cancellation, payments
from orders.models import Notification, Order, OrderContact, OrderLine
from orders.notifications import words
from returns import process
from tests.orders.journeys import packed, send_all, ship

PICKUP = {"method": "pickup", "location": "LYON", "service": "standard"}


def test_the_confirmation_says_what_was_bought_what_it_costs_and_when_it_comes(company, post):
    with time_machine.travel("2026-11-23 09:00+01:00", tick=True):  # a Monday
        order = company.place(("TEE", 2), ("MUG", 1), external_id="#1001")
        Order.objects.update(promised_at=datetime(2026, 11, 26, 19, tzinfo=UTC))
        send_all()
    text = post.text()
    assert post.subjects() == [f"Your Maestro Demo Company order {order.number} is confirmed"]
    assert "Hello Ana Živić," in text
    assert "2 x Tee: €40.00\n1 x Mug: €9.50\nShipping: €4.90\nTotal: €54.40\n" in text
    assert "It will be with you by Thursday, November 26." in text
    assert "Ana Živić\n1 rue de la République\n69001 Lyon\nFrance\n" in text
    assert f"Order {order.number} (#1001)" in text
    for fact in ("2 &times;", "€40.00", "€54.40", "Thursday, November 26", "Živić", "#1001"):
        assert fact in post.html()


def test_a_promise_that_has_passed_is_not_repeated(company, post):
    company.place(("TEE", 1))
    Order.objects.update(promised_at=timezone.now() - timedelta(days=1))
    send_all()
    assert "with you by" not in post.text()
    assert "We write to you as soon as it leaves." in post.text()


def test_what_nobody_has_yet_is_not_promised(company, post):
    company.web.on_shortage = "queue"
    company.web.save()
    company.place(("TEE", 1), ("SOLD", 1))
    send_all()
    assert "What we have will be with you by " in post.text()
    assert "It will be with you by" not in post.text()


def test_money_is_written_in_the_orders_currency(company, post):
    order = company.place(("TEE", 2))
    Order.objects.update(currency="JPY", total=1234, shipping_total=0)
    OrderLine.objects.update(total=1234)
    send_all()
    assert "2 x Tee: ¥1,234\nTotal: ¥1,234" in post.text()
    assert order.currency == "EUR"


def test_tax_that_comes_on_top_is_part_of_the_sum(company, post):
    order = company.place(
        line_items=[{"external_id": "1", "sku": "TEE", "name": "Tee", "quantity": 1,
                     "unit_price": "20.00", "discount": "0.00", "tax": "4.00"}],
        tax_included=False, shipping_total="5.00", shipping_tax="1.00", tax_total="5.00",
        total="30.00", payments=[],
    )  # fmt: skip
    send_all()
    assert order.total == Decimal("30.00")
    assert "Tee: €24.00\nShipping: €6.00\nTotal: €30.00 (tax €5.00 included)" in post.text()


def test_each_parcel_has_its_tracking_number_and_its_place_among_all(company, post):
    order = company.place(("CAP", 2))
    first, second = packed(order)
    ship(first, tracking="JD014600001")
    send_all()
    text = post.text()
    assert f"Parcel 1 of 2 of your order {order.number} is on its way" in text
    assert "Carrier: DHL\nTracking number: JD014600001\n" in text
    assert "1 x Cap\n" in text
    assert "The rest follows" in text
    ship(second, tracking="JD014600002")
    send_all()
    assert "Parcel 2 of 2" in post.text()
    assert "JD014600002" in post.html()
    assert "The rest follows" not in post.text()


def test_delivery_names_the_parcel(company, post):
    order = company.place(("TEE", 2))
    parcel = ship(packed(order)[0], tracking="JD014600003")
    send_all()
    work.track(parcel_id=parcel, status="delivered", at=timezone.now(), actor="carrier")
    send_all()
    assert "Parcel 1 of 1" in post.text()
    assert "was delivered (tracking number JD014600003)" in post.text()
    assert "2 x Tee" in post.text()


def test_a_pick_up_says_where_and_when_the_store_is_open(company, post):
    Location.objects.filter(code="LYON").update(
        line1="5 rue Mercière", postcode="69002",
        opening_hours={"mon": [["10:00", "12:30"], ["14:00", "19:00"]], "sun": []},
    )  # fmt: skip
    order = company.place(("TEE", 1), delivery=PICKUP)
    send_all()
    assert "We write to you as soon as you can collect it." in post.text()
    assert "It goes to" not in post.text()
    work.ready(fulfillment_order_id=packed(order)[0].pk, actor="lea")
    send_all()
    assert post.subjects()[-1].endswith(f"order {order.number} is ready at Lyon store")
    assert "5 rue Mercière\n69002 Lyon\nFrance\n" in post.text()
    assert "Monday: 10:00 AM to 12:30 PM, 2:00 PM to 7:00 PM\n" in post.text()
    assert "Sunday: closed\n" in post.text()


def test_opening_hours_nobody_can_read_do_not_stop_the_message(company, post):
    Location.objects.filter(code="LYON").update(opening_hours={"mon": "ten to six"})
    order = company.place(("TEE", 1), delivery=PICKUP)
    work.ready(fulfillment_order_id=packed(order)[0].pk, actor="lea")
    send_all()
    assert "Collect it here:\nLyon\nFrance\n" in post.text()
    assert "Open:" not in post.text()


def test_a_cancellation_says_what_stays_and_that_money_goes_back(company, post):
    order = company.place(("CAP", 2))
    ship(packed(order)[0])
    cancellation.cancel(order_id=order.pk, reason="other", note="internal words", actor="lea")
    send_all()
    text = post.mails[-2].get_body(("plain",)).get_content()
    assert f"Part of your order {order.number} was canceled:" in text
    assert text.count("1 x Cap") == 2
    assert "a separate message says how much" in text
    assert "internal words" not in text
    assert post.subjects()[-1] == "€15.00 from Maestro Demo Company is on its way back to you"


def test_one_refund_over_two_payments_is_one_message(company, post):
    order = company.place(
        ("TEE", 1),
        payments=[
            {"reference": "a", "method": "card", "state": "captured", "amount": "20.00"},
            {"reference": "b", "method": "voucher", "state": "captured", "amount": "4.90"},
        ],
    )
    send_all()
    payments.refund(order=order, amount=Decimal("22.00"), reason="r", key="k", actor="lea")
    send_all()
    assert len(post.mails) == 2
    assert "€22.00 of your order" in post.text()
    assert "€20.00 by card\n€2.00 by voucher\n" in post.text()


def asked_back(order: Order) -> int:
    ship_and_deliver(order)
    lines = [(line.pk, 1) for line in order.lines.all()]
    return process.request(order_id=order.pk, lines=lines, reason="unwanted", by="customer").pk


def ship_and_deliver(order: Order) -> None:
    parcel = ship(packed(order)[0])
    work.track(parcel_id=parcel, status="delivered", at=timezone.now(), actor="carrier")


def test_an_approved_return_says_what_may_come_back(company, post):
    rma = asked_back(company.place(("TEE", 2)))
    process.approve(return_id=rma, actor="lea")
    send_all()
    assert post.subjects()[-1] == f"Your return R{rma} to Maestro Demo Company is approved"
    assert "1 x Tee" in post.text()


def test_a_declined_return_says_why(company, post):
    rma = asked_back(company.place(("TEE", 2)))
    process.decline(return_id=rma, reason="The seal\nis broken", actor="lea")
    send_all()
    assert "The reason: The seal is broken\n" in post.text()
    assert "The seal is broken" in post.html()


def test_a_return_that_was_called_off_meanwhile_is_not_announced(company, post):
    rma = asked_back(company.place(("TEE", 2)))
    process.approve(return_id=rma, actor="lea")
    process.cancel(return_id=rma, actor="lea")
    send_all()
    assert Notification.objects.get(template="return_approved").reason == (
        "outdated: the return is canceled"
    )


# --- other people's words ------------------------------------------------------------------------


def test_names_of_any_script_arrive_as_they_are(company, post, settings):
    settings.COMPANY_NAME = "Živa Trgovina, Ltd."
    order = company.place(("TEE", 1))
    OrderContact.objects.update(name="山田 太郎")
    OrderLine.objects.update(name="Tričko „Žluťoučký kůň“ 🐎")
    send_all()
    [mail] = post.mails
    assert post.subjects() == [f"Your Živa Trgovina, Ltd. order {order.number} is confirmed"]
    assert mail["From"].addresses[0].display_name == "Živa Trgovina, Ltd."
    assert "Hello 山田 太郎," in post.text()
    assert "Tričko „Žluťoučký kůň“ 🐎" in post.text()


@pytest.mark.parametrize("broken", ["\n", "\r\n", "\r", "\u2028", "\x0b"])
def test_no_name_can_add_a_header_or_a_paragraph(company, post, settings, broken):
    evil = f"Lyon{broken}Bcc: all@example.org{broken}{broken}Pay here"
    settings.COMPANY_NAME = evil
    Location.objects.filter(code="LYON").update(name=evil)
    order = company.place(("TEE", 1), delivery=PICKUP, external_id="X")
    OrderContact.objects.update(name=evil)
    OrderLine.objects.update(name=evil)
    work.ready(fulfillment_order_id=packed(order)[0].pk, actor="lea")
    send_all()
    [mail] = post.mails
    assert mail["Bcc"] is None
    assert "Lyon Bcc: all@example.org Pay here" in mail["Subject"]
    assert all(not line.startswith(("Bcc:", "Pay")) for line in post.text().splitlines())


def test_control_characters_and_turned_directions_become_spaces():
    assert words.one_line("a\x1b[2Jb\u202emoc.evil\x00 ") == "a [2Jb moc.evil"


def test_markup_in_a_name_is_text_in_both_bodies(company, post):
    company.place(("TEE", 1))
    OrderLine.objects.update(name="<b>Salt</b> & Pepper")
    send_all()
    assert "1 x <b>Salt</b> & Pepper" in post.text()
    assert "&lt;b&gt;Salt&lt;/b&gt; &amp; Pepper" in post.html()
    assert "<b>" not in post.html()


@pytest.mark.parametrize(
    "name", ["Win at https://evil.example", "www.evil.example", "x" * 61, "me@evil.example"]
)
def test_a_name_that_is_an_advertisement_is_not_greeted(company, post, name):
    company.place(("TEE", 1))
    OrderContact.objects.update(name=name)
    send_all()
    assert post.text().startswith("Hello,\n")


# --- dates and places ----------------------------------------------------------------------------

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def zone(country, lng=None, pickup=None) -> str:
    place = pickup and SimpleNamespace(timezone=pickup)
    order = SimpleNamespace(pickup_location=place, placed_at=NOON)
    return words.zone_of(order, SimpleNamespace(country=country, lng=lng)).key


def test_a_date_is_the_customers_not_the_servers():
    assert zone("JP") == "Asia/Tokyo"
    assert zone("GB") == "Europe/London"
    assert zone("FR", pickup="Europe/Riga") == "Europe/Riga"
    assert zone("") == "Europe/Paris"
    assert zone("XX") == "Europe/Paris"


def test_in_a_country_of_many_zones_the_longitude_decides():
    def hours(lng):
        return NOON.astimezone(ZoneInfo(zone("US", lng))).utcoffset() / timedelta(hours=1)

    assert hours(-74.0) == -5  # New York
    assert hours(-87.6) == -6  # Chicago
    assert hours(-118.2) == -8  # Los Angeles


def test_a_day_is_told_in_words_with_its_year_when_it_is_another_one():
    tokyo, paris = ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Paris")
    evening = datetime(2026, 12, 31, 19, tzinfo=UTC)
    assert words.day(evening, zone=paris, now=NOON) == "Thursday, December 31"
    assert words.day(evening, zone=tokyo, now=NOON) == "Friday, January 1, 2027"


def test_an_american_address_has_its_state():
    place = SimpleNamespace(
        line1="1 Main St", line2="", city="Austin", region="TX", postcode="78701", country="US"
    )
    assert words.address(place, name="Bo") == [
        "Bo",
        "1 Main St",
        "Austin, TX 78701",
        "United States",
    ]
