"""Pages to try rules before they decide."""

from typing import Any

from django import forms
from django.contrib.admin.sites import site
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget

from config import forms as pages
from config.models import Job
from orders.models import Order
from routing import trial, trial_jobs
from routing.models import RuleSet

MAY = ("routing.view_ruleset", "orders.view_order")
LONGEST_DAYS = 90
SHOWN = 200  # changed orders on the page


class TrialForm(pages.Form):
    """Which rules, on which orders."""

    rule_set = forms.ModelChoiceField(
        RuleSet.objects.order_by("name", "-version"), label="Rules", empty_label=None,
        help_text="drafts too: nothing is activated", widget=UnfoldAdminSelectWidget(),
    )  # fmt: skip
    what = pages.Choice(
        label="On", choices=[
            (trial_jobs.WAITING, "orders that wait to be routed now"),
            (trial_jobs.PAST, "decisions of the last days"),
        ],
    )  # fmt: skip
    days = pages.Number(
        label="Days", min_value=1, max_value=LONGEST_DAYS, initial=7,
        help_text=f"how far back decisions are made again, 1 to {LONGEST_DAYS}",
    )  # fmt: skip


@site.admin_view
@permission_required(MAY, raise_exception=True)
def ask(request: HttpRequest) -> HttpResponse:
    """Which rules to try on what; a few orders are tried at once, many by a worker."""
    order = _order(request)
    form = TrialForm(request.POST or None, initial=_first(request))
    if order is not None:
        del form.fields["what"], form.fields["days"]
    if request.method == "POST" and form.is_valid():
        asked = form.cleaned_data
        rule_set = asked.pop("rule_set")
        if order is not None:
            return _show(request, rule_set, _of_order(order, rule_set), order=order)
        if trial_jobs.size(**asked) > trial.AT_ONCE:
            job = trial_jobs.begin(rule_set=rule_set, user=request.user, **asked)
            return redirect("trial-result", job.pk)
        return _show(request, rule_set, trial_jobs.run(rule_set=rule_set.pk, **asked), **asked)
    context = {
        **site.each_context(request), "form": form, "order": order,
        "title": f"Try other rules on {order.number}" if order else "Try rules",
        "submit": "Try it", "back": _back(order),
        "text": "Nothing is written: no stock, no claims, no decision. The database refuses it.",
    }  # fmt: skip
    return TemplateResponse(request, "admin/form_page.html", context)


@site.admin_view
@permission_required(MAY, raise_exception=True)
def result(request: HttpRequest, job: int) -> HttpResponse:
    """What a worker found, or how far it is."""
    row = get_object_or_404(Job, pk=job, kind=trial_jobs.KIND)
    rule_set = RuleSet.objects.filter(pk=row.params["rule_set"]).first()
    if row.state != Job.State.DONE:
        context = {**site.each_context(request), "title": row.title, "job": row}
        return TemplateResponse(request, "routing/trial_waits.html", context)
    return _show(request, rule_set, trial_jobs.result(row), what=row.params["what"],
                 days=row.params["days"], at=row.finished_at)  # fmt: skip


def _order(request: HttpRequest) -> Order | None:
    """The order that `order` names, if any."""
    key = request.GET.get("order", "")
    return get_object_or_404(Order, pk=int(key)) if key.isdecimal() and len(key) < 19 else None


def _first(request: HttpRequest) -> dict[str, Any]:
    asked = request.GET.get("rule_set", "")
    newest = RuleSet.objects.filter(state=RuleSet.State.DRAFT).order_by("-pk").first()
    return {"rule_set": asked if asked.isdecimal() else newest and newest.pk,
            "what": trial_jobs.WAITING}  # fmt: skip


def _of_order(order: Order, rule_set: RuleSet) -> trial.Trial:
    return trial.of_order(order, rule_set=rule_set.pk, now=timezone.now())


def _back(order: Order | None) -> str:
    if order is not None:
        return reverse("admin:orders_order_change", args=[order.pk])
    return reverse("admin:routing_ruleset_changelist")


def _show(
    request: HttpRequest, rule_set: RuleSet | None, found: trial.Trial, *,
    order: Order | None = None, what: str = "", days: int = 0, at: Any = None,
) -> HttpResponse:  # fmt: skip
    context = {
        **site.each_context(request), "title": f"Trial of {found.after.name}", "trial": found,
        "rule_set": rule_set, "order": order, "what": what, "days": days,
        "at": at or timezone.now(), "rows": _rows(found), "places": found.places(),
        "changes": found.changes[:SHOWN], "more": max(len(found.changes) - SHOWN, 0),
        "same": found.before.orders - len(found.changes), "back": _back(order),
    }  # fmt: skip
    return TemplateResponse(request, "routing/trial.html", context)


def _rows(found: trial.Trial) -> list[dict[str, Any]]:
    """(words, before, after, difference) of each figure; `better` when less or more of it is."""
    before, after = found.before, found.after
    table: list[tuple[str, Any, Any, int, int]] = [  # words, both, decimals, sign of what is better
        ("Orders", before.orders, after.orders, 0, 0),
        ("Sent in full", before.fit, after.fit, 0, 1),
        ("Sent in part", before.part, after.part, 0, 0),
        ("Units that wait", before.unfilled, after.unfilled, 0, -1),
        ("Parcels", before.parcels, after.parcels, 0, -1),
        ("Parcels per order", before.parcels_per_order, after.parcels_per_order, 2, -1),
        ("Cost as counted", before.cost, after.cost, 2, 0),
        ("kg CO₂e", before.kg_co2, after.kg_co2, 2, -1),
        ("Late", before.late, after.late, 0, -1),
    ]
    return [_row(*row) for row in table]


def _row(words: str, before: Any, after: Any, places: int, better: int) -> dict[str, Any]:
    difference = None if before is None or after is None else after - before
    level = ""
    if difference and better and round(difference, places):
        level = "success" if difference * better > 0 else "warning"
    return {"words": words, "before": before, "after": after, "difference": difference,
            "places": places, "level": level}  # fmt: skip
