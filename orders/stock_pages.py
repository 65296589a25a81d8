"""The console's page that explains what a channel can promise of a product, step by step."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.admin.sites import site
from django.contrib.auth.decorators import permission_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from inventory.models import Product
from inventory.waterfall import Row, Step
from orders import offer
from orders.models import ChannelStock, SalesChannel, StockCrossing
from orders.offer import Explained

MOST_FOUND = 25
MOST_CROSSINGS = 8

# step: (list that shows its rows, its query, permission); the SKU is searched for in each.
_List = tuple[str, dict[str, str], str]
_STOCK: _List = ("admin:inventory_stock_changelist", {}, "inventory.view_stock")
_LISTS: dict[str, _List] = {
    "reserved": ("admin:inventory_reservation_changelist", {}, "inventory.view_reservation"),
    "waiting": ("admin:orders_allocation_changelist", {"state__exact": "queued"},
                "orders.view_allocation"),
    "threshold": ("admin:inventory_stockrule_changelist", {"kind__exact": "threshold"},
                  "inventory.view_stockrule"),
}  # fmt: skip
_WITHOUT_ROWS = {"floor", "not_sold", "available", "short"}


class Ask(forms.Form):
    """Which product, in which channel, as of when (UTC; empty: now)."""

    q = forms.CharField(
        label="Product", required=False, max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "SKU, name or barcode", "type": "search"}),
    )  # fmt: skip
    channel = forms.ModelChoiceField(
        SalesChannel.objects.order_by("name"), to_field_name="code", required=False,
        empty_label=None,
    )  # fmt: skip
    at = forms.DateTimeField(
        label="As of (UTC)", required=False,
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "step": "1"}, format="%Y-%m-%dT%H:%M:%S"
        ),
    )  # fmt: skip

    def clean_q(self) -> str:
        return str(self.cleaned_data["q"]).replace("\0", "").strip()

    def clean_at(self) -> datetime | None:
        at: datetime | None = self.cleaned_data["at"]
        if at is not None and at > timezone.now():
            raise forms.ValidationError("That moment is still to come; leave it empty for now.")
        return at


@site.admin_view
@permission_required("inventory.view_stock", raise_exception=True)
def availability(request: HttpRequest) -> HttpResponse:
    """The waterfall of one product in one channel, now or as of a moment."""
    first = SalesChannel.objects.order_by("-active", "id").first()
    given = request.GET.copy()
    given.setdefault("channel", first.code if first else "")
    form = Ask(given)
    asked = form.cleaned_data if form.is_valid() else {}
    channel = asked.get("channel") or first
    products = _found(asked.get("q", ""))
    context = {
        **site.each_context(request), "title": "Availability", "form": form, "channel": channel,
        "q": asked.get("q", ""), "products": products, "now": timezone.now(),
    }  # fmt: skip
    if channel is None or form.errors:
        context |= {"products": []}
    elif len(products) == 1:
        context |= _shown(request, offer.explained(channel, products[0], at=asked.get("at")))
    else:
        context |= {"crossings": _crossings(channel), "more": len(products) > MOST_FOUND}
    return TemplateResponse(request, "admin/stock/availability.html", context)


def _found(q: str) -> list[Product]:
    """The product of this SKU or barcode, else those that have the words in SKU or name."""
    if not q:
        return []
    exact = list(Product.objects.filter(Q(sku=q) | Q(gtin=q))[:2])
    if len(exact) == 1:
        return exact
    matching = Product.objects.filter(Q(sku__icontains=q) | Q(name__icontains=q))
    return list(matching.order_by("-active", "sku")[: MOST_FOUND + 1])


def _crossings(channel: SalesChannel) -> list[StockCrossing]:
    newest = StockCrossing.objects.filter(channel=channel).select_related("product")
    return list(newest.order_by("-number")[:MOST_CROSSINGS])


def _shown(request: HttpRequest, found: Explained) -> dict[str, Any]:
    top = max([step.left for step in found.steps] + [step.before for step in found.steps] + [1])
    low = min([step.left for step in found.steps] + [0])
    return {
        "found": found, "product": found.product,
        "steps": [_step(request, step, found, top=top, low=low) for step in found.steps],
        "places": [_place(row, found.available) for row in found.facts.rows],
        "told": _told(found.told), "was": found.at is not None,
        "movements": _list("admin:inventory_stockmovement_changelist", product=found.product.pk),
        "published": _list("admin:orders_channelstock_changelist", q=found.product.sku),
    }  # fmt: skip


def _step(
    request: HttpRequest, step: Step, found: Explained, *, top: int, low: int
) -> dict[str, Any]:
    """A step with its bar in percent: what it takes or gives, or all that is left at either end."""
    whole = step.key in {"physical", "available"}
    start, end = (0, step.left) if whole else sorted((step.before, step.left))
    span = top - low
    return {
        "step": step, "whole": whole, "url": _rows_of(request, step, found),
        "x": round(100 * (start - low) / span, 2),
        "width": round(max(100 * (end - start) / span, 0.4 if end > start else 0), 2),
        "level": "total" if whole else "up" if step.change > 0 else "down",
        "parts": [(part, _stock_url(found.product, part.location)) for part in step.parts],
        "reasons": [(name.replace("_", " "), units) for name, units in step.reasons.items()],
    }  # fmt: skip


def _rows_of(request: HttpRequest, step: Step, found: Explained) -> str:
    """The list with the rows behind a step; of a past moment the ledger is, and "" for none."""
    if step.key in _WITHOUT_ROWS or found.at is not None or not step.change:
        return ""
    target, query, permission = _LISTS.get(step.key, _STOCK)
    if not request.user.has_perm(permission):
        return ""
    rule = step.key == "threshold"  # rules know no single product
    return _list(target, **query) if rule else _list(target, **query, q=found.product.sku)


def _list(target: str, **query: Any) -> str:
    return f"{reverse(target)}?{urlencode(query)}"


def _stock_url(product: Product, location: int) -> str:
    query = {"q": product.sku, "location__id__exact": location}
    return _list("admin:inventory_stock_changelist", **query)


def _place(row: Row, available: int) -> dict[str, Any]:
    return {
        "row": row, "promised": min(row.free, available),
        "pickup": min(row.free, available) if row.can_pickup else 0,
        "level": "success" if row.counts else "warning" if row.in_pool else "info",
    }  # fmt: skip


def _told(told: ChannelStock | None) -> dict[str, Any] | None:
    if told is None:
        return None
    return {
        "row": told,
        "sent": told.sent == told.quantity,
        "confirmed": told.acknowledged == told.quantity,
    }


urlpatterns = [path("", availability, name="availability-page")]
