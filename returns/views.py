"""The customer's pages behind a secret link: follow the order, cancel, send things back."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from config.status import IllegalMove
from orders import cancellation, links
from orders.models import Order
from returns import process, tracking
from returns.forms import KEY, CancelForm, ReturnForm
from returns.models import Return
from returns.returnable import name_of, rooms, time_zone

ACTOR = "customer"
CANCELED = "It is canceled. What you paid for it goes back to you."
ASKED = "We asked the warehouse to stop it, and will write to you when it did."
View = Callable[..., HttpResponse]


def customer_page(*, referrer: str = "no-referrer") -> Callable[[View], View]:
    """Opens a page with its token; every wrong token gets the same 404 at the same cost.

    Nothing is stored by browsers or found by search engines, and the address, which is the key,
    is told to no other site. A page with a form must say "same-origin": under "no-referrer"
    browsers send `Origin: null` with a POST, which Django's CSRF check rightly refuses.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def opened(request: HttpRequest, token: str, **parts: Any) -> HttpResponse:
            order = links.find(token)
            try:
                if order is None:
                    raise Http404
                with timezone.override(time_zone(order)):
                    response = view(request, order, token=token, **parts)
            except Http404:
                response = _show(request, "not_found", status=404)
            response["Cache-Control"] = "no-store"
            response["Referrer-Policy"] = referrer
            response["X-Robots-Tag"] = "noindex, nofollow"
            return response

        return opened

    return wrap


def _show(request: HttpRequest, name: str, *, status: int = 200, **context: Any) -> HttpResponse:
    context["company"] = settings.COMPANY_NAME
    return render(request, f"track/{name}.html", context, status=status)


def _home(token: str) -> str:
    return reverse("track:order", args=[token])


@require_GET
@customer_page()
def order_page(request: HttpRequest, order: Order, *, token: str) -> HttpResponse:
    """Where everything is, what it cost, what came back."""
    page = tracking.of(order, now=timezone.now())
    may_cancel = order.state == Order.State.OPEN and bool(_open_positions(order))
    return _show(request, "order", page=page, order=order, token=token, may_cancel=may_cancel)


def _open_positions(order: Order) -> list[cancellation.Position]:
    return cancellation.open_positions(order, by=ACTOR)


@require_http_methods(["GET", "POST"])
@customer_page(referrer="same-origin")
def cancel_order_page(request: HttpRequest, order: Order, *, token: str) -> HttpResponse:
    """Choose what does not come; what was canceled or has left meanwhile is said."""
    form = CancelForm(request.POST or None, positions=_open_positions(order))
    if form.positions and form.is_valid():
        try:
            done = cancellation.cancel(
                order_id=order.pk, positions=form.wanted(form.cleaned_data), reason="customer",
                actor=ACTOR, by=ACTOR,
            )  # fmt: skip
        except cancellation.CannotCancel:
            form = CancelForm(positions=_open_positions(order))
            messages.error(request, "Some of it has moved on meanwhile. See what can be canceled.")
        else:
            messages.success(request, ASKED if done.requested else CANCELED)
            return HttpResponseRedirect(_home(token))
    return _show(request, "cancel_order", form=form, order=order, token=token)


@require_http_methods(["GET", "POST"])
@customer_page(referrer="same-origin")
def return_page(request: HttpRequest, order: Order, *, token: str) -> HttpResponse:
    """Choose what goes back; the same form sent twice asks once."""
    found = rooms(order, now=timezone.now()).values()
    form = ReturnForm(request.POST or None, rooms=found)
    known = _known(order, request.POST.get("key", ""))
    if known is None and form.is_valid():
        known = _ask(order, form)
    if known is not None:
        messages.success(request, f"Your return {known.number} is requested. We will write to you.")
        return HttpResponseRedirect(_home(token))
    shut = [room for room in found if not room.open]
    return _show(request, "return", form=form, shut=shut, order=order, token=token)


def _known(order: Order, key: str) -> Return | None:
    try:
        return order.returns.filter(key=KEY.format(uuid.UUID(key))).first()
    except ValueError:
        return None


def _ask(order: Order, form: ReturnForm) -> Return | None:
    data = form.cleaned_data
    try:
        return process.request(
            order_id=order.pk, lines=form.wanted(data), reason=data["reason"], note=data["note"],
            by=ACTOR, key=KEY.format(data["key"]),
        )  # fmt: skip
    except process.Refused as error:
        form.refuse(error)
        return None


@require_http_methods(["GET", "POST"])
@customer_page(referrer="same-origin")
def cancel_page(request: HttpRequest, order: Order, *, token: str, pk: int) -> HttpResponse:
    """Asks once more, then drops a return of which nothing arrived yet."""
    rma = get_object_or_404(order.returns, pk=pk)
    if request.method == "GET":
        lines = rma.lines.select_related("order_line__product").order_by("order_line__position")
        items = [(line.expected, name_of(line.order_line)) for line in lines]
        return _show(request, "cancel", rma=rma, items=items, order=order, token=token)
    try:
        process.cancel(return_id=rma.pk, actor=ACTOR)
        messages.success(request, f"Your return {rma.number} is canceled.")
    except IllegalMove:
        messages.error(request, f"Your return {rma.number} cannot be canceled any more.")
    return HttpResponseRedirect(_home(token))
