"""Bulk actions of the list of orders: picked rows, or all that the list's query finds."""

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import URLPattern, path, reverse

from config import forms
from config.saved_views import AtLeast, BoundedPaginator, kept_query
from orders import bulk
from orders.models import Order

SAMPLE = 5
MOST_PICKED = 1_000


def _offered(name: str, deed: bulk.Deed) -> Callable[..., HttpResponse]:
    """What the list of actions calls: it leads to the page that asks and counts."""

    def lead(_: Any, request: HttpRequest, __: QuerySet[Order]) -> HttpResponse:
        every = request.POST.get("select_across") == "1"
        picked = [] if every else request.POST.getlist("_selected_action")
        asked = {"query": kept_query(request), "ids": ",".join(picked[:MOST_PICKED])}
        return HttpResponseRedirect(f"{_page(name)}?{urlencode(asked)}")

    lead.__name__ = f"bulk_{name}"
    lead.short_description = deed.title  # type: ignore[attr-defined]
    lead.allowed_permissions = ("handle",)  # type: ignore[attr-defined]
    return lead


def _page(name: str) -> str:
    return reverse("admin:orders_order_bulk", args=[name])


class BulkActions:
    """Mixin of the list of orders."""

    actions = [_offered(name, deed) for name, deed in bulk.DEEDS.items() if deed.offered]
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        """The pages of bulk actions come before the pages of orders."""
        view = self.admin_site.admin_view(self.bulk_view)
        return [
            path("bulk/<slug:name>/", view, name="orders_order_bulk"),
            *super().get_urls(),  # type: ignore[misc]
        ]

    def bulk_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """How many orders it is about and what must be known; then the job shows which."""
        if not self.has_handle_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        deed = bulk.DEEDS.get(name)
        if deed is None or not deed.offered:
            raise Http404(name)
        query, ids = request.GET.get("query", ""), _ids(request.GET.get("ids", ""))

        def effect(data: dict) -> HttpResponse:
            job = bulk.begin(name, query=query, ids=ids, data=data, user=request.user)
            return HttpResponseRedirect(reverse("admin:config_job_change", args=[job.pk]))

        return forms.ask(
            request, site=self.admin_site, title=f"{deed.title}: {_about(request, query, ids)}",
            form=deed.form, effect=effect, submit="Show what would happen", danger=False,
            back=f"{reverse('admin:orders_order_changelist')}?{query}",
            text="Nothing is changed yet: you see every order and what would happen to it first.",
        )  # fmt: skip


def _ids(text: str) -> list[int]:
    if text and not all(part.isascii() and part.isdigit() for part in text.split(",")):
        raise Http404("no such orders")
    return [int(part) for part in text.split(",") if len(part) < 19][:MOST_PICKED] if text else []


def _about(request: HttpRequest, query: str, ids: list[int]) -> str:
    """How many orders, and the numbers of a few, in words."""
    if len(QueryDict(query).urlencode()) > 2_000:
        raise Http404("no such list")
    try:
        orders = bulk.selected({"query": query, "ids": ids}, request.user)
    except (IncorrectLookupParameters, SuspiciousOperation) as error:
        raise Http404("no such list") from error
    count = BoundedPaginator(orders, SAMPLE).count
    shown = ", ".join(order.number for order in orders.order_by("-pk")[:SAMPLE])
    words = "1 order" if count == 1 and not isinstance(count, AtLeast) else f"{count} orders"
    return f"{words}{f' ({shown}, …)' if count > SAMPLE else f' ({shown})' if shown else ''}"
