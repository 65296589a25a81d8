"""The watch list of promises in the console, what a person can do there, and the share kept."""

from datetime import date
from typing import Any

from django import forms as fields
from django.contrib.admin.sites import site
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from config import forms, outbox
from config.console import Tab, Tabs, found
from orders import outlook, promise_moves
from orders.models import Order
from routing import watch

VIEW, CHANGE = "orders.view_order", "orders.change_order"
MOST_PAGES = 1000


@site.admin_view
@permission_required(VIEW, raise_exception=True)
def listed(request: HttpRequest) -> HttpResponse:
    """Orders whose promise is late, at risk, moved, or that wait without a stock point."""
    tab = request.GET.get("look", watch.LATE)
    tab = tab if tab in watch.TABS else watch.LATE
    page = _page(request)
    now = timezone.now()
    list_ = watch.look(tab, page=page, now=now)
    total = list_.counts[tab]
    context = {
        **site.each_context(request), "title": "Promises", "now": now, "tab": tab,
        "quick_tabs": [_tabs(list_, tab)], "list": list_, "empty": watch.EMPTY[tab],
        "shares": [watch.kept(days, now=now) for days in watch.DAYS], "formula": watch.FORMULA,
        "may_handle": request.user.has_perm(CHANGE), "first": watch.SHOWN * (page - 1) + 1,
        "last": min(watch.SHOWN * page, total), "total": total,
        "before": f"?look={tab}&page={page - 1}" if page > 1 else "",
        "after": f"?look={tab}&page={page + 1}" if watch.SHOWN * page < total else "",
    }  # fmt: skip
    return TemplateResponse(request, "routing/promises.html", context)


def _page(request: HttpRequest) -> int:
    given = request.GET.get("page", "1")
    number = int(given) if given.isascii() and given.isdigit() and len(given) <= 6 else 1
    return min(max(number, 1), MOST_PAGES)


def _tabs(list_: watch.WatchList, now: str) -> Tabs:
    alarms = {watch.LATE, watch.AT_RISK}
    return Tabs("Which promises", tuple(
        Tab(words, f"?look={name}", name == now, list_.counts[name],
            name in alarms and list_.counts[name] > 0)
        for name, words in watch.TABS.items()
    ))  # fmt: skip


@site.admin_view
@permission_required(VIEW, raise_exception=True)
def share(request: HttpRequest) -> HttpResponse:
    """The share of promises kept: its formula, its parts, and every order that broke it."""
    days = watch.DAYS[-1] if request.GET.get("days") == str(watch.DAYS[-1]) else watch.DAYS[0]
    now = timezone.now()
    context = {
        **site.each_context(request), "title": f"Promises kept, last {days} days", "now": now,
        "days": watch.DAYS, "share": watch.kept(days, now=now), "formula": watch.FORMULA,
        "rows": watch.broken(days, now=now), "most": watch.MOST_BROKEN,
    }  # fmt: skip
    return TemplateResponse(request, "routing/promises_kept.html", context)


class MoveForm(forms.Form):
    """A new day, and why: the reason is shown to colleagues, not to the customer."""

    day = fields.DateField(
        label="New day", widget=fields.DateInput(
            attrs={"type": "date", "class": " ".join(forms.BASE_INPUT_CLASSES)}),
    )  # fmt: skip
    reason = forms.Text(max_length=120, help_text="for colleagues; customers do not see it")


@site.admin_view
@permission_required(CHANGE, raise_exception=True)
def move(request: HttpRequest, order_id: int) -> HttpResponse:
    """Promise another day."""
    order = found(Order, order_id)
    one = outlook.of([order.pk]).get(order.pk)

    def effect(data: dict[str, Any]) -> str:
        promise_moves.move(
            order_id=order.pk, day=data["day"], reason=data["reason"],
            actor=request.user.get_username(),
        )  # fmt: skip
        return f"{order} is promised for {data['day']:%d %b %Y} now; the customer is told once."

    return forms.ask(
        request, site=site, title=f"Move the promise of {order}", form=MoveForm, effect=effect,
        back=reverse("promises"), submit="Move and tell the customer",
        errors=(promise_moves.CannotMove,), text=_situation(one),
    )  # fmt: skip


def _situation(one: outlook.Outlook | None) -> str:
    if one is None or one.promised is None:
        return "Nothing is promised yet. The customer is told of the day you choose."
    until = watch.local(one.promised)
    if one.expected is None:
        expected = "nobody knows when it arrives"
    else:
        expected = f"as things are, it arrives on {_day(watch.local(one.expected).date())}"
    return f"Promised for {_day(until.date())}; {expected}. The customer is told of the new day."


def _day(day: date) -> str:
    return f"{day:%a} {day.day} {day:%b}"


@site.admin_view
@permission_required(CHANGE, raise_exception=True)
def route(request: HttpRequest, order_id: int) -> HttpResponse:
    """Route what waits in a queue, at once."""
    order = found(Order, order_id)

    def effect(_: dict[str, Any]) -> str:
        cause = f"manual:{timezone.now().isoformat()}:{request.user.pk}"
        outbox.put(topic="route", subject=order.pk, cause=cause, payload={"event": "manual"})
        return f"{order} is being routed; its decision appears in a moment."

    return forms.ask(
        request, site=site, title=f"Route {order} again", form=forms.Form, effect=effect,
        back=reverse("promises"), submit="Route now",
        text="Units that wait in a queue get a stock point; units at work stay where they are.",
    )  # fmt: skip


urlpatterns = [
    path("", listed, name="promises"),
    path("kept/", share, name="promises-kept"),
    path("<int:order_id>/move/", move, name="promise-move"),
    path("<int:order_id>/route/", route, name="promise-route"),
]
