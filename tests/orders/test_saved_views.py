"""A narrowed list is kept under a name, as a tab with its count, for one or for everybody."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from config.models import SavedView
from tests.config.test_console import with_role

pytestmark = pytest.mark.django_db
LIST = "/admin/orders/order/"


def save(client, query: str, name: str, **data):
    return client.post(f"{LIST}views/save/?{query}", {"name": name, **data})


def tabs(client, query: str = "", path: str = LIST) -> list[tuple]:
    shown = client.get(f"{path}?{query}").context["saved_views"]["tabs"]
    return [(t.view.name, t.current, None if t.count is None else str(t.count)) for t in shown]


def test_a_view_is_a_tab_with_its_count(console, company):
    for _ in range(3):
        company.place(("TEE", 1))
    company.place(("TEE", 1), tags=["x"])
    assert "Save this view" not in console.get(LIST).content.decode()
    assert "Save this view" in console.get(f"{LIST}?q=ana").content.decode()

    done = save(console, "q=ana&p=2&state__exact=open", "Ana's", whose="mine")
    assert done.status_code == 302
    assert tabs(console) == [("Ana's", False, "4")]
    assert tabs(console, "state__exact=open&q=ana") == [("Ana's", True, "4")]
    assert tabs(console, path="/admin/orders/hold/") == []
    listed = console.get(done.url)
    assert listed.context["cl"].result_count == 4


def test_a_count_costs_one_statement_and_stops_early(console, company, monkeypatch):
    monkeypatch.setattr("config.saved_views.COUNTED", 2)
    for _ in range(3):
        company.place(("TEE", 1))
    save(console, "stage=to_route", "To route", whose="mine")
    console.get(LIST)
    with CaptureQueriesContext(connection) as one:
        assert tabs(console) == [("To route", False, "2+")]
    save(console, "channel__id__exact=1&source=test", "Ours", whose="mine")
    with CaptureQueriesContext(connection) as two:
        tabs(console)
    assert len(two) - len(one) == 1


def test_a_view_is_ones_own_unless_it_is_shared(console, company, django_user_model):
    clerk = with_role("customer_service", django_user_model)
    save(console, "q=ana", "Mine", whose="mine")
    save(console, "q=tee", "Ours", whose="everybody")
    save(clerk, "q=mug", "Clerk's", whose="everybody")  # a choice they are not given
    assert [name for name, *_ in tabs(clerk)] == ["Ours", "Clerk's"]
    assert [name for name, *_ in tabs(console)] == ["Mine", "Ours"]

    mine, ours, clerks = SavedView.objects.order_by("pk")
    for view, code in ((mine, 404), (ours, 403), (clerks, 302)):
        url = reverse("admin:orders_order_rename_view", args=[view.pk])
        assert clerk.post(url, {"name": "Other"}).status_code == code
    assert [v.name for v in SavedView.objects.order_by("pk")] == ["Mine", "Ours", "Other"]


def test_a_view_is_renamed_and_deleted(console, company):
    save(console, "q=ana", "A", whose="mine")
    save(console, "q=ben", "B", whose="mine")
    taken = save(console, "q=carl", "A", whose="mine")
    assert "There is a view “A” already" in taken.content.decode()
    first = SavedView.objects.get(name="A")
    url = reverse("admin:orders_order_rename_view", args=[first.pk])
    assert "There is a view “B” already" in console.post(url, {"name": "B"}).content.decode()
    assert console.post(url, {"name": "C"}).status_code == 302
    assert [name for name, *_ in tabs(console)] == ["C", "B"]
    console.post(reverse("admin:orders_order_delete_view", args=[first.pk]))
    assert [name for name, *_ in tabs(console)] == ["B"]


def test_a_view_whose_query_no_longer_fits_stays_a_tab_without_a_count(console, company):
    user = console.get(LIST).wsgi_request.user
    SavedView.objects.create(user=user, model="orders.order", name="Old", query="gone__x=1")
    assert tabs(console) == [("Old", False, None)]


@pytest.mark.parametrize("query", ["", "p=3", "q=" + "x" * 600])
def test_what_narrows_nothing_or_is_too_long_is_not_kept(console, company, query):
    assert save(console, query, "Name", whose="mine").status_code == 404
    assert not SavedView.objects.exists()
