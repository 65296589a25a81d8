"""The operations console: home page and navigation."""

from typing import Any

from django.db.models import Min
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from config.models import Job, JobRun, OutboxRow
from orders.admin import STAGES
from reports import figures
from returns.models import Return


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fills the home page: the funnel, what needs a person, how the house is doing."""
    orders = reverse("admin:orders_order_changelist")
    tiles = [
        {"words": STAGES[tile.stage][0], "tile": tile, "url": f"{orders}?stage={tile.stage}",
         "alarm": tile.stage in {"unfillable", "on_hold", "pickup_refused"} and tile.orders > 0}
        for tile in figures.funnel(now=timezone.now())
    ]  # fmt: skip
    return {**context, "tiles": tiles, "todo": _todo(), "health": _health()}


def _todo() -> list[dict[str, Any]]:
    returns = reverse("admin:returns_return_changelist")
    jobs = reverse("admin:config_job_changelist")
    asked = Return.objects.filter(state=Return.State.REQUESTED)
    arrived = Return.objects.filter(state=Return.State.RECEIVED)
    waiting = Job.objects.filter(state=Job.State.PREVIEW)
    return [
        {"words": "returns to approve", "count": asked.count(),
         "url": f"{returns}?state__exact=requested"},
        {"words": "returns to inspect", "count": arrived.count(),
         "url": f"{returns}?state__exact=received"},
        {"words": "files waiting for your decision", "count": waiting.count(),
         "url": f"{jobs}?state__exact=preview"},
    ]  # fmt: skip


def _health() -> list[dict[str, Any]]:
    work = reverse("admin:config_outboxrow_changelist")
    open_work = OutboxRow.objects.filter(done_at=None, dead_at=None)
    late = open_work.filter(next_at__lte=timezone.now()).aggregate(oldest=Min("next_at"))["oldest"]
    stuck = OutboxRow.objects.exclude(dead_at=None).count()
    failing = open_work.exclude(last_error="").count()
    check = JobRun.objects.filter(job="check_invariants").order_by("-slot").first()
    broken = sum(1 for count in check.result.values() if count) if check else 0
    checked = f"{broken} broken" if broken else "all hold" if check else "not checked yet"
    return [
        {"words": "work that gave up", "value": stuck, "bad": stuck > 0,
         "url": f"{work}?condition=stuck"},
        {"words": "work that is tried again", "value": failing, "bad": False,
         "url": f"{work}?condition=failing"},
        {"words": "oldest work due", "value": _age(late), "bad": False,
         "url": f"{work}?condition=due"},
        {"words": "invariants", "value": checked, "bad": broken > 0,
         "url": reverse("invariants")},
    ]  # fmt: skip


def _age(since: Any) -> str:
    if since is None:
        return "none"
    seconds = int((timezone.now() - since).total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: what people come for first, tables behind."""
    return [
        _group("Work", ("Home", "home", "admin:index"),
               ("Orders", "receipt_long", "admin:orders_order_changelist"),
               ("Holds", "pause_circle", "admin:orders_hold_changelist"),
               ("Fulfillment", "local_shipping", "admin:fulfillment_fulfillmentorder_changelist"),
               ("Parcels", "package_2", "admin:fulfillment_parcel_changelist"),
               ("Returns", "assignment_return", "admin:returns_return_changelist"),
               ("Managers", "monitoring", "managers")),
        _group("Stock", ("Stock", "inventory_2", "admin:inventory_stock_changelist"),
               ("Ledger", "menu_book", "admin:inventory_stockmovement_changelist"),
               ("Claims", "bookmark", "admin:inventory_reservation_changelist"),
               ("Purchase orders", "pallet", "admin:inventory_supply_changelist"),
               ("Products", "sell", "admin:inventory_product_changelist"),
               ("Stock points", "store", "admin:inventory_location_changelist"),
               ("Pools", "hub", "admin:inventory_stockpool_changelist")),
        _group("Routing", ("Rule sets", "tune", "admin:routing_ruleset_changelist"),
               ("Decisions", "alt_route", "admin:routing_decision_changelist"),
               ("Refusals", "block", "admin:routing_refusal_changelist"),
               ("Tariff", "payments", "admin:routing_tariffband_changelist"),
               ("Emission factors", "eco", "admin:routing_emissionfactor_changelist")),
        _group("Messages and money", ("Messages", "mail", "admin:orders_notification_changelist"),
               ("Caught mail", "drafts", "mailbox:list"),
               ("Payments", "credit_card", "admin:orders_payment_changelist"),
               ("Refunds", "currency_exchange", "admin:orders_refund_changelist"),
               ("Customers", "group", "admin:orders_customer_changelist")),
        _group("System", ("Files in", "upload_file", "admin:config_job_changelist"),
               ("Work (outbox)", "task", "admin:config_outboxrow_changelist"),
               ("Invariants", "verified", "invariants"),
               ("Channels", "storefront", "admin:orders_saleschannel_changelist"),
               ("Periodic jobs", "schedule", "admin:config_jobrun_changelist"),
               ("People", "person", "admin:auth_user_changelist"),
               ("Roles", "badge", "admin:auth_group_changelist")),
    ]  # fmt: skip


def _group(title: str, *items: tuple[str, str, str]) -> dict[str, Any]:
    return {
        "title": title,
        "separator": True,
        "collapsible": title in {"Routing", "Messages and money", "System"},
        "items": [
            {"title": name, "icon": icon, "link": reverse(target)} for name, icon, target in items
        ],
    }
