"""CO2e of what left: the page and its files."""

from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin.sites import site
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from config.exports import csv_response
from fulfillment.models import Parcel
from reports import emissions
from reports.figures import Period
from reports.views import period_of, spans
from routing.emissions import words

_FILTERS = {"channel": "order__channel__id__exact", "location": "location__id__exact",
            "carrier": "carrier"}  # fmt: skip


@site.admin_view
@permission_required("fulfillment.view_parcel", raise_exception=True)
def co2(request: HttpRequest) -> HttpResponse:
    """Planned beside actual, in all and by channel, stock point and carrier."""
    form, period = period_of(request)
    context = {
        **site.each_context(request), "title": "CO₂e of parcels", "form": form, "period": period,
        "spans": spans(period), "totals": emissions.total(period),
        "tables": [
            {"by": group, "rows": [
                {"row": row, "url": _parcels(period, **{_FILTERS[group]: row.key})} for row in rows
            ], "most": max((row.actual for row in rows), default=0) or 1}
            for group, rows in ((name, emissions.by(name, period)) for name in emissions.GROUPS)
        ],
        "orders": [
            {"row": row, "url": reverse("admin:orders_order_change", args=[row.key])}
            for row in emissions.orders(period)
        ],
        "parcels_url": _parcels(period), "formulas": emissions.FORMULAS,
        "factors": emissions.sources(), "computed_at": timezone.now(),
        "zone": settings.COMPANY_TIME_ZONE, "query": urlencode(
            {"first": period.first.isoformat(), "last": period.last.isoformat()}),
    }  # fmt: skip
    return TemplateResponse(request, "admin/co2.html", context)


def _parcels(period: Period, **more: Any) -> str:
    query = {
        "shipped_at__gte": period.start.isoformat(), "shipped_at__lt": period.end.isoformat(),
        "order__test__exact": 0, **more,
    }  # fmt: skip
    return f"{reverse('admin:fulfillment_parcel_changelist')}?{urlencode(query)}"


@site.admin_view
@permission_required("fulfillment.view_parcel", raise_exception=True)
def parcels_csv(request: HttpRequest) -> HttpResponseBase:
    """Every parcel of the period with its figures and what they were made from."""
    _, period = period_of(request)
    return csv_response(
        f"co2-{period.first}-{period.last}.csv",
        ["left", "order", "channel", "location", "carrier", "tracking", "service", "km",
         "weight_g", "kg_co2e_planned", "kg_co2e", "how"],
        map(_cells, emissions.parcels(period)),
    )  # fmt: skip


def _cells(parcel: Parcel) -> tuple[Any, ...]:
    return (
        parcel.shipped_at.isoformat(), parcel.order.external_id, parcel.order.channel.code,
        parcel.location.code, parcel.carrier, parcel.tracking_number, parcel.service, parcel.km,
        parcel.weight_g, parcel.kg_co2_planned, parcel.kg_co2,
        words(parcel.co2_basis, parcel.weight_g),
    )  # fmt: skip
