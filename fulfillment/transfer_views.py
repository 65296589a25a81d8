"""Store pages for transfers: what to send and what to receive, by scan or by number.

Nothing is booked until the button at the end of the page: scans only count into its form, on the
phone (static/transfer.js) or, without scripts, through the server and back.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from config.models import IdempotencyKey
from config.status import IllegalMove, MovedMeanwhile
from fulfillment import board
from fulfillment.views import at_a_place, staff_only
from inventory import transfers
from inventory.ledger import ClaimGone, NotEnough
from inventory.models import Location, Transfer, TransferLine
from inventory.transfers import MOST_UNITS, Arrived

S = Transfer.State
EXPECTED = (transfers.Refused, IllegalMove, MovedMeanwhile, NotEnough, ClaimGone)
SHOWN = 60
ENDS = {"ship": "source", "receive": "destination"}
OPEN_FOR = {"ship": (S.CONFIRMED, S.SHIPPED, S.PARTLY),
            "receive": (S.SHIPPED, S.PARTLY, S.CLOSED)}  # fmt: skip


# --- lists ---------------------------------------------------------------------------------------


@at_a_place
def home(request: HttpRequest, here: Location, mine: list[Location]) -> HttpResponse:
    """What the chosen stock point has to send and to receive."""
    lists = [
        ("receive", "To receive", _list(transfers.to_receive(here))),
        ("ship", "To send", _list(transfers.to_ship(here))),
    ]
    return render(request, "store/transfers.html", {"mine": mine, "here": here, "lists": lists})


def _list(rows: QuerySet[Transfer]) -> list[Transfer]:
    # The rows first, each once; then what is on the paper of each.
    ids = list(rows.order_by("eta", "id").values_list("pk", flat=True)[:SHOWN])
    whole = Transfer.objects.filter(pk__in=ids).select_related("source", "destination")
    return list(
        whole.annotate(
            units=Sum("lines__quantity"), sent=Sum("lines__sent"),
            came=Sum("lines__received") + Sum("lines__refused"),
        ).order_by("eta", "id")
    )  # fmt: skip


# --- one transfer --------------------------------------------------------------------------------


@dataclass
class Item:
    """A line as the page shows it: what may be booked at once, and what was counted so far."""

    line: TransferLine
    expected: int
    good: int = 0
    damaged: int = 0

    @property
    def codes(self) -> list[str]:
        """What a scanner may read."""
        product = self.line.product
        return [product.sku.lower(), *([product.gtin.lstrip("0")] if product.gtin else [])]


@dataclass
class Sheet:
    """The page's form: one number, or two, per line of the transfer."""

    row: Transfer
    name: str
    here: Location
    items: list[Item]
    rest: str = "later"
    complete: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def units(self) -> int:
        """Units that the button books."""
        return sum(item.good + item.damaged for item in self.items)

    @property
    def expected(self) -> int:
        """Units that are waited for."""
        return sum(item.expected for item in self.items)

    def read(self, data: Any) -> None:
        """Take the numbers of a filled form; what is no number becomes a problem."""
        most = forms.IntegerField(min_value=0, max_value=MOST_UNITS, required=False)
        for item in self.items:
            for name in ("good", "damaged") if self.name == "receive" else ("good",):
                try:
                    units = most.clean(data.get(f"{name}_{item.line.pk}", "")) or 0
                except forms.ValidationError:
                    self.problems.append(
                        f"{item.line.product.name}: that is not a number of units."
                    )
                    continue
                setattr(item, name, units)
        self.rest = "never" if data.get("rest") == "never" else "later"
        self.complete = "complete" in data

    def scan(self, code: str) -> None:
        """Count one unit by its barcode or SKU."""
        text = code.strip().lower()
        if not text:
            return
        for item in self.items:
            if text in item.codes or text.lstrip("0") in item.codes:
                item.good += 1
                return
        self.problems.append(f"{code.strip()[:64]} is not in this transfer. Put it aside.")

    def fill(self) -> None:
        """As if everything was counted and fine."""
        for item in self.items:
            item.good, item.damaged = max(item.expected - item.damaged, 0), item.damaged


