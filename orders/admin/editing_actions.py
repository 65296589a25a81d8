"""Editing an order from its page: fill in, see what it does, apply; and every version beside it."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from rest_framework.exceptions import ValidationError

from config.console import action, found
from config.problems import flat
from orders import editing
from orders.admin.editing_form import EditForm, carried
from orders.admin.links import order_page
from orders.editing import versions
from orders.editing.actions import plain
from orders.models import Order, OrderChange

REFUSALS = (editing.EditRefused, editing.Stale, editing.NotOpen, ValidationError)
LEVELS = {"added": "success", "waits": "warning", "released": "info", "asked_back": "warning",
          "rerouted": "info", "stays": "none"}  # fmt: skip
AMOUNTS = {
    "subtotal": "goods", "discount_total": "discounts", "shipping_total": "shipping",
    "tax_total": "tax", "shipping_tax": "of it on shipping", "total": "total",
}  # fmt: skip


class EditingActions:
    """The actions of the order's page."""

    admin_site: Any

    @action(description="Edit", permissions=["handle"], url_path="edit", icon="edit")
    def edit_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order.objects.select_related("contact", "channel"), object_id)
        form = EditForm(order, request.POST if request.method == "POST" else None)
        step = request.POST.get("step", "")
        try:
            if request.method == "POST":
                _check_version(request, order)
            if request.method == "POST" and step != "back" and form.is_valid():
                return self._step(request, order, form, step)
        except editing.Stale as error:
            form = EditForm(order)
            form.problems = [str(error), "This is the order as it is now."]
        except REFUSALS as error:
            form.problems = _words(error)
        return self._show(
            request, "admin/orders/edit.html", title=f"Edit {order}", order=order, form=form,
            back=order_page(order),
        )  # fmt: skip

    def _step(self, request: HttpRequest, order: Order, form: EditForm, step: str) -> HttpResponse:
        wanted: dict[str, Any] = {
            "order_id": order.pk, "actions": plain(form.actions()), "based_on": order.version,
            "actor": request.user.get_username(),
        }  # fmt: skip
        if step == "apply":
            change = editing.apply(**wanted, reason=form.reason)
            messages.success(request, f"{order} is at version {change.version} now.")
            return HttpResponseRedirect(order_page(order))
        if step == "keep":
            editing.draft(**wanted, reason=form.reason)
            messages.success(request, "The change is kept as a draft, under Versions.")
            return HttpResponseRedirect(order_page(order))
        shown = editing.preview(**wanted)
        return self._show(
            request, "admin/orders/edit_preview.html", title=f"What the change of {order} does",
            order=order, shown=shown, days=_days(shown.promised_before, shown.promised_after),
            effects=[(one, LEVELS[one.what]) for one in shown.effects],
            carried=carried(request.POST), based_on=shown.version,
        )  # fmt: skip

    @action(description="Versions", permissions=["handle"], url_path="versions", icon="history")
    def order_versions(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order.objects.select_related("contact", "channel"), object_id)
        if request.method == "POST":
            self._draft(request, order)
            return HttpResponseRedirect(_versions_page(order))
        rows = versions.all_of(order)
        numbers = [row.number for row in rows]
        left = _chosen(request, "left", numbers, rows[max(len(rows) - 2, 0)].number)
        right = _chosen(request, "right", numbers, rows[-1].number)
        by_number = {row.number: row for row in rows}
        return self._show(
            request, "admin/orders/edit_versions.html", title=f"Versions of {order}", order=order,
            rows=rows, left=left, right=right, back=order_page(order),
            table=_side_by_side(by_number[left], by_number[right]),
            changes={c.version: c for c in order.changes.filter(state="applied")},
            drafts=order.changes.filter(state=OrderChange.State.DRAFT).order_by("id"),
        )  # fmt: skip

    def _draft(self, request: HttpRequest, order: Order) -> None:
        change = found(order.changes.all(), request.POST.get("change", ""))
        try:
            if request.POST.get("step") == "apply":
                done = editing.apply_draft(change_id=change.pk, actor=request.user.get_username())
                messages.success(request, f"{order} is at version {done.version} now.")
            else:
                editing.discard(change_id=change.pk)
                messages.success(request, "The draft is thrown away.")
        except REFUSALS as error:
            for words in _words(error):
                messages.warning(request, words)

    def _show(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        whole = {**self.admin_site.each_context(request), **context}
        return TemplateResponse(request, template, whole)


def _versions_page(order: Order) -> str:
    return reverse("admin:orders_order_order_versions", args=[order.pk])


def _words(error: Exception) -> list[str]:
    """Why it is not done, one sentence each."""
    if isinstance(error, editing.EditRefused):
        return [problem.detail for problem in error.problems]
    if isinstance(error, ValidationError):
        rows = flat(error.detail)
        return [f"{row['pointer'].rpartition('/')[2]}: {row['detail']}" for row in rows]
    return [str(error)]


def _check_version(request: HttpRequest, order: Order) -> None:
    """Raises Stale when the form was filled in for an older version."""
    given = request.POST.get("based_on", "")
    if not given.isascii() or not given.isdigit() or len(given) > 9:
        raise BadRequest("based_on")
    if int(given) != order.version:
        changes = versions.since(order, int(given))
        raise editing.Stale(based_on=int(given), current=order.version, changes=changes)


def _chosen(request: HttpRequest, name: str, numbers: list[int], default: int) -> int:
    given = request.GET.get(name, "")
    return int(given) if given.isdigit() and int(given) in numbers else default


def _days(before: str | None, after: str | None) -> tuple[Any, Any, bool]:
    """Both days as moments, and whether it comes later."""
    was, is_ = (parse_datetime(day) if day else None for day in (before, after))
    return was, is_, bool(is_ and (was is None or is_ > was))


def _side_by_side(left: Any, right: Any) -> list[tuple[str, list[tuple[str, str, str, bool]]]]:
    """Sections of rows (what, left, right, whether they differ)."""
    found = []
    for section, was, is_ in zip(
        ("Lines", "Delivery", "Amounts"), _read(left), _read(right), strict=True
    ):
        names = dict.fromkeys([*was, *is_])
        found.append((section, [
            (name, was.get(name, ""), is_.get(name, ""), was.get(name) != is_.get(name))
            for name in names
        ]))  # fmt: skip
    return found


def _read(version: Any) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    document, contact = version.document, version.contact
    lines = {
        f"line {row['position']}": f"{row['quantity']} × {row['sku']} at {row['unit_price']}"
        + (f", discount {row['discount']}" if row["discount"].strip("0.") else "")
        + f": {row['total']}"
        for row in document["lines"]
        if row["quantity"]
    }
    way = _named(document["delivery"], ("method", "location", "service", "wanted_on"))
    way |= _named(contact.get("shipping_address") or {}, versions.ADDRESS)
    for group in document["deliveries"]:
        to = (contact.get("addresses") or {}).get(group["key"]) or {}
        parts = [group["method"], group["location"], to.get("line1"), to.get("city")]
        way[f"delivery {group['key']}"] = ", ".join(part for part in parts if part)
    if document["promised_at"]:
        way[versions.WORDS["promised_at"]] = document["promised_at"][:10]
    return lines, way, {words: document["amounts"][name] for name, words in AMOUNTS.items()}


def _named(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, str]:
    """What there is of these, by its words."""
    return {versions.WORDS[name]: str(values[name]) for name in names if values.get(name)}
