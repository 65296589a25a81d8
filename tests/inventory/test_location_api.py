"""Stock points over REST: read, and set; each key its own, bad input named."""

import pytest
from django.utils import timezone

from config.models import OutboxRow
from inventory.models import Capacity, Location, SpecialDay
from orders.keys import COMPANY_SCOPES
from orders.models import ApiKey

pytestmark = pytest.mark.django_db


@pytest.fixture
def erp(company):
    """The key of the company's own system."""
    _, key = ApiKey.objects.create_key(name="erp", scopes=COMPANY_SCOPES)
    return key


def ask(client, key, path="", method="get", data=None):
    options = {"headers": {"Authorization": f"Bearer {key}"}}
    if data is not None:
        options |= {"data": data, "content_type": "application/json"}
    return getattr(client, method)(f"/api/v1/locations{path}", **options)


def patch(client, key, data, code="LYON"):
    return ask(client, key, f"/{code}", "patch", data)


def test_the_company_sees_all_and_a_stock_point_itself(client, company, erp):
    assert {row["code"] for row in ask(client, erp).json()["results"]} == set(company.locations)
    mine = company.location_key("LYON")
    assert [row["code"] for row in ask(client, mine).json()["results"]] == ["LYON"]
    assert ask(client, mine, "/LYON").json()["city"] == "Lyon"
    assert ask(client, mine, "/PARIS").status_code == 404
    assert patch(client, mine, {"online": False}, "PARIS").status_code == 404
    assert ask(client, company.web_key).status_code == 403


def test_the_list_is_narrowed_by_kind_and_hides_the_archived(client, company, erp):
    Location.objects.filter(code="RIGA").update(active=False, archived=True)
    codes = {row["code"] for row in ask(client, erp, "?kind=warehouse").json()["results"]}
    assert codes == {"WH"}
    assert [r["code"] for r in ask(client, erp, "?archived=true").json()["results"]] == ["RIGA"]
    assert ask(client, erp, "?knd=store").status_code == 400


def test_hours_capacity_and_switches_are_set_and_the_rest_stays(client, company, erp):
    answer = patch(client, erp, {
        "online": False, "opening_hours": {"mon": [["9:00", "13:00"], ["14:00", "19:00"]]},
        "cutoff": "16:30", "cutoffs": {"mon": "12:00"}, "lead_days": 1, "capacity_per_day": 40,
        "capacities": [{"weekday": "sat", "delivery": "ship", "orders": 5},
                       {"weekday": None, "delivery": "any", "units": 100}],
        "special_days": [{"date": "2026-12-25", "name": "Christmas"},
                         {"date": "2026-12-24", "name": "Eve", "opens": "10:00",
                          "closes": "14:00"}],
    })  # fmt: skip
    assert answer.status_code == 200, answer.json()
    said = answer.json()
    assert said == ask(client, erp, "/LYON").json()
    assert said["opening_hours"] == {"mon": [["09:00", "13:00"], ["14:00", "19:00"]]}
    assert (said["online"], said["active"], said["cutoff"]) == (False, True, "16:30:00")
    assert said["capacities"] == [
        {"weekday": "sat", "delivery": "ship", "orders": 5, "units": None},
        {"weekday": None, "delivery": "any", "orders": None, "units": 100},
    ]
    assert [day["date"] for day in said["special_days"]] == ["2026-12-24", "2026-12-25"]
    assert Capacity.objects.get(weekday=5).orders == 5

    again = patch(client, erp, {"capacities": []}).json()
    assert again["capacities"] == []
    assert again["special_days"] == said["special_days"]
    assert patch(client, erp, {"capacity_per_day": None}).json()["capacity_per_day"] is None


def test_what_it_answers_can_be_sent_back(client, company, erp):
    SpecialDay.objects.create(location=company.locations["LYON"], date=timezone.now().date(),
                              name="fair")  # fmt: skip
    Capacity.objects.create(location=company.locations["LYON"], weekday=0, units=3)
    said = ask(client, erp, "/LYON").json()
    names = ("opening_hours", "cutoffs", "cutoff", "capacities", "special_days", "online")
    assert patch(client, erp, {name: said[name] for name in names}).json() == said


def test_closing_and_opening_are_the_same_as_in_the_console(client, company, erp):
    key = company.location_key("LYON")
    assert patch(client, key, {"active": False}).json()["active"] is False
    work = OutboxRow.objects.get(topic="closed")
    assert work.subject == company.locations["LYON"].pk
    patch(client, key, {"active": False})
    assert OutboxRow.objects.filter(topic="closed").count() == 1
    assert patch(client, key, {"active": True}).json()["active"] is True


@pytest.mark.parametrize(
    ("data", "pointer"),
    [({"opening_hours": {"mon": [["19:00", "10:00"]]}}, "/opening_hours/mon"),
     ({"opening_hours": {"someday": []}}, "/opening_hours/someday"),
     ({"opening_hours": []}, "/opening_hours"), ({"opening_hours": None}, "/opening_hours"),
     ({"cutoffs": {"sat": "noon"}}, "/cutoffs/sat"), ({"cutoffs": {"sat": 11}}, "/cutoffs/sat"),
     ({"cutoff": "25:00"}, "/cutoff"), ({"online": "yes"}, "/online"), ({"online": 1}, "/online"),
     ({"active": None}, "/active"), ({"capacity_per_day": -1}, "/capacity_per_day"),
     ({"capacity_per_day": 2**31}, "/capacity_per_day"), ({"lead_days": 1.0}, "/lead_days"),
     ({"capacities": [{"weekday": "monday"}]}, "/capacities/0/weekday"),
     ({"capacities": [{"orders": 1}, {"orders": 2}]}, "/capacities/1"),
     ({"capacities": [{"wekday": "mon"}]}, "/capacities/0/wekday"),
     ({"capacities": [{}] * 25}, "/capacities"),
     ({"special_days": [{"date": "2026-12-25", "name": "a"}] * 2}, "/special_days/1"),
     ({"special_days": [{"date": "2026-12-25", "name": "a", "opens": "10:00"}]},
      "/special_days/0/opens"),
     ({"special_days": [{"date": "2026-13-25", "name": "a"}]}, "/special_days/0/date"),
     ({"name": "x"}, "/name"), ({"archived": True}, "/archived"), ([], "/")],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_is_written(client, company, erp, data, pointer):
    before = Location.objects.values().get(code="LYON")
    body = {**data, "online": False} if isinstance(data, dict) and "online" not in data else data
    answer = patch(client, erp, body)
    assert answer.status_code == 400, answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert Location.objects.values().get(code="LYON") == before
    assert not Capacity.objects.exists()
