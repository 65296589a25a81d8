"""The operations console: home page and navigation."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Min, Q
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone

from config.models import Job, JobRun, OutboxRow
from fulfillment.models import FulfillmentOrder
from inventory.models import Supply
from orders.models import Connection, Hold, InboundOrder, Order, Refund, WebhookEndpoint
from orders.money import in_words
from orders.stages import STAGES
from orders.webhooks.endpoints import TROUBLED
from reports import figures
from returns.models import Return

SHOWN_POINTS = 6
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
# stage: (age of the oldest that deserves a look, age that is an alarm, words when it is empty).
AGES: dict[str, tuple[timedelta, timedelta, str]] = {
    "to_route": (2 * _MINUTE, 10 * _MINUTE, "nothing waits"),
    "awaited": (60 * _DAY, 120 * _DAY, "nothing is promised from supply"),
    "routed": (4 * _HOUR, _DAY, "nothing waits"),
    "picking": (4 * _HOUR, _DAY, "nobody picks"),
    "packed": (8 * _HOUR, _DAY, "nothing waits"),
    "shipped_today": (_DAY, 2 * _DAY, "nothing left yet"),
    "unfillable": (timedelta(0), timedelta(0), "all have stock"),
    "on_hold": (timedelta(0), _DAY, "nothing is blocked"),
    "pickup_refused": (timedelta(0), timedelta(0), "none"),
    "cancel_asked": (_HOUR, 4 * _HOUR, "every warehouse has answered"),
}


def style(request: HttpRequest) -> str:
    """The console's own style sheet."""
    return static("console.css")


