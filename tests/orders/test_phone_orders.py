"""Order entry by phone: one page, no scripts, and through the same door as every other order."""

import pytest

from orders.models import Order, Payment
from tests.config.test_console import with_role

pytestmark = pytest.mark.django_db
NEW = "/admin/orders/order/new/"
HOME = {"line1": "2 quai du Rhône", "postcode": "69002", "city": "Lyon", "country": "FR"}


def opened(client, query: str = "") -> dict[str, str]:
    """The fields of a fresh page, as a browser would send them back."""
    form = client.get(f"{NEW}{query}").context["form"]
    rows = {"line-TOTAL_FORMS": "1", "line-INITIAL_FORMS": "0", "line-0-quantity": "1"}
    return {**{name: form.data.get(name, "") for name in form.fields}, **rows}


def filled(client, *lines: tuple[str, int], **changes: str) -> dict[str, str]:
    fields = {**opened(client), "email": "eva@example.org", "name": "Eva Roth", **HOME,
              "line-TOTAL_FORMS": str(len(lines))}  # fmt: skip
    for i, (sku, quantity) in enumerate(lines):
        fields |= {f"line-{i}-sku": sku, f"line-{i}-quantity": str(quantity)}
    return fields | changes


def press(client, fields: dict, do: str = "place"):
    return client.post(NEW, {**fields, "do": do})


def told(answer) -> dict:
    """Every field that has something to say, and what."""
    form, rows = answer.context["form"], answer.context["rows"]
    lines = {
        f"line-{i}-{name}": list(words)
        for i, row in enumerate(rows)
        for name, words in row.errors.items()
    }
    return {**{name: list(words) for name, words in form.errors.items()}, **lines}


def test_an_order_is_placed_once_however_often_the_form_is_sent(console, company):
    fields = filled(console, ("TEE", 2), ("MUG", 1), discount="5", shipping="4.90",
                    payment="card", reference="T-77", note="ring twice",
                    **{"line-0-discount": "1.50"})  # fmt: skip
    first, again = press(console, fields), press(console, fields)

    order = Order.objects.get()
    assert first.url == again.url == f"/admin/orders/order/{order.pk}/change/"
    assert (order.source, order.external_id) == ("phone", fields["token"])
    assert (str(order.subtotal), str(order.discount_total), str(order.total)) == (
        "49.5000", "6.5000", "47.9000",
    )  # fmt: skip
    paid = Payment.objects.get()
    assert (paid.method, paid.reference, paid.state, paid.amount) == (
        "card", "T-77", "captured", order.total,
    )  # fmt: skip
    assert order.contact.note == "ring twice"
    assert order.events.get(kind="order.received").actor == "boss"
    assert [(a.line.sku, a.quantity) for a in order.allocations.order_by("line__position")] == [
        ("TEE", 2), ("MUG", 1),
    ]  # fmt: skip

    other = press(console, {**fields, "line-0-quantity": "3"})
    assert "became" in other.content.decode()
    assert Order.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"line-0-sku": "NONE"}, "line-0-sku", "No active product"),
        ({"line-0-sku": ""}, "__all__", "at least one line"),
        ({"line-0-sku": "SOLD"}, "line-0-quantity", ""),
        ({"line-0-quantity": "0"}, "line-0-quantity", "greater than or equal to 1"),
        ({"line-0-quantity": ""}, "line-0-quantity", "How many?"),
        ({"line-0-discount": "99"}, "line-0-discount", "more than the line"),
        ({"discount": "99"}, "discount", "more than the products"),
        ({"shipping": "-1"}, "shipping", "greater than or equal to 0"),
        ({"email": "eva"}, "email", "valid email"),
        ({"country": ""}, "country", "Choose the country"),
        ({"line1": ""}, "line1", ""),
        ({"method": "pickup"}, "location", "Choose the store"),
        ({"payment": "card"}, "reference", "needs its reference"),
        ({"token": "x"}, "token", "Open the page again"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(console, company, changes, field, words):
    answer = press(console, filled(console, ("TEE", 1), **changes))
    assert answer.status_code == 200
    assert any(words in said for said in told(answer).get(field, [])), told(answer)
    assert not Order.objects.exists()


def test_who_bought_before_is_found_and_filled_in(console, company):
    order = company.place(("TEE", 1))
    fields = opened(console)
    found = press(console, {**fields, "person": "živ"}, "find_person")
    assert [p.pk for p in found.context["people"]] == [order.pk]
    taken = press(console, fields, f"take:{order.pk}").context["form"]
    assert [taken[name].value() for name in ("email", "name", "line1", "city", "country")] == [
        "ana@example.org", "Ana Živić", "1 rue de la République", "Lyon", "FR",
    ]  # fmt: skip
    assert opened(console, f"?order={order.pk}")["email"] == "ana@example.org"
    nobody = press(console, {**fields, "person": "\0nobody"}, "find_person")
    assert "Nobody of that" in nobody.content.decode()


def test_products_are_found_with_price_and_availability_and_added(console, company):
    fields = opened(console)
    found = press(console, {**fields, "product": "te"}, "find_product")
    assert [(g.product.sku, g.price, g.available) for g in found.context["products"]] == [
        ("TEE", "€20.00", 220)
    ]
    added = press(console, fields, "add:TEE")
    assert [row["sku"].value() for row in added.context["rows"]] == ["TEE"]
    more = press(console, {**fields, "line-0-sku": "TEE", "line-0-quantity": "2"}, "add:MUG")
    assert [row["sku"].value() for row in more.context["rows"]] == ["TEE", "MUG"]
    assert more.context["sums"]["total"] == "€49.50"
    assert not Order.objects.exists()


def test_a_pick_up_is_paid_at_the_counter(console, company):
    fields = filled(
        console, ("CAP", 1), method="pickup", location="LYON", payment="cash_on_delivery"
    )
    assert press(console, fields).status_code == 302
    order = Order.objects.get()
    assert (order.delivery, order.pickup_location.code) == ("pickup", "LYON")
    assert order.payments.get().state == "pending"


@pytest.mark.parametrize(
    "broken",
    [{"line-TOTAL_FORMS": "99999999999"}, {"line-TOTAL_FORMS": "x"}, {"channel": "none"},
     {"do": "take:٣"}, {"do": "take:" + "9" * 30}, {"do": "add:\0"}, {"person": "%_'"},
     {"line-0-unit_price": "1e999"}, {"line-0-quantity": "9" * 40}],
)  # fmt: skip
def test_no_form_breaks_the_page(console, company, broken):
    fields = {**filled(console, ("TEE", 1)), **broken}
    assert press(console, fields, broken.get("do", "update")).status_code == 200


def test_only_who_may_add_orders_places_them(console, company, django_user_model):
    reader = django_user_model.objects.create_user("reader", is_staff=True)
    console.force_login(reader)
    assert console.get(NEW).status_code == 403
    assert with_role("customer_service", django_user_model).get(NEW).status_code == 200
