"""The console explains every figure and shows where a channel knows another one."""

import pytest
from django.urls import reverse

from inventory import ledger
from inventory.models import Product
from orders import publishing
from orders.models import ChannelStock, StockCrossing
from tests.moments import pause

PAGE = "/admin/availability/"
LIST = "/admin/orders/channelstock/"


@pytest.fixture
def published(company):
    publishing.publish_all()
    return company


def said(console, url, **query):
    answer = console.get(url, query)
    assert answer.status_code == 200
    return answer.content.decode()


def test_an_empty_page_says_what_to_do(console, published):
    page = said(console, PAGE)
    assert "Search a product" in page
    assert "Nothing has crossed zero yet" in page


def test_without_any_channel_it_says_so(console, db):
    assert "There is no sales channel yet" in said(console, PAGE, q="TEE")


def test_a_product_is_explained_with_links_to_its_rows(console, published):
    published.place(("TEE", 3))
    page = said(console, PAGE, q="TEE", channel="web")
    for words in (
        "Reserved",
        "Promised in queues",
        "Safety stock",
        "not told yet",
        "being updated",
    ):
        assert words in page
    assert "<strong>217</strong> can be promised" in page
    rows = f"{reverse('admin:inventory_reservation_changelist')}?q=TEE"
    assert rows in page
    assert console.get(rows).status_code == 200
    assert console.get("/admin/inventory/stock/?q=TEE&location__id__exact="
                       f"{published.locations['WH'].pk}").status_code == 200  # fmt: skip


def test_a_word_finds_products_and_a_barcode_finds_one(console, published):
    Product.objects.create(sku="TEE-2", name="Tee two")
    assert "Which of these?" in said(console, PAGE, q="tee")
    assert "Tee two" in said(console, PAGE, q="tee")
    assert "can be promised" in said(console, PAGE, q=published.products["MUG"].gtin)
    assert "Try less of it" in said(console, PAGE, q="nothing like it")


def test_the_page_goes_back_in_time(console, published):
    then = pause()
    ledger.post([ledger.Entry(published.products["TEE"].pk, published.locations["WH"].pk,
                              "adjustment", on_hand=-50)], actor="test")  # fmt: skip
    at = then.strftime("%Y-%m-%dT%H:%M:%S.%f")
    assert "<strong>220</strong> can be promised" in said(console, PAGE, q="TEE", at=at)
    assert "<strong>170</strong> can be promised" in said(console, PAGE, q="TEE")


@pytest.mark.parametrize(
    "query", [{"at": "2999-01-01T00:00"}, {"at": "x"}, {"channel": "nope"}, {"q": "a\0b"}]
)
def test_nonsense_is_answered_with_words(console, published, query):
    said(console, PAGE, **{"q": "TEE", **query})


def test_the_page_needs_the_permission(client, django_user_model, published):
    client.force_login(django_user_model.objects.create_user("eve", is_staff=True))
    assert client.get(PAGE).status_code == 403


def test_figures_that_differ_are_listed_and_counted(console, published):
    page = publishing.changes(published.web, since=0, limit=10)
    publishing.sent(page)
    publishing.confirmed(published.web, upto=page[-1].number)
    published.place(("TEE", 3))
    publishing.publish_all()
    shown = said(console, LIST, knows="differs")
    assert "220, differs" in shown
    assert "MUG" not in shown
    assert "Differs" in shown or "differs" in shown
    assert said(console, LIST, knows="untold").count("Why this") == 0


def test_chosen_figures_and_whole_channels_are_told_again(console, published):
    row = ChannelStock.objects.get(product__sku="TEE")
    asked = {"action": "tell_again", "_selected_action": [row.pk]}
    answer = console.post(LIST, asked, follow=True)
    assert "1 figures are told again" in answer.content.decode()
    answer = console.post(f"{LIST}again/", {"channel": published.web.pk}, follow=True)
    assert "4 figures are told again" in answer.content.decode()
    assert ChannelStock.objects.get(product__sku="TEE").number > row.number


def test_crossings_lead_to_their_explanation(console, published):
    published.place(("CAP", 2))
    publishing.publish_all()
    assert StockCrossing.objects.count() == 1
    shown = said(console, "/admin/orders/stockcrossing/")
    assert "Sold out" in shown or "sold out" in shown
    assert f"{PAGE}?q=CAP&amp;channel=web" in shown
    assert "out of stock" in said(console, PAGE)


def test_one_figure_has_a_page(console, published):
    row = ChannelStock.objects.get(product__sku="TEE")
    assert "Why this figure" in said(console, f"{LIST}{row.pk}/change/")


@pytest.mark.parametrize(
    ("url", "secret", "words"),
    [
        ("http://127.0.0.1/stock", "s", "open internet"),
        ("https://user@example.org/", "s", "user name"),
        ("https://example.org:22/", "s", "port 22"),
        ("https://example.org/", "", "signed with it"),
        ("https://example.org/", "s", ""),
    ],
)
def test_a_stock_address_is_checked_when_it_is_saved(console, published, url, secret, words):
    web = published.web
    page = f"/admin/orders/saleschannel/{web.pk}/change/"
    shown = console.get(page).context["adminform"].form
    given = {field.html_name: field.value() for field in shown}
    form = {name: value for name, value in given.items() if value not in (None, False)}
    form |= {"stock_url": url, "stock_secret": secret, "keys-TOTAL_FORMS": 0,
             "keys-INITIAL_FORMS": 0}  # fmt: skip
    answer = console.post(page, form)
    if words:
        assert words in answer.content.decode()
    else:
        assert answer.status_code == 302