def icon(request: HttpRequest) -> str:
    """The mark in the browser's tab and above the navigation."""
    return static("maestro.svg")


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fills the home page with what this person may see: the funnel, what waits, the house."""
    may, now = request.user.has_perm, timezone.now()
    todo = [row for row in _WAITING if may(row[0])]
    rows = [_waiting(*row[1:]) for row in todo]
    rows = [*(_held() if may("orders.view_hold") else ()), *rows]
    health = _health() if may("config.view_outboxrow") else []
    orders = may("orders.view_order")
    return {
        **context, "title": "Home", "now": now,
        "tiles": _tiles(now) if orders else [],
        "any_order": orders and Order.objects.exists(),
        "todo": rows, "todo_count": sum(row["count"] for row in rows),
        "health": health, "well": not any(row["bad"] for row in health),
        "points": _points(now) if may("fulfillment.view_fulfillmentorder") else None,
        "today": _today(now) if orders else None,
    }  # fmt: skip


def _tiles(now: Any) -> list[dict[str, Any]]:
    orders = reverse("admin:orders_order_changelist")
    return [
        {"words": STAGES[tile.stage][0], "tile": tile, "url": f"{orders}?stage={tile.stage}",
         "level": level(tile, now=now), "empty": AGES[tile.stage][2]}
        for tile in figures.funnel(now=now)
    ]  # fmt: skip


def level(tile: figures.Tile, *, now: Any) -> str:
    """quiet when empty, else busy, warning or danger by the age of its oldest order."""
    if not tile.orders:
        return "quiet"
    if tile.oldest is None or tile.stage == "shipped_today":
        return "busy"
    warn, alarm, _ = AGES[tile.stage]
    age = now - tile.oldest
    return "danger" if age >= alarm else "warning" if age >= warn else "busy"


# Holds that a person decides about: type of the hold -> what waits, how urgent.
_HELD: dict[str, tuple[str, str]] = {
    Hold.Type.ADDRESS: ("addresses to check", "warning"),
    Hold.Type.FRAUD: ("orders to check for fraud", "danger"),
    Hold.Type.PAYMENT: ("payment problems", "danger"),
    Hold.Type.DUPLICATE: ("orders that may be duplicates", "warning"),
}
# (permission, words, list, query, level when there are some, rows)
_WAITING: tuple[tuple[str, str, str, dict[str, str], str, Callable[[], Any]], ...] = (
    ("fulfillment.view_fulfillmentorder", "work of stock points that is late",
     "admin:fulfillment_fulfillmentorder_changelist", {"due": "late"}, "danger",
     lambda: FulfillmentOrder.objects.filter(
         state__in=FulfillmentOrder.OPEN, ship_by__lt=timezone.now())),
    ("returns.view_return", "returns to approve", "admin:returns_return_changelist",
     {"state__exact": "requested"}, "warning",
     lambda: Return.objects.filter(state=Return.State.REQUESTED)),
    ("returns.view_return", "returns to inspect", "admin:returns_return_changelist",
     {"state__exact": "received"}, "warning",
     lambda: Return.objects.filter(state=Return.State.RECEIVED)),
    ("orders.view_refund", "refunds that failed", "admin:orders_refund_changelist",
     {"state__exact": "errored"}, "danger",
     lambda: Refund.objects.filter(state=Refund.State.ERRORED)),
    ("inventory.view_supply", "purchase order lines that are late",
     "admin:inventory_supply_changelist", {"look": "late"}, "warning",
     lambda: Supply.objects.filter(state=Supply.State.OPEN, eta__lt=timezone.now().date())),
    ("orders.view_inboundorder", "orders that were not taken",
     "admin:orders_inboundorder_changelist", {"state__exact": "open"}, "danger",
     lambda: InboundOrder.objects.filter(state=InboundOrder.State.OPEN)),
    ("orders.view_connection", "shop systems that cannot be reached",
     "admin:orders_connection_changelist", {"condition": "failing"}, "danger",
     lambda: Connection.objects.filter(active=True, failures__gt=0)),
    ("orders.view_webhookendpoint", "webhooks that fail or were given up",
     "admin:orders_webhookendpoint_changelist", {"health": "troubled"}, "warning",
     lambda: WebhookEndpoint.objects.filter(TROUBLED)),
    ("config.view_job", "files and bulk actions to decide about", "admin:config_job_changelist",
     {"state__exact": "preview"}, "warning",
     lambda: Job.objects.filter(state=Job.State.PREVIEW)),
)  # fmt: skip


def _waiting(
    words: str, target: str, query: dict[str, str], level: str, rows: Callable[[], Any]
) -> dict[str, Any]:
    return {"words": words, "count": rows().count(), "level": level,
            "url": f"{reverse(target)}?{urlencode(query)}"}  # fmt: skip


def _held() -> list[dict[str, Any]]:
    """What holds wait for, by type, in one statement over open holds."""
    url = reverse("admin:orders_hold_changelist")
    waiting = Hold.objects.filter(state=Hold.State.OPEN, type__in=_HELD).values_list("type")
    counts = dict(waiting.annotate(Count("order", distinct=True)).order_by())
    return [
        {"words": words, "count": counts.get(kind, 0), "level": level,
         "url": f"{url}?{urlencode({'state__exact': 'open', 'type__exact': kind})}"}
        for kind, (words, level) in _HELD.items()
    ]  # fmt: skip


def _points(now: Any) -> list[dict[str, Any]]:
    work = reverse("admin:fulfillment_fulfillmentorder_changelist")
    rows = (
        FulfillmentOrder.objects.filter(state__in=FulfillmentOrder.OPEN)
        .values("location_id", "location__name")
        .annotate(
            open=Count("pk"), late=Count("pk", filter=Q(ship_by__lt=now)), oldest=Min("created_at")
        )
        .order_by("-late", "-open", "oldest")[:SHOWN_POINTS]
    )
    return [
        {"name": row["location__name"], "open": row["open"], "late": row["late"],
         "oldest": row["oldest"],
         "url": f"{work}?due=open&location__id__exact={row['location_id']}"}
        for row in rows
    ]  # fmt: skip


def _today(now: Any) -> list[dict[str, Any]]:
    day = now.astimezone(ZoneInfo(settings.COMPANY_TIME_ZONE)).date()
    return [
        {"channel": row.channel, "orders": row.orders, "units": row.units,
         "value": in_words(row.value, row.currency)}
        for row in figures.sales(figures.Period(day, day))
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


def _may(*permissions: str) -> Callable[[HttpRequest], bool]:
    return lambda request: request.user.has_perms(permissions)  # type: ignore[union-attr]


# What people come for first, tables behind. Beside each: its mark, its page, who may open it.
_Item = tuple[str, str, str, str]
_GROUPS: tuple[tuple[str, bool, tuple[_Item, ...]], ...] = (
    ("Work", False, (
        ("Home", "home", "admin:index", ""),
        ("Orders", "receipt_long", "admin:orders_order_changelist", "orders.view_order"),
        ("Holds", "pause_circle", "admin:orders_hold_changelist", "orders.view_hold"),
        ("Promises", "event_available", "promises", "orders.view_order"),
        ("Not taken", "move_to_inbox", "admin:orders_inboundorder_changelist",
         "orders.view_inboundorder"),
        ("Fulfillment", "local_shipping", "admin:fulfillment_fulfillmentorder_changelist",
         "fulfillment.view_fulfillmentorder"),
        ("Parcels", "package_2", "admin:fulfillment_parcel_changelist", "fulfillment.view_parcel"),
        ("To put back", "shelves", "admin:fulfillment_putback_changelist",
         "fulfillment.view_putback"),
        ("Returns", "assignment_return", "admin:returns_return_changelist",
         "returns.view_return"),
        ("Managers", "monitoring", "managers", "orders.view_order"),
        ("CO₂e", "eco", "co2", "fulfillment.view_parcel"))),
    ("Stock", False, (
        ("Availability", "rule_settings", "availability-page", "inventory.view_stock"),
        ("Matrix", "grid_on", "stock-matrix", "inventory.view_stock"),
        ("Stock by place", "inventory_2", "admin:inventory_stock_changelist",
         "inventory.view_stock"),
        ("Counts", "checklist", "admin:inventory_count_changelist", "inventory.view_count"),
        ("Transfers", "swap_horiz", "admin:inventory_transfer_changelist",
         "inventory.view_transfer"),
        ("Purchase orders", "pallet", "admin:inventory_supply_changelist",
         "inventory.view_supply"),
        ("Slow movers", "hourglass_bottom", "stock-cover", "inventory.view_stock"),
        ("Ledger", "menu_book", "admin:inventory_stockmovement_changelist",
         "inventory.view_stockmovement"),
        ("Claims", "bookmark", "admin:inventory_reservation_changelist",
         "inventory.view_reservation"))),
    ("Stock in and out", True, (
        ("Feeds", "sync_alt", "admin:inventory_stocksource_changelist",
         "inventory.view_stocksource"),
        ("Deliveries", "inbox", "admin:inventory_stockfeed_changelist",
         "inventory.view_stockfeed"),
        ("Published stock", "campaign", "admin:orders_channelstock_changelist",
         "orders.view_channelstock"),
        ("In and out of stock", "swap_vert", "admin:orders_stockcrossing_changelist",
         "orders.view_stockcrossing"),
        ("Senders", "conveyor_belt", "admin:inventory_supplier_changelist",
         "inventory.view_supplier"))),
    ("Stock setup", True, (
        ("Products", "sell", "admin:inventory_product_changelist", "inventory.view_product"),
        ("Stock points", "store", "admin:inventory_location_changelist",
         "inventory.view_location"),
        ("Pools", "hub", "admin:inventory_stockpool_changelist", "inventory.view_stockpool"),
        ("Stock rules", "rule", "admin:inventory_stockrule_changelist",
         "inventory.view_stockrule"),
        ("Holidays", "event_busy", "admin:inventory_specialday_changelist",
         "inventory.view_specialday"))),
    ("Routing", True, (
        ("Rule sets", "tune", "admin:routing_ruleset_changelist", "routing.view_ruleset"),
        ("Runs", "playlist_play", "admin:routing_run_changelist", "routing.view_run"),
        ("Run plans", "event_repeat", "admin:routing_runplan_changelist", "routing.view_runplan"),
        ("Decisions", "alt_route", "admin:routing_decision_changelist", "routing.view_decision"),
        ("Unfillable", "production_quantity_limits",
         "admin:routing_unfillableslice_changelist", "routing.view_unfillableslice"),
        ("Refusals", "block", "admin:routing_refusal_changelist", "routing.view_refusal"),
        ("Refusal reasons", "list_alt", "admin:routing_refusalreason_changelist",
         "routing.view_refusalreason"),
        ("Services and tariffs", "payments", "admin:orders_deliveryservice_changelist",
         "orders.view_deliveryservice"),
        ("Emission factors", "eco", "admin:routing_emissionfactor_changelist",
         "routing.view_emissionfactor"))),
    ("Messages and money", True, (
        ("Messages", "mail", "admin:orders_notification_changelist", "orders.view_notification"),
        ("Caught mail", "drafts", "mailbox:list", "orders.view_notification"),
        ("Payments", "credit_card", "admin:orders_payment_changelist", "orders.view_payment"),
        ("Refunds", "currency_exchange", "admin:orders_refund_changelist", "orders.view_refund"),
        ("Gift cards", "redeem", "admin:orders_giftcard_changelist", "orders.view_giftcard"),
        ("Ledger of payments", "account_balance", "admin:orders_paymententry_changelist",
         "orders.view_paymententry"),
        ("Customers", "group", "admin:orders_customer_changelist", "orders.view_customer"))),
    ("System", True, (
        ("Files in", "upload_file", "admin:config_job_changelist", "config.view_job"),
        ("Work (outbox)", "task", "admin:config_outboxrow_changelist", "config.view_outboxrow"),
        ("Invariants", "verified", "invariants", "config.view_outboxrow"),
        ("Channels", "storefront", "admin:orders_saleschannel_changelist",
         "orders.view_saleschannel"),
        ("Shop systems", "power", "admin:orders_connection_changelist",
         "orders.view_connection"),
        ("Order file columns", "view_column", "admin:orders_columnmapping_changelist",
         "orders.view_columnmapping"),
        ("Webhooks", "webhook", "admin:orders_webhookendpoint_changelist",
         "orders.view_webhookendpoint"),
        ("API keys", "key", "admin:orders_apikey_changelist", "orders.view_apikey"),
        ("Periodic jobs", "schedule", "admin:config_jobrun_changelist", "config.view_jobrun"),
        ("People", "person", "admin:auth_user_changelist", "auth.view_user"),
        ("Roles", "badge", "admin:auth_group_changelist", "auth.view_group"))),
)  # fmt: skip


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar; the theme leaves out what `permission` denies, and groups left empty."""
    return [
        {
            "title": title, "separator": True, "collapsible": collapsible,
            "items": [
                {"title": name, "icon": mark, "link": reverse(target),
                 "permission": _may(*([permission] if permission else []))}
                for name, mark, target, permission in items
            ],
        }
        for title, collapsible, items in _GROUPS
    ]  # fmt: skip
