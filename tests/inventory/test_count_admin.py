"""Counts in the console: opened, reviewed, decided and posted by people."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from inventory.models import Count, Stock
from tests.inventory.test_counts import Shop, adjusted

LIST = reverse("admin:inventory_count_changelist")


@pytest.fixture
def shop(company):
    return Shop(company)


def page(client, count, **query):
    return client.get(reverse("admin:inventory_count_change", args=[count.pk]), query)


def decide(client, count, **data):
    return client.post(reverse("admin:inventory_count_decide", args=[count.pk]), data, follow=True)


def press(client, count, name, **data):
    return client.post(f"/admin/inventory/count/{count.pk}/{name}/", data, follow=True)


def words(answer):
    return answer.content.decode()


def test_an_empty_list_says_where_to_begin(company, console):
    assert "what to count next" in words(console.get(LIST))


def test_the_list_has_tabs_with_counts_and_how_far_each_is(shop, console):
    count = shop.start("TEE", "MUG", cause="spring")
    shop.find(count, TEE=10)
    text = words(console.get(LIST))
    assert f"Count {count.pk}: 2 products" in text
    assert "1 of 2" in text
    assert "spring" in text
    assert f"Count {count.pk}" in words(console.get(LIST, {"state__exact": "counting"}))
    assert f"Count {count.pk}" not in words(console.get(LIST, {"state__exact": "posted"}))


def test_a_count_is_opened_by_form(company, console):
    url = "/admin/inventory/count/new/"
    form = {
        "location": company.locations["LYON"].pk, "kind": "selective", "skus": "TEE, MUG\nBAG",
        "sections": "Sales floor, Back room", "blind": "on", "tolerance_units": "1",
        "tolerance_percent": "0", "cause": "spring", "due_on": "2026-12-01",
    }  # fmt: skip
    for wrong, said in (
        ({"skus": "TEE, NOPE"}, "no product NOPE"), ({"skus": ""}, "at least one"),
        ({"sections": "A, A"}, "each once"), ({"location": 0}, "valid"),
    ):  # fmt: skip
        assert said in words(console.post(url, form | wrong))
    assert not Count.objects.exists()
    assert "is open" in words(console.post(url, form, follow=True))

    count = Count.objects.get()
    names = list(count.sections.order_by("id").values_list("name", flat=True))
    assert names == ["Sales floor", "Back room"]
    assert count.lines.count() == 3
    full = form | {"kind": "full", "skus": ""}
    console.post(url, full)
    assert "being counted already" in words(console.post(url, full))


def test_the_review_shows_what_was_found_beside_the_books(shop, console):
    count = shop.count(TEE=8, MUG=5)
    text = words(page(console, count))
    assert "1 line to decide" in text
    assert "Books then" in text
    assert 'value="accept"' in text
    assert ">MUG" not in text.split("<tbody>")[1]
    assert "MUG" in words(page(console, count, show="all"))
    assert "within tolerance" not in text


def test_lines_are_decided_and_the_count_is_posted(shop, console):
    count = shop.count(TEE=8, MUG=4, BAG=9)
    line = {sku: f"line_{shop.line(count, sku).pk}" for sku in ("TEE", "MUG", "BAG")}
    said = words(decide(console, count, **{line["TEE"]: "accept", line["MUG"]: "reject"}))
    assert "1 accepted, 1 left as the books have them" in said
    confirm = words(console.get(f"/admin/inventory/count/{count.pk}/post/"))
    assert "1 lines are not decided: their books stay as they are" in confirm
    assert "The books say now" in words(press(console, count, "post"))

    assert adjusted(count) == [("TEE", -2)]
    assert "Posted." in words(page(console, count))


def test_a_threshold_decides_all_open_lines(shop, console):
    count = shop.count(TEE=8, MUG=4, BAG=9)
    assert '"acceptUnits": 1' in words(page(console, count))
    said = words(decide(console, count, units="2"))
    assert "2 lines accepted, 1 to be counted again" in said
    count.refresh_from_db()
    assert count.state == "counting"
    assert count.lines.filter(decision="accept").count() == 2


def test_what_cannot_be_done_is_said_and_changes_nothing(shop, console):
    count = shop.start("TEE")
    line = f"line_{shop.line(count, 'TEE').pk}"
    assert "cannot become" in words(decide(console, count, **{line: "accept"}))
    assert "Nothing was decided" in words(decide(console, count, line_x="accept", line_1="burn"))
    assert "/post/" not in words(page(console, count))
    assert "is canceled" in words(press(console, count, "cancel"))
    assert "/cancel/" not in words(page(console, count))
    assert console.get("/admin/inventory/count/999999/change/").status_code in (302, 404)


def test_what_to_count_next_is_opened_in_one_click(shop, console):
    url = "/admin/inventory/count/next/"
    text = words(console.get(url, {"at": "LYON"}))
    assert "learned from this stock point" in " ".join(text.split())
    assert text.index("TEE") < text.index("CAP")
    assert "nothing to count" in words(console.post(url, {"at": "LYON", "top": "x"}, follow=True))
    console.post(url, {"at": "LYON", "top": "2"})

    count = Count.objects.get()
    assert sorted(count.lines.values_list("product__sku", flat=True)) == ["BAG", "TEE"]
    assert count.location.code == "LYON"
    assert "TEE" not in words(console.get(url, {"at": "LYON"})).split("<tbody>")[1]


def test_people_of_a_stock_point_see_and_do_only_theirs(shop, company):
    count = shop.count(TEE=8)
    paul = company.user("paul", "PARIS", is_staff=True)
    names = ("view_count", "change_count", "view_location")
    paul.user_permissions.set(Permission.objects.filter(codename__in=names))
    client = Client()
    client.force_login(paul)

    assert "Count " + str(count.pk) not in words(client.get(LIST))
    assert page(client, count).status_code in (302, 404)
    assert decide(client, count, units="99").status_code == 404
    assert press(client, count, "post").status_code == 404
    assert "Lyon" not in words(client.get("/admin/inventory/count/next/"))
    assert Stock.objects.get(product__sku="TEE", location=shop.place).on_hand == 10


def test_who_may_only_look_has_no_buttons(shop, company):
    count = shop.count(TEE=8)
    eva = company.user("eva", is_staff=True)
    eva.user_permissions.set(Permission.objects.filter(codename="view_count"))
    client = Client()
    client.force_login(eva)

    text = words(page(client, count))
    assert "Books then" in text
    assert "Save decisions" not in text
    assert decide(client, count, units="99").status_code == 403
    assert press(client, count, "post").status_code == 403
