"""Store pages for what is to go back on the shelf: picked, and not wanted any more."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from fulfillment import board, work
from fulfillment.models import PutBack
from fulfillment.views import at_a_place, staff_only
from inventory.models import Location


@at_a_place
def home(request: HttpRequest, here: Location, mine: list[Location]) -> HttpResponse:
    """What lies about at the chosen stock point, the oldest first."""
    rows = board.to_put_back(board.put_backs(here))
    return render(request, "store/put_backs.html", {"mine": mine, "here": here, "rows": rows})


@never_cache
@require_http_methods(["GET", "POST"])
@staff_only
def done(request: HttpRequest, pk: int) -> HttpResponse:
    """The units are on the shelf; pressed twice, it was done once."""
    if request.method == "GET":  # reloaded or bookmarked after the redirect was lost
        return redirect("store:put-backs")
    rows = PutBack.objects.filter(pk=pk, location__in=board.stock_points(request.user))
    if not rows.exists():
        raise Http404("There is nothing like that to put back at your stock point.")
    actor = request.user.get_username()  # type: ignore[union-attr]
    if work.put_back(rows, actor=actor):
        messages.success(request, "Back on the shelf. Thank you.")
    else:
        messages.info(request, "This was put back already; nothing changed.")
    return redirect("store:put-backs")
