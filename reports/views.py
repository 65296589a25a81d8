"""The managers' page: figures of a period, each with its formula and its rows."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.contrib.admin.sites import site
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from config.exports import csv_response
from orders.money import in_words
from reports import figures
from reports.invariants import violations

LONGEST_DAYS = 366
LONGEST_CHART_DAYS = 31
GOOD_FILL_RATE, POOR_FILL_RATE = 0.95, 0.85  # colors only


class PeriodForm(forms.Form):
    """From and to, both included."""

    first = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}))

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "first" in data and "last" in data:
            if data["first"] > data["last"]:
                raise forms.ValidationError("The period ends before it begins.")
            if (data["last"] - data["first"]).days >= LONGEST_DAYS:
                raise forms.ValidationError(f"At most {LONGEST_DAYS} days at a time.")
        return data


def period_of(request: HttpRequest) -> tuple[PeriodForm, figures.Period]:
    """The period that was asked for; the last week when it makes no sense."""
    today = timezone.now().astimezone(ZoneInfo(settings.COMPANY_TIME_ZONE)).date()
    week: dict[str, date] = {"first": today - timedelta(days=6), "last": today}
    given = {name: request.GET.get(name) or week[name] for name in week}
    form = PeriodForm(given)
    chosen = form.cleaned_data if form.is_valid() else week
    return form, figures.Period(chosen["first"], chosen["last"])


@site.admin_view
@permission_required("orders.view_order", raise_exception=True)
def managers(request: HttpRequest) -> HttpResponse:
    """Orders, units and value per channel and day; fill rate and refusals per stock point."""
    form, period = period_of(request)
    sales = figures.sales(period)
    context = {
        **site.each_context(request), "title": "Managers", "form": form, "period": period,
        "spans": spans(period), "chart": _chart(sales, period),
        "days": _days(sales), "totals": _totals(sales), "orders_url": _orders_url(
            period.first, period.last),
        "service": [_service(row, period) for row in figures.service(period)],
        "formulas": figures.FORMULAS, "computed_at": timezone.now(),
        "zone": settings.COMPANY_TIME_ZONE, "query": urlencode(
            {"first": period.first.isoformat(), "last": period.last.isoformat()}),
    }  # fmt: skip
    return TemplateResponse(request, "admin/managers.html", context)


def spans(period: figures.Period) -> list[dict[str, Any]]:
    """Periods people ask for, all ending today."""
    today = timezone.now().astimezone(ZoneInfo(settings.COMPANY_TIME_ZONE)).date()
    named = [("today", 1), ("7 days", 7), ("30 days", 30), ("90 days", 90)]
    firsts = [(words, today - timedelta(days=days - 1)) for words, days in named]
    return [
        {"words": words, "current": (period.first, period.last) == (first, today),
         "url": "?" + urlencode({"first": first.isoformat(), "last": today.isoformat()})}
        for words, first in firsts
    ]  # fmt: skip


def _chart(rows: list[figures.Sales], period: figures.Period) -> list[dict[str, Any]]:
    """Orders of every day, days without one too; nothing when a bar would be too thin to read."""
    if len(period.days) > LONGEST_CHART_DAYS or not rows:
        return []
    orders = dict.fromkeys(period.days, 0)
    for row in rows:
        orders[row.day] += row.orders
    most = max(orders.values())
    return [
        {"day": day, "orders": count, "height": round(100 * count / most),
         "url": _orders_url(day, day)}
        for day, count in orders.items()
    ]  # fmt: skip


def _days(rows: list[figures.Sales]) -> list[dict[str, Any]]:
    most = max((row.orders for row in rows), default=1)
    return [
        {"row": row, "value": in_words(row.value, row.currency),
         "width": round(100 * row.orders / most), "url": _orders_url(row.day, row.day, row)}
        for row in rows
    ]  # fmt: skip


def _totals(rows: list[figures.Sales]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for row in rows:
        value[row.currency] = value.get(row.currency, 0) + row.value
    return {
        "orders": sum(row.orders for row in rows),
        "units": sum(row.units for row in rows),
        "value": [in_words(amount, currency) for currency, amount in sorted(value.items())],
    }


def _orders_url(first: date, last: date, row: figures.Sales | None = None) -> str:
    period = figures.Period(first, last)
    query: dict[str, Any] = {
        "placed_at__gte": period.start.isoformat(), "placed_at__lt": period.end.isoformat(),
        "test__exact": 0,
    }  # fmt: skip
    if row is not None:
        query |= {"channel__id__exact": row.channel_id, "currency": row.currency}
    return f"{reverse('admin:orders_order_changelist')}?{urlencode(query)}"


def _service(row: figures.Service, period: figures.Period) -> dict[str, Any]:
    span = {"location__id__exact": row.location_id}
    shipped = {**span, "shipped_at__gte": period.start.isoformat(),
               "shipped_at__lt": period.end.isoformat()}  # fmt: skip
    refused = {**span, "at__gte": period.start.isoformat(), "at__lt": period.end.isoformat()}
    return {
        "row": row,
        "percent": None if row.fill_rate is None else round(100 * row.fill_rate, 1),
        "level": _level(row.fill_rate),
        "parcels": f"{reverse('admin:fulfillment_parcel_changelist')}?{urlencode(shipped)}",
        "refusals": f"{reverse('admin:routing_refusal_changelist')}?{urlencode(refused)}",
    }


def _level(fill_rate: float | None) -> str:
    if fill_rate is None or fill_rate >= GOOD_FILL_RATE:
        return "success"
    return "warning" if fill_rate >= POOR_FILL_RATE else "danger"


@site.admin_view
@permission_required("orders.view_order", raise_exception=True)
def sales_csv(request: HttpRequest) -> HttpResponseBase:
    """The sales figures of the period as a file."""
    _, period = period_of(request)
    return csv_response(
        f"sales-{period.first}-{period.last}.csv",
        ["day", "channel", "currency", "orders", "units", "value"],
        [(r.day.isoformat(), r.channel, r.currency, r.orders, r.units, r.value)
         for r in figures.sales(period)],
    )  # fmt: skip


@site.admin_view
@permission_required("config.view_outboxrow", raise_exception=True)
def invariants(request: HttpRequest) -> HttpResponse:
    """Every invariant, checked now, with the rows that break it."""
    found = violations()
    context = {
        **site.each_context(request), "title": "Invariants", "found": list(found.items()),
        "broken": sum(1 for rows in found.values() if rows),
    }  # fmt: skip
    return TemplateResponse(request, "admin/invariants.html", context)
