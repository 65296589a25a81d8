"""Store pages for parcels that customers collect here: they arrive by scan, and are handed out."""

from typing import Any

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from fulfillment import board, errors, work
from fulfillment.forms import CollectForm, TrackingForm
from fulfillment.models import Parcel, ParcelLine
from fulfillment.views import at_a_place, chosen_place, staff_only
from inventory.models import Location
from orders import holds

SHOWN = 60


@at_a_place
def home(request: HttpRequest, here: Location, mine: list[Location]) -> HttpResponse:
    """What is on its way to the store's customers, and what waits for them."""
    return _list(request, here, mine)


def _list(
    request: HttpRequest, here: Location, mine: list[Location], *, status: int = 200, **extra: Any
) -> HttpResponse:
    rows = _whole(board.parcels(here))
    lists = [
        ("coming", "On the way here", rows.filter(arrived_at=None).order_by("shipped_at")[:SHOWN]),
        ("waiting", "At the counter",
         rows.filter(arrived_at__isnull=False).order_by("arrived_at")[:SHOWN]),
    ]  # fmt: skip
    context = {"mine": mine, "here": here, "lists": lists, **extra}
    return render(request, "store/parcels.html", context, status=status)


def _whole(rows: QuerySet[Parcel]) -> QuerySet[Parcel]:
    lines = ParcelLine.objects.select_related("allocation__line__product").order_by(
        "allocation__line__position", "allocation__line__component", "id"
    )
    return rows.select_related(
        "order__contact", "order__pickup_location", "fulfillment_order__group", "location",
        "destination",
    ).prefetch_related(Prefetch("lines", lines))  # fmt: skip


@never_cache
@require_http_methods(["GET", "POST"])
@staff_only
def scan(request: HttpRequest) -> HttpResponse:
    """The label of a parcel that came in; known here, it has arrived."""
    mine = list(board.stock_points(request.user))
    here = chosen_place(request, mine)
    if here is None or request.method == "GET":
        return redirect("store:parcels")
    form = TrackingForm(request.POST)
    if not form.is_valid():
        words = str(form.errors["code"][0])
        return _list(request, here, mine, status=422, error=words)
    code = form.cleaned_data["code"].strip()
    found = board.parcels(here).filter(tracking_number__iexact=code).order_by("arrived_at", "id")
    parcel = found.first()
    if parcel is None:
        words = f"No parcel with the number {code} is on its way here. Put it aside and ask."
        return _list(request, here, mine, status=404, error=words)
    _tell(request, work.arrive(parcel_id=parcel.pk, actor=_actor(request)), ARRIVED)
    return redirect("store:parcel", pk=parcel.pk)


ARRIVED = "It is here. The customer is told."
COLLECTED = "Collected. All done."


@never_cache
@require_GET
@staff_only
def parcel(request: HttpRequest, pk: int) -> HttpResponse:
    """One parcel: whose it is, what is in it, what to do next."""
    return _page(request, _find(request, pk))


def _find(request: HttpRequest, pk: int) -> Parcel:
    """The parcel, if it is for one of this person's stores; others' does not exist for them."""
    mine = board.stock_points(request.user)
    found = _whole(Parcel.objects.filter(destination__in=mine, pk=pk)).first()
    if found is None:
        raise Http404("There is no such parcel for your store.")
    return found


def _page(request: HttpRequest, row: Parcel, *, status: int = 200, **extra: Any) -> HttpResponse:
    destination = row.fulfillment_order.destination
    contact = destination.contact
    context = {
        "row": row, "here": row.destination, "contact": contact, "destination": destination,
        "holds": holds.blocking(
            row.order_id, holds.SHIP, slices=[line.allocation_id for line in row.lines.all()]
        ),
        "form": CollectForm(initial={"name": contact.name if contact else ""}),
        **extra,
    }  # fmt: skip
    return render(request, "store/parcel.html", context, status=status)


@never_cache
@require_http_methods(["GET", "POST"])
@staff_only
def press(request: HttpRequest, pk: int, name: str) -> HttpResponse:
    """A button of the parcel page. Done: redirect; not possible: the page again, saying why."""
    if name not in ("arrived", "collected"):
        raise Http404("There is no such button.")
    if request.method == "GET":  # reloaded or bookmarked after the redirect was lost
        return redirect("store:parcel", pk=pk)
    row = _find(request, pk)
    form = CollectForm(request.POST)
    if name == "collected" and not form.is_valid():
        return _page(request, row, status=422, form=form, error=str(form.errors["name"][0]))
    try:
        if name == "arrived":
            _tell(request, work.arrive(parcel_id=row.pk, actor=_actor(request)), ARRIVED)
        else:
            who = form.cleaned_data["name"]
            outcome = work.hand_out(parcel_id=row.pk, name=who, actor=_actor(request))
            _tell(request, outcome, COLLECTED)
    except errors.EXPECTED as error:
        return _page(request, row, status=409, form=form, error=errors.in_words(error))
    return redirect("store:parcel", pk=pk)


def _actor(request: HttpRequest) -> str:
    return request.user.get_username()


def _tell(request: HttpRequest, outcome: work.Outcome, words: str) -> None:
    if outcome.changed:
        messages.success(request, words)
    else:
        messages.info(request, "This was done already; nothing changed.")
