"""Transfers in the console: lists, buttons, and nothing of other people's stock points."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from inventory import transfers
from inventory.models import Transfer
from inventory.transfers import Arrived
from tests.inventory.test_transfers import buckets, confirmed, draft, line, on_the_road

LIST = "admin:inventory_transfer_changelist"
PAGE = "admin:inventory_transfer_change"


def press(client, row, button, **data):
    url = reverse(f"admin:inventory_transfer_{button}_", args=[row.pk])
    return client.post(url, data, follow=True)


def words(answer):
    return answer.content.decode()


def test_a_transfer_is_made_from_pasted_lines_and_goes_its_way(company, console):
    new = reverse("admin:inventory_transfer_new")
    assert "Make a draft" in words(console.get(new))
    data = {"source": "WH", "destination": "LYON", "lines": "TEE\t12\n\nMUG; 3\n",
            "reference": "", "note": "", "eta": "2026-12-01"}  # fmt: skip
    assert "is a draft" in words(console.post(new, data, follow=True))
    row = Transfer.objects.get()
    assert (row.flow, row.created_by, row.lines.count()) == ("both", "boss", 2)
    assert "is confirmed" in words(press(console, row, "confirm"))
    tee, mug = line(row, "TEE").pk, line(row, "MUG").pk
    sent = {f"sent_{tee}": 10, f"sent_{mug}": 3, "rest": "never"}
    assert "is sent" in words(press(console, row, "ship", **sent))
    assert buckets(company, "TEE", "WH") == (90, 0, 0)
    came = {f"received_{tee}": 8, f"refused_{tee}": 1, f"received_{mug}": 3, f"refused_{mug}": 0}
    assert "is received" in words(press(console, row, "receive", **came))
    page = words(press(console, row, "close"))
    assert "is closed" in page
    for said in ("2 fewer sent", "1 arrived damaged", "1 never arrived", "sent to another"):
        assert said in page


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lines": "TEE twelve"}, "Line 1: write a SKU"),
        ({"lines": "TEE 1\nTEE 2"}, "Line 2: TEE stands twice"),
        ({"lines": "NOPE 1"}, "There is no product NOPE"),
        ({"lines": "TEE 0"}, "units of a product are 1 to"),
        ({"source": "LYON"}, "the same stock point"),
        ({"source": "", "destination": ""}, "needs a destination"),
        ({"reference": "a b"}, "up to 40 letters"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(company, console, changes, said):
    data = {"source": "WH", "destination": "LYON", "lines": "TEE 1", "reference": ""} | changes
    assert said in words(console.post(reverse("admin:inventory_transfer_new"), data))
    assert not Transfer.objects.exists()


def test_what_is_not_free_is_said_in_words(company, console):
    row = draft(company, ("CAP", 2), source="LYON", destination="WH")
    assert "CAP: 2 wanted, 1 free" in words(press(console, row, "confirm"))


def test_only_the_buttons_that_make_sense_are_shown(company, console):
    page = words(console.get(reverse(PAGE, args=[draft(company, ("TEE", 1)).pk])))
    assert "/confirm" in page
    assert "/receive" not in page
    page = words(console.get(reverse(PAGE, args=[on_the_road(company, ("TEE", 1)).pk])))
    assert "/receive" in page
    assert "/cancel" not in page


def test_the_list_is_cut_by_state_and_by_difference(company, console):
    row = on_the_road(company, ("TEE", 3))
    arrived = {line(row, "TEE").pk: Arrived(5, 0)}
    transfers.receive(transfer_id=row.pk, arrived=arrived, actor="lea")
    waiting = confirmed(company, ("TEE", 2))
    over = words(console.get(reverse(LIST), {"difference": "over"}))
    assert row.reference in over
    assert waiting.reference not in over
    to_ship = words(console.get(reverse(LIST), {"state__exact": "confirmed"}))
    assert waiting.reference in to_ship
    assert row.reference not in to_ship


def test_a_list_of_many_asks_no_more_statements(company, console, django_assert_max_num_queries):
    for _ in range(8):
        on_the_road(company, ("TEE", 1), ("MUG", 1))
    with django_assert_max_num_queries(16):
        console.get(reverse(LIST))


# --- own stock points -----------------------------------------------------------------------------


@pytest.fixture
def lea(company):
    """Works at the Lyon store, may change transfers."""
    user = company.user("lea", "LYON", is_staff=True)
    user.user_permissions.set(
        Permission.objects.filter(codename__in=["view_transfer", "change_transfer"])
    )
    client = Client()
    client.force_login(user)
    return client


def test_staff_see_transfers_of_their_own_stock_points_alone(company, lea):
    mine = on_the_road(company, ("TEE", 3))
    other = on_the_road(company, ("TEE", 3), destination="PARIS")
    page = words(lea.get(reverse(LIST)))
    assert mine.reference in page
    assert other.reference not in page
    assert "Paris store" not in page
    assert lea.get(reverse(PAGE, args=[other.pk])).status_code in (302, 404)
    for button in ("confirm", "ship", "receive", "close", "cancel"):
        assert press(lea, other, button).status_code == 404


def test_staff_press_the_buttons_of_their_own_end_alone(company, lea):
    row = confirmed(company, ("TEE", 3))
    assert press(lea, row, "ship").status_code == 404
    assert press(lea, row, "cancel").status_code == 404
    transfers.ship(transfer_id=row.pk, actor="ben")
    tee = line(row, "TEE").pk
    press(lea, row, "receive", **{f"received_{tee}": 3, f"refused_{tee}": 0})
    assert buckets(company, "TEE", "LYON") == (13, 0, 0)


def test_staff_make_transfers_that_touch_their_own_stock_point(company, lea):
    new = reverse("admin:inventory_transfer_new")
    data = {"source": "WH", "destination": "PARIS", "lines": "TEE 1", "reference": ""}
    assert "must be your own" in words(lea.post(new, data))
    assert "is a draft" in words(lea.post(new, data | {"destination": "LYON"}, follow=True))


def test_who_only_looks_presses_nothing(company):
    user = company.user("ida", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_transfer"))
    client = Client()
    client.force_login(user)
    row = draft(company, ("TEE", 3))
    assert row.reference in words(client.get(reverse(LIST)))
    assert press(client, row, "confirm").status_code == 403
