"""Store pages: the work of one stock point, one button at a time.

Everything works as a plain form with a redirect; htmx only spares the reload of a scan.
"""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView, LogoutView
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect
from psycopg.errors import LockNotAvailable

from config.models import IdempotencyKey
from fulfillment import board, errors, slips, work
from fulfillment.forms import CollectForm, LoginForm, RefuseForm, ScanForm, ShipForm
from fulfillment.models import FulfillmentOrder
from inventory import transfers
from inventory.models import Location
from orders import holds
from routing.models import OpenOffer

View = Callable[..., HttpResponse]
LOGIN: Any = reverse_lazy("store:login")
PICK_WITHOUT_SCAN = "fulfillment.pick_without_scan"


def staff_only(view: View) -> View:
    """Signed-in people only; htmx asking for a part of a page is sent to the door as a whole."""
    guarded = login_required(login_url=LOGIN)(view)

    @wraps(view)
    def door(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.htmx and not request.user.is_authenticated:  # type: ignore[attr-defined]
            return HttpResponseClientRedirect(str(LOGIN))
        return guarded(request, *args, **kwargs)

    return door


def at_a_place(view: View) -> View:
    """A page of the stock point that is chosen: view(request, here, mine), of where one works."""

    @never_cache
    @require_GET
    @staff_only
    @wraps(view)
    def page(request: HttpRequest) -> HttpResponse:
        mine = list(board.stock_points(request.user))
        here = chosen_place(request, mine)
        if here is None:
            return render(request, "store/nowhere.html")
        return view(request, here, mine)

    return page


class Login(LoginView):
    """The store's own door."""

    template_name = "store/login.html"
    authentication_form = LoginForm
    next_page: Any = reverse_lazy("store:home")
    redirect_authenticated_user = True


class Logout(LogoutView):
    """Out again, by POST."""

    next_page = LOGIN


# --- the board -----------------------------------------------------------------------------------


@at_a_place
def home(request: HttpRequest, here: Location, mine: list[Location]) -> HttpResponse:
    """What is to do at the chosen stock point."""
    now = timezone.now()
    chosen = {tab.code: tab for tab in board.TABS}.get(request.GET.get("tab", ""))
    counts = board.counts(here, now=now)
    tab = chosen or next((tab for tab in board.TABS[:4] if counts[tab.code]), board.TABS[0])
    cards = board.cards(here, tab, now=now)
    tabs = [(each, counts[each.code]) for each in board.TABS]
    return render(request, "store/home.html", {
        "mine": mine, "here": here, "tabs": tabs, "tab": tab, "cards": cards,
        "hidden": counts[tab.code] - len(cards),
        "open_offers": board.open_offers(here, now=now),
        **board.beside(here),
        "to_send": transfers.to_ship(here).count(), "coming": transfers.to_receive(here).count(),
        "parcels": board.parcel_counts(here),
    })  # fmt: skip


def chosen_place(request: HttpRequest, mine: list[Location]) -> Location | None:
    """The stock point the person works at now: asked for, remembered, or the first."""
    by_code = {location.code: location for location in mine}
    asked = request.GET.get("at")
    if asked is not None and asked not in by_code:
        raise Http404("You do not work at this stock point.")
    code = asked or request.session.get("store_at")
    if asked is not None:
        request.session["store_at"] = asked
    return by_code.get(code or "") or (mine[0] if mine else None)


@never_cache
@require_POST
@staff_only
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Take work that is open to several stock points: the first to do so has it."""
    mine = OpenOffer.objects.filter(location__in=board.stock_points(request.user))
    offer = mine.select_related("location").filter(pk=pk).first()
    if offer is None:
        raise Http404("There is no such work for your stock point.")
    actor = request.user.get_username()  # type: ignore[union-attr]
    try:
        outcome = work.claim(offer_id=pk, actor=actor)
    except errors.EXPECTED as error:
        messages.warning(request, errors.in_words(error))
        return redirect(f"{reverse('store:home')}?at={quote(offer.location.code)}")
    messages.success(request, "It is yours. Now pick the items.")
    return redirect("store:order", pk=outcome.row.pk)


# --- one order -----------------------------------------------------------------------------------


@never_cache
@require_GET
@staff_only
def order(request: HttpRequest, pk: int) -> HttpResponse:
    """One fulfillment order: its items, what to do next, and why it came here."""
    return _page(request, _find(request, pk))


def _find(request: HttpRequest, pk: int) -> FulfillmentOrder:
    """The work, if it is one of this person's stock points'; others' does not exist for them."""
    rows = FulfillmentOrder.objects.filter(location__in=board.stock_points(request.user))
    row = board.whole(rows).filter(pk=pk).first()
    if row is None:
        raise Http404("There is no such work at your stock point.")
    return row


def _page(
    request: HttpRequest, row: FulfillmentOrder, *, status: int = 200, **extra: Any
) -> HttpResponse:
    card = board.card(row, now=timezone.now())
    contact = card.destination.contact
    packed = row.state == FulfillmentOrder.State.PACKED
    carriers = board.carriers(row.location) if packed else []
    context = {
        "card": card, "row": row, "here": row.location, "contact": contact, "carriers": carriers,
        "holds": holds.blocking(
            row.order_id, holds.SHIP, slices=[line.allocation_id for line in card.lines]
        ),
        "parcels": row.parcels.order_by("id"),
        "instead": _instead(row), "unwanted": board.unwanted(row),
        "gone": not card.lines and row.state not in ("done", "refused", "canceled"),
        "refusable": row.state in work.REFUSABLE, "token": secrets.token_urlsafe(16),
        "may_pick_all": request.user.has_perm(PICK_WITHOUT_SCAN),  # type: ignore[union-attr]
        "refuse_form": RefuseForm(card) if row.state in work.REFUSABLE else None,
        "ship_form": ShipForm(initial={"carrier": next(iter(carriers), "")}),
        "collect_form": CollectForm(initial={"name": contact.name if contact else ""}),
        **extra,
    }  # fmt: skip
    template = "store/work.html" if request.htmx else "store/order.html"  # type: ignore[attr-defined]
    return render(request, template, context, status=status)


def _instead(row: FulfillmentOrder) -> FulfillmentOrder | None:
    """The work that the stock point was asked for in place of one that was taken away."""
    if row.state != FulfillmentOrder.State.CANCELED:
        return None
    rows = FulfillmentOrder.objects.filter(
        order=row.order_id, location=row.location_id, group=row.group_id, pk__gt=row.pk,
        state__in=FulfillmentOrder.OPEN,
    )  # fmt: skip
    return rows.order_by("pk").first()


@never_cache
@require_GET
@staff_only
def slip(request: HttpRequest, pk: int) -> HttpResponse:
    """The paper to print and put into the parcel."""
    row = _find(request, pk)
    context = {"slip": slips.of(board.card(row, now=timezone.now())), "row": row,
               "here": row.location}  # fmt: skip
    return render(request, "store/slip.html", context)


# --- buttons -------------------------------------------------------------------------------------

DONE_WORDS = {
    "accept": "Accepted. Now pick the items.",
    "refuse": "Passed on to another stock point. Thank you for saying so.",
    "scan": "",
    "pick": "Everything is picked. Now pack it.",
    "pack": "Packed.",
    "ship": "Handed over to the carrier.",
    "ready": "Ready. The customer is told.",
    "collect": "Collected. All done.",
    "putback": "Back on the shelf. Thank you.",
}


class Button:
    """A press of one button: its checked input, and the domain function it calls."""

    def __init__(self, request: HttpRequest, row: FulfillmentOrder, name: str) -> None:
        self.request, self.row, self.name = request, row, name
        self.form = self._form()
        self.too = 0  # other orders that were refused with it

    def _form(self) -> forms.Form | None:
        data = self.request.POST
        if self.name == "refuse":
            return RefuseForm(board.card(self.row, now=timezone.now()), data)
        classes = {"scan": ScanForm, "ship": ShipForm, "collect": CollectForm}
        return classes[self.name](data) if self.name in classes else None

    def press(self) -> work.Outcome:
        """Do it. Raises the domain function's exceptions."""
        return getattr(self, f"_{self.name}")()  # type: ignore[no-any-return]

    def _do(self, button: Callable[..., work.Outcome], **values: Any) -> work.Outcome:
        actor = self.request.user.get_username()  # type: ignore[union-attr]
        return button(fulfillment_order_id=self.row.pk, actor=actor, **values)

    @property
    def _values(self) -> dict[str, Any]:
        return self.form.cleaned_data if self.form else {}

    def _accept(self) -> work.Outcome:
        return self._do(work.accept)

    def _refuse(self) -> work.Outcome:
        """And what else wants the same goods here, if the person says so, order by order."""
        assert isinstance(self.form, RefuseForm)
        reason = self._values["reason"]
        outcome = self._do(work.refuse, reason=reason, note=self._values["note"],
                           keep=self.form.keep())  # fmt: skip
        works, products = self.form.refused_too()
        if works and outcome.changed:
            self.too = work.refuse_too(
                location=self.row.location_id, works=works, products=products, reason=reason,
                actor=self.request.user.get_username(),  # type: ignore[union-attr]
            )  # fmt: skip
        return outcome

    def _scan(self) -> work.Outcome:
        """A message that is sent again (bad network, double tap) must not count a second unit."""
        token = self._values["token"] or secrets.token_urlsafe(16)
        with transaction.atomic():
            _, first = IdempotencyKey.objects.get_or_create(
                owner=f"user:{self.request.user.pk}", key=f"scan:{self.row.pk}:{token}"
            )
            if not first:
                return work.Outcome(self.row, changed=False)
            return self._do(work.scan, code=self._values["code"])

    def _pick(self) -> work.Outcome:
        if not self.request.user.has_perm(PICK_WITHOUT_SCAN):  # type: ignore[union-attr]
            raise PermissionDenied("Picking without a scan needs a permission.")
        return self._do(work.pick_all)

    def _pack(self) -> work.Outcome:
        return self._do(work.pack)

    def _ship(self) -> work.Outcome:
        return self._do(work.ship, **self._values)

    def _ready(self) -> work.Outcome:
        return self._do(work.ready)

    def _putback(self) -> work.Outcome:
        return self._do(work.put_back_all)

    def _collect(self) -> work.Outcome:
        return self._do(work.collect, **self._values)


@never_cache
@require_http_methods(["GET", "POST"])
@staff_only
def press(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """A button of the order page. Done: redirect; not possible: the page again, saying why."""
    if name not in DONE_WORDS:
        raise Http404("There is no such button.")
    if request.method == "GET":  # reloaded or bookmarked after the redirect was lost
        return redirect("store:order", pk=pk)
    button = Button(request, _find(request, pk), name)
    if button.form is not None and not button.form.is_valid():
        return _again(request, button, _first_error(button.form), status=422)
    try:
        outcome = button.press()
    except errors.EXPECTED as error:
        return _again(request, button, errors.in_words(error), status=409)
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        words = "Somebody is changing this order at this moment. Try again."
        return _again(request, button, words, status=503)
    if request.htmx:  # type: ignore[attr-defined]
        return _page(request, _find(request, pk))
    _tell(request, button, outcome)
    return redirect("store:order", pk=pk)


def _first_error(form: forms.Form) -> str:
    return str(next(iter(form.errors.values()))[0])


def _again(request: HttpRequest, button: Button, words: str, *, status: int) -> HttpResponse:
    extra: dict[str, Any] = {"error": words}
    if button.name in ("refuse", "ship", "collect"):
        extra[f"{button.name}_form"] = button.form
    return _page(request, _find(request, button.row.pk), status=status, **extra)


def _tell(request: HttpRequest, button: Button, outcome: work.Outcome) -> None:
    name = button.name
    if outcome.changed and DONE_WORDS[name]:
        messages.success(request, DONE_WORDS[name])
        if button.too:
            more = "1 more order was" if button.too == 1 else f"{button.too} more orders were"
            messages.success(request, f"{more} passed on with it.")
    elif name == "ready" and not outcome.changed:
        messages.info(request, f"Already ready at {_since(outcome.row)}.")
    elif not outcome.changed:
        messages.info(request, "This was done already; nothing changed.")


def _since(row: FulfillmentOrder) -> str:
    moved = row.lines.filter(open=True).values_list("allocation__since", flat=True).first()
    if moved is None:
        return "an earlier time"
    return f"{moved.astimezone(ZoneInfo(row.location.timezone)):%H:%M}"