def _sheet(request: HttpRequest, pk: int, name: str) -> Sheet:
    """The transfer, if its end is one of this person's stock points; others' does not exist."""
    mine = board.stock_points(request.user)
    rows = Transfer.objects.filter(**{f"{ENDS[name]}__in": mine}, state__in=OPEN_FOR[name], pk=pk)
    row = rows.select_related("source", "destination").first()
    if row is None:
        raise Http404("There is no such transfer at your stock point.")
    lines = list(row.lines.select_related("product", "transfer").order_by("product__sku"))
    held = transfers.held([line.pk for line in lines]) if name == "ship" else {}
    items = [
        Item(line, held.get(line.pk, 0) if name == "ship" else line.in_transit) for line in lines
    ]
    return Sheet(row, name, getattr(row, ENDS[name]), items)


@never_cache
@require_http_methods(["GET", "POST"])
@staff_only
def ship(request: HttpRequest, pk: int) -> HttpResponse:
    """Count what goes into the van, then send it."""
    return _page(request, _sheet(request, pk, "ship"), _send)


@never_cache
@require_http_methods(["GET", "POST"])
@staff_only
def receive(request: HttpRequest, pk: int) -> HttpResponse:
    """Count what came out of the van, good and damaged, then book it."""
    return _page(request, _sheet(request, pk, "receive"), _take_in)


def _page(request: HttpRequest, sheet: Sheet, book: Callable[..., str]) -> HttpResponse:
    if request.method == "GET":
        return _render(request, sheet)
    sheet.read(request.POST)
    do = request.POST.get("do")
    if do == "fill":
        sheet.fill()
    elif do != "book":
        sheet.scan(request.POST.get("code", ""))
    if do != "book" or sheet.problems:
        return _render(request, sheet, status=422 if sheet.problems else 200)
    try:
        words = _once(request, sheet, book)
    except EXPECTED as error:
        sheet.problems.append(_in_words(error))
        return _render(request, sheet, status=409)
    messages.success(request, words)
    return redirect("store:transfers")


def _once(request: HttpRequest, sheet: Sheet, book: Callable[..., str]) -> str:
    """A message that is sent again (bad network, double tap) must not book a second time."""
    token = request.POST.get("token", "")[:40] or secrets.token_urlsafe(16)
    with transaction.atomic():
        _, first = IdempotencyKey.objects.get_or_create(
            owner=f"user:{request.user.pk}", key=f"transfer:{sheet.row.pk}:{token}"
        )
        if not first:
            return "This was booked already; nothing changed."
        lines = transfers.locked(sheet.row.pk).lines  # what others booked meanwhile counts too
        return book(sheet, lines, actor=request.user.get_username())


def _send(sheet: Sheet, lines: dict[int, TransferLine], *, actor: str) -> str:
    sent = {item.line.pk: lines[item.line.pk].sent + item.good for item in sheet.items}
    final = sheet.rest == "never"
    transfers.ship(transfer_id=sheet.row.pk, sent=sent, final=final, actor=actor)
    return f"{_units(sheet.units)} sent. {sheet.row} is on the road."


def _take_in(sheet: Sheet, lines: dict[int, TransferLine], *, actor: str) -> str:
    arrived = {
        pk: Arrived(lines[pk].received + item.good, lines[pk].refused + item.damaged)
        for pk, item in ((item.line.pk, item) for item in sheet.items)
    }
    row = transfers.receive(transfer_id=sheet.row.pk, arrived=arrived, actor=actor)
    if sheet.complete:
        row = transfers.close(transfer_id=sheet.row.pk, actor=actor)
    then = f"{row} is complete." if row.state == S.CLOSED else "The rest is still on the road."
    return f"{_units(sheet.units)} received. {then}"


def _units(count: int) -> str:
    return f"{count} unit{'' if count == 1 else 's'}"


def _in_words(error: Exception) -> str:
    if isinstance(error, NotEnough):
        return "The books say that these units are not here. Count the shelf and tell your manager."
    if isinstance(error, MovedMeanwhile | ClaimGone):
        return "Somebody changed this transfer a moment ago. Look again, then repeat."
    words = str(error)
    return f"{words[:1].upper()}{words[1:]}."


def _render(request: HttpRequest, sheet: Sheet, *, status: int = 200) -> HttpResponse:
    came = any(item.line.received or item.line.refused for item in sheet.items)
    context = {
        "sheet": sheet, "row": sheet.row, "here": sheet.here, "came": came,
        "token": secrets.token_urlsafe(16), "other": _other_end(sheet),
    }  # fmt: skip
    return render(request, "store/transfer.html", context, status=status)


def _other_end(sheet: Sheet) -> str:
    place = sheet.row.destination if sheet.name == "ship" else sheet.row.source
    return place.name if place else "outside"
