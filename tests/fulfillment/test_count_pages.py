"""Counting on store pages, as plain forms and as the phone's own calls."""

import json

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inventory import counts
from inventory.models import Count, CountEntry
from tests.fulfillment.stage import statements


@pytest.fixture
def lea(company) -> Client:
    return signed_in(company.user("lea", "LYON"))


@pytest.fixture
def count(company) -> Count:
    return opened(company, "TEE", "MUG")


def opened(company, *skus, **options):
    return counts.start(
        location=company.locations["LYON"].pk, kind=options.pop("kind", "selective"), actor="max",
        products=[company.products[sku].pk for sku in skus], **options,
    )  # fmt: skip


def signed_in(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def words(answer) -> str:
    return answer.content.decode()


def press(client, count, name, section=None):
    section = section or count.sections.order_by("id")[0]
    return client.post(reverse("store:section-press", args=[section.pk, name]), follow=True)


def figure(client, count, **data):
    url = reverse("store:section-figures", args=[count.sections.order_by("id")[0].pk])
    return client.post(url, data, follow=True)


def send(client, count, *rows):
    url = reverse("store:section-figures", args=[count.sections.order_by("id")[0].pk])
    return client.post(url, json.dumps({"rows": list(rows)}), content_type="application/json")


def row(code, found):
    return {"code": code, "found": found, "counted_at": timezone.now().isoformat()}


def hand_in(client, count, **data):
    return client.post(reverse("store:count-hand-in", args=[count.pk]), data, follow=True)


def found(count):
    entries = CountEntry.objects.filter(line__count=count)
    return dict(entries.values_list("line__product__sku", "found"))


def test_an_empty_list_says_when_there_will_be_something(company, lea):
    assert "Nothing to count" in words(lea.get("/store/counts/"))
    assert "/store/counts/" in words(lea.get("/store/"))


def test_the_store_home_shows_that_something_is_to_be_counted(company, lea, count):
    assert "To count" in words(lea.get("/store/"))
    assert "2</span> products" in words(lea.get("/store/counts/"))


def test_a_count_with_plain_forms(company, lea, count):
    assert "Start counting" in words(lea.get(f"/store/counts/{count.pk}/"))
    page = press(lea, count, "take")
    assert 'data-sku="TEE"' in words(page)

    figure(lea, count, code="TEE", token="1")
    figure(lea, count, code="TEE", token="1")  # sent twice by a bad network
    figure(lea, count, code=company.products["TEE"].gtin, token="2")
    figure(lea, count, code="MUG", found="5")
    figure(lea, count, code="BAG", found="4")
    assert found(count) == {"TEE": 2, "MUG": 5, "BAG": 4}

    assert "is counted" in words(press(lea, count, "done"))
    assert "Thank you" in words(hand_in(lea, count))
    count.refresh_from_db()
    assert count.state == "review"
    assert "The manager looks" in words(lea.get(f"/store/counts/{count.pk}/"))


@pytest.mark.parametrize(("data", "said"), [
    ({"code": ""}, "Scan a barcode"), ({"code": "9" * 99}, "not a barcode of ours"),
    ({"code": "NOPE"}, "no product has this SKU"), ({"code": "TEE", "found": "-1"}, "Fewer"),
    ({"code": "TEE", "found": "x"}, "whole number"), ({"code": "TEE", "found": "9" * 12}, "many"),
    ({"code": "<script>x"}, "no product"),
])  # fmt: skip
def test_a_wrong_figure_says_so_on_the_page(company, lea, count, data, said):
    press(lea, count, "take")
    answer = figure(lea, count, **data)
    assert answer.status_code in (409, 422)
    assert said in words(answer)
    assert "<script>x" not in words(answer)
    assert found(count) == {}


def test_the_phone_sends_what_it_kept(company, lea, count):
    press(lea, count, "take")
    rows = [row("TEE", 7), row("NOPE", 1), row("BAG", 2), {"code": "MUG"}]
    answers = send(lea, count, *rows).json()["rows"]

    assert [one["result"] for one in answers] == ["counted", "failed", "counted", "failed"]
    assert answers[2]["name"] == "Bag"
    assert [one["result"] for one in send(lea, count, *rows).json()["rows"]][:3] == [
        "same", "failed", "same"]  # fmt: skip
    assert send(lea, count).status_code == 400
    url = reverse("store:section-figures", args=[count.sections.get().pk])
    assert lea.post(url, "{", content_type="application/json").status_code == 400


def test_a_blind_count_never_shows_what_the_books_say(company, lea):
    tee = company.products["TEE"]
    blind, seeing = opened(company, "TEE"), opened(company, "TEE", blind=False)
    for count, shown in ((blind, False), (seeing, True)):
        assert ("books: 10" in words(press(lea, count, "take"))) is shown
        send(lea, count, row("TEE", 3))
        answer = words(send(lea, count, row("TEE", 3)))
        assert "10" not in answer.replace(tee.gtin, "")
        page = words(lea.get(reverse("store:section", args=[count.sections.get().pk])))
        assert ("books" in page) is shown


def test_a_second_person_sees_who_has_it_and_can_take_over(company, lea, count):
    press(lea, count, "take")
    max_ = signed_in(company.user("max", "LYON"))

    assert "Take it over from lea" in words(max_.get(f"/store/counts/{count.pk}/"))
    assert press(max_, count, "take").status_code == 409
    assert send(max_, count, row("TEE", 1)).status_code == 409
    press(max_, count, "over")

    late = send(lea, count, row("TEE", 1))
    assert late.status_code == 409
    assert "with max" in late.json()["words"]
    assert figure(lea, count, code="TEE").status_code == 409
    press(max_, count, "leave")
    assert "free" in words(lea.get(f"/store/counts/{count.pk}/"))


def test_a_full_count_warns_how_many_were_found_nowhere(company, lea):
    count = opened(company, kind="full", sections=("Aisle", "Back room"))
    aisle, back = count.sections.order_by("id")
    press(lea, count, "take", aisle)
    send(lea, count, row("TEE", 10), row("MUG", 5))
    press(lea, count, "done", aisle)
    assert "Not handed in yet: Back room." in words(hand_in(lea, count))
    press(lea, count, "take", back)
    press(lea, count, "done", back)

    warned = hand_in(lea, count)
    assert warned.status_code == 409
    assert "2 products that the books have here were found nowhere" in words(warned)
    hand_in(lea, count, rest="zero")
    assert found(count) == {"TEE": 10, "MUG": 5, "BAG": 0, "CAP": 0}


def test_what_is_to_be_counted_again_says_so(company, lea, count):
    press(lea, count, "take")
    send(lea, count, row("TEE", 7), row("MUG", 5))
    press(lea, count, "done")
    hand_in(lea, count)
    counts.recount(count_id=count.pk, lines=[count.lines.get(product__sku="TEE").pk], by="max")

    page = words(press(lea, count, "take"))
    assert page.count("count again") == 1
    assert 'value="7"' not in page


def test_another_stores_count_is_not_there(company, lea, count):
    paul = signed_in(company.user("paul", "PARIS"))
    section = count.sections.get().pk
    for url in (f"/store/counts/{count.pk}/", f"/store/counts/section/{section}/",
                "/store/counts/?at=LYON"):  # fmt: skip
        assert paul.get(url).status_code == 404
    for name in ("take", "over", "leave", "done"):
        assert press(paul, count, name).status_code == 404
    assert send(paul, count, row("TEE", 1)).status_code == 404
    assert hand_in(paul, count).status_code == 404
    assert Client().get("/store/counts/").status_code == 302


def test_a_closed_count_is_only_to_read(company, lea, count):
    press(lea, count, "take")
    counts.cancel(count_id=count.pk, actor="max")

    assert send(lea, count, row("TEE", 1)).status_code == 409
    assert press(lea, count, "take").status_code == 409
    page = words(lea.get(f"/store/counts/{count.pk}/"))
    assert "closed" in page
    assert "Start counting" not in page
    section = reverse("store:section", args=[count.sections.get().pk])
    assert lea.get(section).headers["Location"] == f"/store/counts/{count.pk}/"
    assert lea.get(reverse("store:section-press", args=[count.sections.get().pk, "done"])
                   ).status_code == 302  # fmt: skip
    assert press(lea, count, "explode").status_code == 404


def test_statements_do_not_grow_with_the_products(company, lea):
    seen = []
    for skus in (["TEE"], ["MUG", "BAG", "CAP"]):
        count = opened(company, *skus, blind=False)
        press(lea, count, "take")
        send(lea, count, *[row(sku, 1) for sku in skus])
        with statements() as asked:
            lea.get(reverse("store:section", args=[count.sections.get().pk]))
        seen.append(len(asked))
    assert seen[0] == seen[1] <= 6
