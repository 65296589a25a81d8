"""Bulk actions: the list says which orders, a person sees them first, each has its own answer."""

import pytest
from django.urls import reverse

from config.models import Job, JobRow
from orders import holds
from orders.models import Order
from tests.config.test_console import with_role
from tests.returns import journeys
from tests.uploads import work

pytestmark = pytest.mark.django_db
LIST = "/admin/orders/order/"


def pick(console, deed: str, orders=(), *, across: bool = False, query: str = ""):
    """Choose an action in the list, as the browser sends it; answers the page that asks."""
    picked = {"action": f"bulk_{deed}", "_selected_action": [o.pk for o in orders],
              "select_across": "1" if across else "0", "index": "0"}  # fmt: skip
    return console.post(f"{LIST}{query}", picked, follow=True)


def begin(console, answer, data=None) -> Job:
    """Fill in what the page asks; the job that is checked then."""
    url = answer.redirect_chain[-1][0]
    done = console.post(url, data or {})
    job = Job.objects.latest("pk")
    assert done.status_code == 302, done.context["form"].errors
    assert done.url == reverse("admin:config_job_change", args=[job.pk])
    work()
    return job


def accept(console, job: Job) -> dict[str, tuple[str, str]]:
    """Apply it; the answer of each order."""
    assert console.post(reverse("admin:config_job_apply_job", args=[job.pk])).status_code == 302
    work()
    job.refresh_from_db()
    assert job.state == Job.State.DONE
    return {row.reference: (row.outcome, row.message) for row in job.rows.all()}


def test_orders_of_a_query_are_held_and_let_go_again(console, company):
    orders = [company.place(("TEE", 1)) for _ in range(3)]
    other = company.place(("MUG", 1), customer={"email": "x@example.org", "name": "", "phone": ""})
    closed = journeys.deliver(company.place(("TEE", 1)))
    asked = pick(console, "hold", [other], across=True, query="?q=ana%40example.org")
    assert "4 orders" in asked.content.decode()
    assert other.number not in asked.content.decode()

    job = begin(console, asked, {"reason": "recall"})
    shown = console.get(reverse("admin:config_job_change", args=[job.pk])).content.decode()
    assert all(order.number in shown for order in [*orders, closed])
    assert not Order.objects.filter(holds__isnull=False).exists()

    company.place(("TEE", 1))  # too late: nobody saw it
    answers = accept(console, job)
    assert answers == {
        **{o.number: ("changed", "held: recall") for o in orders},
        closed.number: ("failed", "is closed"),
    }
    assert all(holds.blocking(order.pk, "ship") for order in orders)

    console.post(reverse("admin:config_job_undo_job", args=[job.pk]))
    work()
    undo = Job.objects.latest("pk")
    assert {row.reference for row in undo.rows.all()} == {order.number for order in orders}
    accept(console, undo)
    assert not any(holds.blocking(order.pk, "ship") for order in orders)
    again = console.post(reverse("admin:config_job_undo_job", args=[job.pk]))
    assert again.status_code == 200
    assert Job.objects.count() == 2


def test_undoing_a_tag_leaves_what_was_tagged_before(console, company):
    before, new = company.place(("TEE", 1), tags=["vip"]), company.place(("TEE", 1))
    job = begin(console, pick(console, "tag", [before, new]), {"tag": " VIP "})
    assert accept(console, job) == {
        before.number: ("same", "was tagged vip before"), new.number: ("changed", "tagged vip"),
    }  # fmt: skip
    console.post(reverse("admin:config_job_undo_job", args=[job.pk]))
    work()
    accept(console, Job.objects.latest("pk"))
    assert [Order.objects.get(pk=o.pk).tags for o in (before, new)] == [["vip"], []]


def test_one_order_that_cannot_be_canceled_stops_no_other(console, company):
    orders = [company.place(("TEE", 1)) for _ in range(3)]
    job = begin(console, pick(console, "cancel", orders), {"reason": "stock", "note": ""})
    journeys.deliver(orders[1])  # after the preview
    answers = accept(console, job)
    assert [answers[o.number][0] for o in orders] == ["changed", "failed", "changed"]
    assert "no unit of" in answers[orders[1].number][1]
    assert [Order.objects.get(pk=o.pk).state for o in orders] == ["canceled", "closed", "canceled"]
    job.refresh_from_db()
    assert (job.done, job.failed) == (2, 1)
    assert "undo" not in {a["path"] for a in console.get(
        reverse("admin:config_job_change", args=[job.pk])).context["actions_detail"]}  # fmt: skip


def test_holds_are_resolved_orders_routed_and_checked(console, company):
    order = company.place(("TEE", 1))
    holds.place(order_id=order.pk, type="manual", handle="h", reason="call", actor="sam")
    job = begin(console, pick(console, "resolve", [order]))
    assert accept(console, job) == {order.number: ("changed", "resolved: placed by staff: call")}
    assert accept(console, begin(console, pick(console, "check", [order])))[order.number][0] == (
        "changed"
    )
    assert accept(console, begin(console, pick(console, "route", [order]))) == {
        order.number: ("changed", "is being routed")
    }


def test_who_may_not_see_all_jobs_watches_their_own(company, console, django_user_model):
    order = company.place(("TEE", 1))
    clerk = with_role("customer_service", django_user_model)
    job = begin(clerk, pick(clerk, "tag", [order]), {"tag": "call"})
    page = reverse("admin:config_job_change", args=[job.pk])
    assert clerk.get(page).status_code == 200
    assert accept(clerk, job)[order.number][0] == "changed"

    foreign = begin(console, pick(console, "tag", [order]), {"tag": "other"})
    for name in ("change", "apply_job", "discard_job"):
        url = reverse(f"admin:config_job_{name}", args=[foreign.pk])
        assert clerk.post(url).status_code in {302, 403}
    foreign.refresh_from_db()
    assert foreign.state == Job.State.PREVIEW
    assert [j.pk for j in clerk.get("/admin/config/job/").context["cl"].result_list] == [job.pk]


@pytest.mark.parametrize(
    "address",
    ["bulk/nothing/", "bulk/unhold/", "bulk/hold/?ids=1,x", "bulk/hold/?query=nofield__x%3D1"],
)
def test_addresses_that_mean_nothing_are_not_found(console, company, address):
    assert console.get(LIST + address).status_code == 404
    assert not JobRow.objects.exists()
