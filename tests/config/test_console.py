"""The console for every role: pages answer quickly, facts are read-only, actions need a right."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from config import outbox
from config.demo.company import ROLES
from config.models import Job, JobRun, OutboxRow
from config.site import level
from inventory.models import Stock, StockMovement
from orders import cancellation, holds, stages
from orders.models import Allocation, Hold, Order, OrderEvent, Refund
from reports import figures
from tests.returns import journeys

pytestmark = pytest.mark.django_db
MOST = 25  # SQL statements of one page
OWN_VIEWS = ("admin:index", "managers", "managers-csv", "invariants", "mailbox:list")
FACTS = {
    "on_hand", "reserved", "unavailable", "safety", "state", "queue", "quantity", "received",
    "amount", "captured", "refunded", "total", "subtotal", "discount_total", "shipping_total",
    "tax_total", "promised_at", "refund_amount", "shipping_refund", "tracking_status",
    "shipped_at", "delivered_at",
}  # fmt: skip


def hold(order, blocks=("route", "ship")) -> Hold:
    return holds.place(
        order_id=order.pk, type="manual", handle="h", reason="call first", blocks=blocks,
        actor="sam",
    )  # fmt: skip


def some_orders(company, count: int) -> list[Order]:
    """Orders in every stage: returned, delivered, canceled, on hold, unfillable, to route."""
    company.web.on_shortage = "queue"
    company.web.save()
    made = []
    for i in range(count):
        order = company.place(("TEE", 2), ("MUG", 1)) if i % 6 != 4 else company.place(("SOLD", 1))
        if i % 6 in {0, 1}:
            journeys.deliver(order)
        if i % 6 == 0:
            rma = journeys.send_back(order, TEE=1)
            if i == 0:
                journeys.arrive(rma, company.locations["LYON"], TEE=1)
        if i % 6 == 2:
            cancellation.cancel(order_id=order.pk, reason="customer", actor="sam")
        if i % 6 == 3:
            hold(order)
        if i % 6 == 4:
            outbox.drain("route")
        made.append(order)
    outbox.drain("notify")
    return made


@pytest.fixture
def boss(company, client, django_user_model):
    user = django_user_model.objects.create_user("boss", is_staff=True, is_superuser=True)
    Job.objects.create(kind="stock", title="levels.csv", created_by=user)
    JobRun.objects.create(job="check_invariants", slot=timezone.now())
    client.force_login(user)
    return client


def with_role(role: str, django_user_model) -> Client:
    """A person as the demo makes one."""
    group = Group.objects.create(name=role)
    group.permissions.set(Permission.objects.filter(content_type__app_label__in=ROLES[role]))
    user = django_user_model.objects.create_user(role, is_staff=True)
    user.groups.add(group)
    client = Client()
    client.force_login(user)
    return client


def pages() -> dict[str, str]:
    """Every list and, where there is a row, its newest page; and the views of our own."""
    found = {name: reverse(name) for name in OWN_VIEWS}
    for model in admin.site._registry:
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        found[f"list of {name}"] = reverse(f"admin:{name}_changelist")
        if row := model._default_manager.order_by("pk").first():
            found[f"page of {name}"] = reverse(f"admin:{name}_change", args=[row.pk])
    return found


def cost(client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as statements:
        answer = client.get(url)
        if answer.streaming:
            b"".join(answer.streaming_content)
    assert answer.status_code == 200, url
    return len(statements)


def counted(client) -> dict[str, int]:
    return {name: cost(client, url) for name, url in pages().items()}


def test_no_page_asks_more_when_there_is_more_to_show(company, boss):
    some_orders(company, 6)
    counted(boss)  # warms what is kept between requests
    few = counted(boss)
    some_orders(company, 24)
    many = counted(boss)

    assert {name: n for name, n in many.items() if n > MOST} == {}
    grown = {name: (few[name], n) for name, n in many.items() if name in few and n > few[name]}
    assert grown == {}


def test_every_tile_counts_what_its_list_shows(company, boss):
    some_orders(company, 12)
    tiles = boss.get("/admin/").context["tiles"]
    shown = {t["tile"].stage: boss.get(t["url"]).context["cl"].result_count for t in tiles}

    assert shown == {t["tile"].stage: t["tile"].orders for t in tiles}
    assert (shown["on_hold"], shown["unfillable"], shown["shipped_today"]) == (2, 2, 4)
    tabs = stages.counts()
    assert {stage: shown[stage] for stage in tabs} == tabs


@pytest.mark.parametrize("role", ROLES)
def test_each_role_can_open_all_that_it_is_offered(company, django_user_model, role):
    some_orders(company, 6)
    client = with_role(role, django_user_model)
    home = client.get("/admin/")
    offered = {
        item["link"]
        for group in home.context["sidebar_navigation"]
        for item in group["items"]
        if item["has_permission"]
    }
    written = set(re.findall(r'href="(/[^"]*)"', home.content.decode()))

    assert reverse("admin:orders_order_changelist") in offered
    assert (reverse("admin:inventory_stock_changelist") in offered) == (role != "customer_service")
    assert (reverse("invariants") in offered) == (role == "operations")
    assert reverse("admin:auth_user_changelist") not in offered
    pages_of_home = {u for u in offered | written if u.startswith("/admin/") and "logout" not in u}
    answers = {url: client.get(url.replace("&amp;", "&")).status_code for url in pages_of_home}
    assert {url: code for url, code in answers.items() if code != 200} == {}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_reads_an_order(company, django_user_model, role):
    order = some_orders(company, 1)[0]
    answer = with_role(role, django_user_model).get(page_of(order))

    assert answer.status_code == 200
    assert "Return items" in answer.content.decode()


def test_a_person_without_rights_sees_an_empty_home_and_no_lists(company, django_user_model):
    client = Client()
    client.force_login(django_user_model.objects.create_user("new", is_staff=True))

    assert client.get("/admin/").status_code == 200
    assert "oms-tile" not in client.get("/admin/").content.decode()
    assert client.get(reverse("admin:orders_order_changelist")).status_code == 403


def test_no_form_lets_anybody_write_a_fact(company, boss):
    some_orders(company, 6)
    editable = {}
    for name, url in pages().items():
        if name.startswith("page of"):
            answer = boss.get(url)
            fields = set(answer.context["adminform"].form.fields) & FACTS
            for inline in answer.context["inline_admin_formsets"]:
                for form in inline.formset.forms:
                    fields |= set(form.fields) & FACTS
            if fields:
                editable[name] = fields

    assert editable == {}


def page_of(order, *parts: str) -> str:
    return reverse("admin:orders_order_change", args=[order.pk]).replace(
        "/change/", "/" + "/".join(parts or ["change"]) + ("" if parts else "/")
    )


def buttons(order, held) -> dict[str, tuple[str, dict]]:
    stock = Stock.objects.order_by("pk").first()
    dead = OutboxRow.objects.order_by("pk").first()
    return {
        "hold": (reverse("admin:orders_order_hold_order", args=[order.pk]),
                 {"type": "manual", "reason": "fraud?", "blocks": "ship"}),
        "route": (reverse("admin:orders_order_route_again", args=[order.pk]), {}),
        "resolve": (reverse("admin:orders_hold_resolve_one", args=[held.pk]), {}),
        "cancel": (reverse("admin:orders_order_cancel_order", args=[order.pk]),
                   {"reason": "customer"}),
        "adjust": (reverse("admin:inventory_stock_adjust", args=[stock.pk]),
                   {"change": "-1", "reason": "lost", "note": "", "seen": str(stock.on_hand)}),
        "retry": (reverse("admin:config_outboxrow_retry_one", args=[dead.pk]), {}),
    }  # fmt: skip


def traces() -> tuple:
    """What any change of stock, orders or work leaves behind."""
    return (
        OrderEvent.objects.count(), StockMovement.objects.count(), Refund.objects.count(),
        list(Hold.objects.order_by("pk").values_list("pk", "state")),
        list(Allocation.objects.order_by("pk").values_list("pk", "state", "reservation_id")),
        list(OutboxRow.objects.order_by("pk").values_list("pk", "attempts", "next_at")),
    )  # fmt: skip


@pytest.fixture
def scene(company):
    order = company.place(("TEE", 1))
    return order, hold(order)


def test_a_get_changes_nothing(company, boss, scene):
    before = traces()
    for url, _ in buttons(*scene).values():
        assert boss.get(url).status_code == 200, url
    for url in pages().values():
        boss.get(url)

    assert traces() == before


def test_actions_need_the_right_to_change(company, scene, django_user_model):
    reader = django_user_model.objects.create_user("reader", is_staff=True)
    reader.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client = Client()
    client.force_login(reader)
    before = traces()

    codes = {name: client.post(url, data).status_code for name, (url, data) in
             buttons(*scene).items()}  # fmt: skip
    assert codes == dict.fromkeys(codes, 403)
    assert traces() == before
    shown = client.get(page_of(scene[0])).content.decode()
    assert "Resolve" not in shown
    assert "/cancel" not in shown


def test_every_action_works_for_who_may(company, boss, scene):
    order, held = scene
    codes = {name: boss.post(url, data).status_code for name, (url, data) in
             buttons(order, held).items()}  # fmt: skip

    assert codes == dict.fromkeys(codes, 302)
    order.refresh_from_db()
    held.refresh_from_db()
    assert (order.state, held.state) == ("canceled", "resolved")
    assert order.events.filter(kind="order.canceled", actor="boss").count() == 1
    assert StockMovement.objects.filter(reason="lost", actor="boss").count() == 1


def test_a_cancel_that_comes_too_late_says_why(company, boss):
    order = journeys.deliver(company.place(("TEE", 1)))
    answer = boss.post(
        reverse("admin:orders_order_cancel_order", args=[order.pk]), {"reason": "customer"}
    )

    assert answer.status_code == 200
    assert "no unit of" in answer.content.decode()
    assert order.events.filter(kind="order.canceled").count() == 0
    shown = boss.get(page_of(order)).context["actions_detail"]
    offered = [a["path"] for group in shown for a in group.get("items", [group])]
    assert not [path for path in offered if "/cancel" in path or "/hold" in path]


def test_a_hold_is_resolved_from_the_orders_page(company, boss, scene):
    order, held = scene
    url = reverse("admin:orders_hold_resolve_one", args=[held.pk])
    assert f'action="{url}"' in boss.get(page_of(order)).content.decode()

    answer = boss.post(url, follow=True)
    assert answer.redirect_chain == [(page_of(order), 302)]
    assert "Hold resolved: call first" in answer.content.decode()


def test_the_timeline_speaks_to_people(company, boss):
    order = journeys.deliver(company.place(("TEE", 2)))
    rma = journeys.come_back(order, company.locations["LYON"], TEE=1)
    shown = [entry.words for entry in boss.get(page_of(order)).context["timeline"]]

    assert len(shown) == order.events.count()
    for words in (
        "Routed 2 units to Lyon store",
        "Lyon store accepted the work",
        "Parcel delivered",
        f"Return {rma.number}: 1 unit arrived at Lyon store",
    ):
        assert words in shown
    assert not [words for words in shown if re.search(r"[{\[]|\w+\.\w+ed\b", words)]


def test_addresses_that_lead_nowhere_are_not_found(company, boss):
    for name in ("orders_order_hold_order", "orders_order_change", "orders_hold_resolve_one",
                 "inventory_stock_adjust", "config_outboxrow_change"):  # fmt: skip
        for key in ("abc", "99999999"):
            url = reverse(f"admin:{name}", args=[key])
            assert boss.get(url).status_code in {301, 302, 404}, url


def test_a_tile_turns_red_with_the_age_of_its_oldest():
    now = timezone.now()
    old = now - timezone.timedelta(minutes=11)
    assert level(figures.Tile("to_route", 0, None), now=now) == "quiet"
    assert level(figures.Tile("to_route", 1, now), now=now) == "busy"
    assert level(figures.Tile("to_route", 1, old), now=now) == "danger"
    assert level(figures.Tile("on_hold", 1, old), now=now) == "warning"
    assert level(figures.Tile("unfillable", 1, now), now=now) == "danger"
