"""Keys for stock points and for the company's own systems, made and revoked in the console."""

import re

from django.urls import reverse

from orders.models import ApiKey


def make(console, **values):
    page = console.post(reverse("admin:orders_apikey_new_system_key"), values, follow=True)
    return re.search(r"shown only now: (\S+)", page.content.decode())[1].rstrip("<").split("<")[0]


def get_stock(client, secret):
    return client.get("/api/v1/stock", headers={"Authorization": f"Bearer {secret}"})


def test_a_key_of_the_company_reads_every_stock_point(console, company, client):
    secret = make(console, name="ERP", location="")
    answer = get_stock(client, secret)
    assert answer.status_code == 200, answer.content
    assert {row["location"] for row in answer.json()["results"]} >= {"WH", "LYON"}


def test_a_key_of_a_stock_point_reads_its_own(console, company, client):
    secret = make(console, name="WMS", location="LYON")
    assert {row["location"] for row in get_stock(client, secret).json()["results"]} == {"LYON"}


def test_a_revoked_key_opens_nothing(console, company, client):
    secret = make(console, name="ERP", location="")
    key = ApiKey.objects.get(name="ERP")
    url = reverse("admin:orders_apikey_revoke", args=[key.pk])
    assert "can no longer call" in console.post(url, follow=True).content.decode()
    assert get_stock(client, secret).status_code == 401


def test_the_list_says_whose_key_it_is_and_never_the_key(console, company):
    secret = make(console, name="ERP", location="")
    html = console.get(reverse("admin:orders_apikey_changelist")).content.decode()
    assert "the company&#x27;s systems" in html
    assert secret not in console.get(reverse("admin:orders_apikey_changelist")).content.decode()
