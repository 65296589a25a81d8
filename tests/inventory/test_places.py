"""Stock points: described in words, switched at once, closed without losing an order."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.models import OutboxRow
from inventory import availability, ledger, places
from inventory.ledger import hot
from inventory.models import (
    Capacity,
    Location,
    PoolLocation,
    Reservation,
    SpecialDay,
    StockMovement,
    StockPool,
)
from orders.models import Allocation
from routing import closing
from routing.tasks import retry_unfillable
from tests.routing import scenes

pytestmark = pytest.mark.django_db


def page(place, *parts):
    url = reverse("admin:inventory_location_change", args=[place.pk])
    return url.replace("/change/", f"/{parts[0]}") if parts else url


def press(console, place, button):
    url = reverse(f"admin:inventory_location_{button}", args=[place.pk])
    return console.post(url, follow=True).content.decode()


def buttons(console, place):
    actions = console.get(page(place)).context["actions_detail"]
    return {one["path"].rstrip("/").rpartition("/")[2] for one in actions}


def routed(company, *items, to="LYON", **changes):
    order = company.place(*items, **changes)
    scenes.work("route")
    assert set(scenes.claimed(order)) == {to}
    return order


# --- closing (case 33) ---------------------------------------------------------------------------


def test_a_place_with_claims_is_closed_its_orders_go_elsewhere_and_then_it_is_archived(
    company, console
):
    lyon = company.locations["LYON"]
    order = routed(company, ("TEE", 4))
    delete = reverse("admin:inventory_location_delete", args=[lyon.pk])
    assert console.post(delete, {"post": "yes"}).status_code == 403
    assert "was open" not in press(console, lyon, "close")
    assert "LYON" not in {
        point.code
        for point in availability.points(pool=company.pool.pk, skus=["TEE"])["TEE"].points
    }
    scenes.work("closed", "route")
    assert "LYON" not in scenes.claimed(order)
    assert sum(scenes.claimed(order).values()) == 4
    assert order.decisions.latest("id").cause == "closed"
    assert order.events.filter(kind="allocation.requeued", data__reason="closed").exists()
    scenes.check()

    assert "is not empty: " in press(console, lyon, "archive")
    empty = [
        ledger.Entry(row.product_id, lyon.pk, "adjustment", on_hand=-row.on_hand)
        for row in lyon.stock.filter(on_hand__gt=0)
    ]
    ledger.post(empty, actor="test")
    assert "is archived" in press(console, lyon, "archive")
    shown = console.get(reverse("admin:inventory_location_changelist"))
    assert lyon not in set(shown.context["cl"].queryset)
    assert lyon in set(console.get(shown.request["PATH_INFO"], {"state": "archived"})
                       .context["cl"].queryset)  # fmt: skip
    assert StockMovement.objects.filter(location=lyon).count() > 4
    assert console.get(page(lyon)).status_code == 200


def test_what_is_picked_is_finished_where_it_is(company):
    picked, fresh = routed(company, ("TEE", 1)), routed(company, ("TEE", 1))
    Allocation.objects.filter(order=picked).update(state="picked")
    places.close(company.locations["LYON"], actor="sam")
    scenes.work("closed", "route")
    assert scenes.claimed(picked) == {"LYON": 1}
    assert "LYON" not in scenes.claimed(fresh)


def test_a_pick_up_waits_for_its_customer(company):
    order = routed(company, ("TEE", 1), delivery={"method": "pickup", "location": "LYON",
                                                  "service": "standard"})  # fmt: skip
    places.close(company.locations["LYON"], actor="sam")
    scenes.work("closed", "route")
    assert [queue for queue, _, _ in scenes.waiting(order)] == ["pickup_refused"]
    assert not scenes.claimed(order)


def test_baskets_lose_what_they_hold_there_and_transfers_keep_it(company):
    tee, lyon = company.products["TEE"].pk, company.locations["LYON"].pk
    for owner in ("basket", "transfer"):
        ledger.reserve([ledger.Claim(1, tee, lyon, 2, 1)], owner_type=owner, actor="test")
    places.close(company.locations["LYON"], actor="sam")
    scenes.work("closed")
    assert list(Reservation.objects.values_list("owner_type", flat=True)) == ["transfer"]


def test_a_hot_sale_there_ends(company):
    tee, lyon = company.products["TEE"].pk, company.locations["LYON"]
    assert hot.split(product=tee, location=lyon.pk, shares=2, actor="test")
    places.close(lyon, actor="sam")
    scenes.work("closed")
    assert not Reservation.objects.exists()
    assert scenes.stock(company, "TEE", "LYON").reserved == 0


def test_many_orders_are_taken_in_turns(company, monkeypatch):
    monkeypatch.setattr(closing, "AT_ONCE", 2)
    orders = [routed(company, ("TEE", 1)) for _ in range(5)]
    places.close(company.locations["LYON"], actor="sam")
    scenes.work(*["closed"] * 3, "route")
    assert all("LYON" not in scenes.claimed(order) for order in orders)
    assert OutboxRow.objects.filter(topic="closed").count() == 3


def test_a_place_that_opens_again_in_time_keeps_its_orders(company):
    order = routed(company, ("TEE", 1))
    places.close(company.locations["LYON"], actor="sam")
    assert places.reopen(company.locations["LYON"])
    scenes.work("closed", "route")
    assert scenes.claimed(order) == {"LYON": 1}


def test_what_got_there_at_the_moment_of_closing_is_found_soon(company):
    """A routing that had looked before the place was closed commits after its work was done."""
    places.close(company.locations["LYON"], actor="sam")
    scenes.work("closed")
    Location.objects.filter(code="LYON").update(active=True)
    order = routed(company, ("TEE", 1))
    Location.objects.filter(code="LYON").update(active=False)
    retry_unfillable()
    assert closing.sweep() == 0, "it is being worked on"
    scenes.work("closed", "route")
    assert "LYON" not in scenes.claimed(order)


# --- switches ------------------------------------------------------------------------------------


def test_each_state_offers_what_it_can_become(company, console):
    lyon = company.locations["LYON"]
    assert buttons(console, lyon) == {"offline", "close"}
    assert "is not sold online" in press(console, lyon, "go_offline")
    assert buttons(console, lyon) == {"online", "close"}
    assert "was not sold online already" in press(console, lyon, "go_offline")
    assert "is open" in press(console, lyon, "go_online")
    press(console, lyon, "close")
    assert buttons(console, lyon) == {"reopen", "archive"}
    assert "is open" in press(console, lyon, "reopen")


def test_nothing_is_promised_from_a_place_that_is_offline_and_its_orders_stay(company):
    order = routed(company, ("TEE", 1))
    places.switch_online(company.locations["LYON"], on=False)
    assert "LYON" not in scenes.claimed(company.place(("TEE", 1)))
    assert scenes.claimed(order) == {"LYON": 1}
    assert not OutboxRow.objects.filter(topic="closed").exists()


def test_an_open_place_is_not_archived_and_what_is_on_its_way_is_named(company):
    riga = company.locations["RIGA"]
    with pytest.raises(places.NotPossible, match="close it first"):
        places.archive(riga)
    places.close(riga, actor="sam")
    with pytest.raises(places.NotPossible, match="150 units on hand"):
        places.archive(riga)
    assert str(places.Left(0, 3, 1)) == "3 units claimed, 1 deliveries and transfers open"


def test_the_form_does_not_undo_a_switch_made_meanwhile(company, console):
    lyon = company.locations["LYON"]
    data = form_of(console, page(lyon))
    places.switch_online(lyon, on=False)
    answer = console.post(page(lyon), data | {"name": "Lyon, renamed"})
    assert answer.status_code == 302, answer.context["errors"]
    lyon.refresh_from_db()
    assert (lyon.name, lyon.online) == ("Lyon, renamed", False)


# --- the form ------------------------------------------------------------------------------------


def form_of(console, url):
    """What the page would send if nobody changed anything."""
    context = console.get(url).context
    data = {}
    forms = [context["adminform"].form]
    for inline in context["inline_admin_formsets"]:
        forms += [inline.formset.management_form, *inline.formset.initial_forms]
    for form in forms:
        for bound in form:
            value = bound.value()
            if value is not None and value is not False:
                data[bound.html_name] = "on" if value is True else value
    return data


def new_place(**changes):
    return {
        "code": "NICE", "name": "Nice", "kind": "store", "line1": "1 Promenade", "city": "Nice",
        "region": "", "postcode": "06000", "country": "fr", "lat": "", "lng": "",
        "timezone": "Europe/Paris", "cutoff": "15:00", "lead_days": "0", "handling_order": "1",
        "handling_line": "1", "can_ship": "on", "capacity_per_day": "", "wms_url": "",
        "capacities-TOTAL_FORMS": "0", "capacities-INITIAL_FORMS": "0",
        "special_days-TOTAL_FORMS": "0", "special_days-INITIAL_FORMS": "0", **changes,
    }  # fmt: skip


def test_a_place_is_described_as_people_do_and_found_on_the_map(company, console):
    data = new_place(mon_hours="10:00-13:00, 14:00-19:00", sat_hours="9:00-12:30",
                     sat_cutoff="11:00")  # fmt: skip
    answer = console.post(reverse("admin:inventory_location_add"), data)
    assert answer.status_code == 302, answer.context["errors"]
    nice = Location.objects.get(code="NICE")
    assert (round(nice.lat), round(nice.lng), nice.country) == (44, 7, "FR")
    assert nice.opening_hours["mon"] == [["10:00", "13:00"], ["14:00", "19:00"]]
    assert nice.opening_hours["sat"] == [["09:00", "12:30"]]
    assert nice.opening_hours["sun"] == []
    assert nice.cutoffs == {"sat": "11:00"}
    again = form_of(console, page(nice))
    assert again["mon_hours"] == "10:00-13:00, 14:00-19:00"
    console.post(page(nice), again | {"mon_hours": "", "sat_hours": "", "sat_cutoff": ""})
    nice.refresh_from_db()
    assert (nice.opening_hours, nice.cutoffs) == ({}, {})


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [({"timezone": "Paris"}, "timezone", "no such time zone"),
     ({"country": "XX"}, "country", "no such country"),
     ({"lat": "91"}, "lat", "less than or equal"),
     ({"lat": "43.7"}, "lat", "both latitude and longitude"),
     ({"tue_hours": "10-19"}, "tue_hours", "no time like"),
     ({"fri_cutoff": "noon"}, "fri_cutoff", "no time like")],
)  # fmt: skip
def test_what_is_wrong_is_said_beside_its_field(company, console, changes, field, words):
    answer = console.post(reverse("admin:inventory_location_add"), new_place(**changes))
    assert words in str(answer.context["adminform"].form.errors[field])
    assert not Location.objects.filter(code="NICE").exists()


def test_capacity_and_holidays_are_rows_of_the_page(company, console):
    data = new_place(**{
        "capacities-TOTAL_FORMS": "1", "capacities-0-weekday": "5",
        "capacities-0-delivery": "ship", "capacities-0-orders": "20", "capacities-0-units": "",
        "special_days-TOTAL_FORMS": "1", "special_days-0-date": "2026-12-25",
        "special_days-0-name": "Christmas", "special_days-0-opens": "",
        "special_days-0-closes": "",
    })  # fmt: skip
    answer = console.post(reverse("admin:inventory_location_add"), data)
    assert answer.status_code == 302, answer.context["errors"]
    row = Capacity.objects.get()
    assert (row.weekday, row.delivery, row.orders, row.units) == (5, "ship", 20, None)
    assert str(SpecialDay.objects.get()) == "Christmas 2026-12-25"
    wrong = data | {"code": "N2", "special_days-0-opens": "10:00"}
    answer = console.post(reverse("admin:inventory_location_add"), wrong)
    assert "Give both times" in answer.content.decode()


def test_who_may_only_look_reads_the_week_in_words(company, client, django_user_model):
    from django.contrib.auth.models import Permission

    Location.objects.filter(code="LYON").update(opening_hours={"mon": [["10:00", "12:00"]]})
    reader = django_user_model.objects.create_user("reader", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(reader)
    shown = client.get(page(company.locations["LYON"])).content.decode()
    assert "Monday 10:00-12:00; Tuesday closed" in shown
    assert client.post(reverse("admin:inventory_location_close",
                               args=[company.locations["LYON"].pk])).status_code == 403  # fmt: skip


# --- pools ---------------------------------------------------------------------------------------


def test_a_stock_point_counted_twice_in_a_pool_is_refused_in_words(company, console):
    lyon = company.locations["LYON"].pk
    rows = {f"poollocation_set-{n}-{name}": value for n in range(2)
            for name, value in (("location", lyon), ("buffer", n))}  # fmt: skip
    data = {"code": "two", "name": "Two", "poollocation_set-TOTAL_FORMS": "2",
            "poollocation_set-INITIAL_FORMS": "0", **rows}  # fmt: skip
    answer = console.post(reverse("admin:inventory_stockpool_add"), data)
    assert "its stock would be counted double" in answer.content.decode()
    assert not StockPool.objects.filter(code="two").exists()
    data["poollocation_set-1-location"] = company.locations["WH"].pk
    assert console.post(reverse("admin:inventory_stockpool_add"), data).status_code == 302
    assert PoolLocation.objects.filter(pool__code="two").count() == 2


def test_a_pools_page_says_who_promises_from_it_and_what_is_in_it(company, console):
    page_ = reverse("admin:inventory_stockpool_change", args=[company.pool.pk])
    words = console.get(page_).content.decode()
    assert "Web shop" in words
    assert "Lyon store (LYON)" in words
    with CaptureQueriesContext(connection) as few:
        console.get(page_)
    for n in range(20):
        place = Location.objects.create(code=f"S{n}", name="S", kind="store", country="FR", lat=1,
                                        lng=1)  # fmt: skip
        PoolLocation.objects.create(pool=company.pool, location=place)
    with CaptureQueriesContext(connection) as many:
        console.get(page_)
    assert len(many) == len(few)
    data = form_of(console, page_) | {"poollocation_set-0-buffer": "7"}
    assert console.post(page_, data).status_code == 302
    assert list(PoolLocation.objects.filter(buffer=7).values_list("location__code")) == [("WH",)]

    url = reverse("admin:inventory_stockpool_delete", args=[company.pool.pk])
    assert "The channel Web shop promises from it" in console.get(url).content.decode()
    assert console.post(url, {"post": "yes"}).status_code in {200, 403}
    assert StockPool.objects.filter(pk=company.pool.pk).exists()
