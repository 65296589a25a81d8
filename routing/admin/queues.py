"""The unfillable queue: what no stock point can serve, whose it is, and what may be done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import SimpleListFilter
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from config import forms
from config.console import (
    ActionVariant,
    ReadOnlyAdmin,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    register,
    tabs,
)
from orders import cancellation, notes
from orders.money import in_words
from routing import unfillable
from routing.admin.marks import order_link
from routing.giving import CannotGive
from routing.models import UnfillableSlice

MOST_PICKED = 500
LIST = "admin:routing_unfillableslice_changelist"
OLD = {"1": "for more than a day", "3": "for more than 3 days", "7": "for more than a week"}
MINE, NOBODYS = "mine", "nobodys"
LEVELS = {"person": "danger", "no_rule": "danger", "refused": "danger"}


class KindFilter(SimpleListFilter):
    """Why they wait."""

    title = "why"
    parameter_name = "why"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return _kinds()

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class OwnerFilter(SimpleListFilter):
    """Whose they are."""

    title = "owner"
    parameter_name = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(MINE, "mine"), (NOBODYS, "nobody's")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() not in (MINE, NOBODYS):
            return queryset
        return queryset.filter(owner=request.user.pk if self.value() == MINE else None)


class AgeFilter(SimpleListFilter):
    """For how long."""

    title = "waits"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(OLD.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        days = self.value()
        if days not in OLD:
            return queryset
        return queryset.filter(since__lte=timezone.now() - timedelta(days=int(days)))


def _kinds() -> list[tuple[str, str]]:
    known = [(kind, words) for kind, (words, _) in unfillable.KINDS.items()]
    return [*known, (unfillable.OTHER, "other reasons")]


# --- what is asked before something is done ------------------------------------------------------


def _owners() -> list[tuple[str, str]]:
    people = get_user_model().objects.filter(is_active=True, is_staff=True).order_by("username")
    return [("", "nobody"), *((str(one.pk), one.get_username()) for one in people)]


class AssignForm(forms.Form):
    """Who looks after them."""

    owner = forms.Choice(choices=_owners, required=False)


class NoteForm(forms.Form):
    """Words for the orders' pages."""

    text = forms.LongText(label="Note", max_length=2000)


class CancelForm(forms.Form):
    """Why they are canceled."""

    reason = forms.Choice(choices=list(cancellation.REASONS.items()), initial="unfillable")
    note = forms.Text(max_length=200, required=False, help_text="customers do not see it")


def _assign(slices: Sequence[int], data: dict, _: str) -> str:
    owner = int(data["owner"]) if data["owner"] else None
    count = unfillable.assign(slices, owner=owner)
    return f"{_lots(count)} assigned." if owner else f"{_lots(count)} without an owner."


def _note(slices: Sequence[int], data: dict, actor: str) -> str:
    orders = unfillable.orders_of(slices)
    for order in orders:
        notes.write(order_id=order, text=data["text"], author=actor)
    return f"The note is on {len(orders)} order{'s' if len(orders) != 1 else ''}."


def _cancel(slices: Sequence[int], data: dict, actor: str) -> str:
    units = unfillable.cancel(slices, reason=data["reason"], note=data["note"], actor=actor)
    return f"{units} unit{'s were' if units != 1 else ' was'} canceled."


def _lots(count: int) -> str:
    return f"{count} lot{'s' if count != 1 else ''}"


@dataclass(frozen=True)
class Deed:
    """Something that is done to picked slices after a form was filled in."""

    title: str
    form: type[forms.Form]
    do: Callable[[Sequence[int], dict, str], str]
    submit: str
    text: str = ""
    danger: bool = False


DEEDS = {
    "assign": Deed("Assign to somebody", AssignForm, _assign, "Assign"),
    "note": Deed("Write a note", NoteForm, _note, "Write it", "It stands on each order's page."),
    "cancel": Deed(
        "Cancel", CancelForm, _cancel, "Cancel these units",
        "What was captured for them goes back to the customer.", danger=True,
    ),
}  # fmt: skip


@register(UnfillableSlice)
class UnfillableAdmin(ReadOnlyAdmin):
    """Units that wait for stock or a person, the longest wait first."""

    list_display = ("order_", "what", "why", "owner_", "age", "next_look", "refused", "value")
    list_display_links = ("what",)
    list_filter = (KindFilter, OwnerFilter, AgeFilter)
    list_select_related = ("order", "line", "owner")
    search_fields = ("line__sku", "order__external_id")
    search_help_text = "SKU or the channel's id of the order"
    ordering = ("since", "id")
    empty_words = "Every unit has a stock point. What nobody can serve is listed here."
    actions = ("take_on", "route_now", "assign_all", "note_all", "cancel_all")
    actions_detail = (
        "ship_from", "route_one", "assign_one",
        {"title": "More", "icon": "more_horiz", "items": ["wait_for", "note_one", "cancel_one"]},
    )  # fmt: skip
    fields = ("order_", "item", "why", "owner_", "age", "next_look", "refused", "value", "places_")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[UnfillableSlice]:
        return unfillable.listed().select_related("order__channel", "line__group", "owner")

    def has_handle_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may change orders and look after this queue."""
        return request.user.has_perms(["routing.change_unfillableslice", "orders.change_order"])

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        owners = UnfillableSlice.objects.aggregate(
            mine=Count("pk", filter=Q(owner=request.user.pk)),
            nobodys=Count("pk", filter=Q(owner=None)),
        )
        found = unfillable.counts()
        return [
            tabs(request, label="Why", parameter="why", choices=[
                (kind, words) for kind, words in _kinds() if found.get(kind)
            ], counts=found, alarms=tuple(LEVELS)),
            tabs(request, label="Owner", parameter="owner", everything="anybody's",
                 choices=[(MINE, "mine"), (NOBODYS, "nobody's")], counts=owners),
        ]  # fmt: skip

    # --- columns ---

    @display(description="order", ordering="order")
    def order_(self, piece: UnfillableSlice) -> SafeString:
        return order_link(piece.order)

    @display(description="units", ordering="line__sku", header=True)
    def what(self, piece: UnfillableSlice) -> tuple[str, str]:
        return f"{piece.quantity} × {piece.line.sku}", piece.line.name

    @display(description="units")
    def item(self, piece: UnfillableSlice) -> str:
        return f"{piece.quantity} × {piece.line.sku}, {piece.line.name}"

    @display(description="why", ordering="queue_reason")
    def why(self, piece: UnfillableSlice) -> SafeString:
        kind: str = piece.kind  # type: ignore[attr-defined]
        name = dict(_kinds())[kind]
        mark = badge(LEVELS.get(kind, "warning"), name)
        return format_html_join(" ", "{}", [(mark,), (piece.queue_reason,)])

    @display(description="owner", ordering="owner", empty_value="nobody")
    def owner_(self, piece: UnfillableSlice) -> str | None:
        return piece.owner.get_username() if piece.owner else None

    @display(description="age", ordering="since")
    def age(self, piece: UnfillableSlice) -> str:
        return timesince(piece.since, depth=1)

    @display(description="next, UTC", ordering="next_action_at")
    def next_look(self, piece: UnfillableSlice) -> str:
        person = piece.kind in unfillable.PERSON_DECIDES  # type: ignore[attr-defined]
        look = "a person decides" if person else f"looked at again {moment(piece.next_action_at)}"
        return look if piece.cancel_at is None else f"{look}; canceled {moment(piece.cancel_at)}"

    @display(description="refused", ordering="attempt")
    def refused(self, piece: UnfillableSlice) -> int:
        return piece.attempt

    @display(description="value")
    def value(self, piece: UnfillableSlice) -> str:
        return in_words(piece.quantity * piece.line.unit_price, piece.order.currency)

    @display(description="stock points")
    def places_(self, piece: UnfillableSlice) -> SafeString | str:
        try:
            rows = unfillable.places(piece)
        except CannotGive as error:
            return str(error)
        told = ((place.name, place.why_not or "could send it") for place in rows)
        return format_html_join("", "<p><strong>{}</strong> {}</p>", told) or "none"

    # --- picked rows ---

    @action(description="Assign to me", permissions=["handle"])
    def take_on(self, request: HttpRequest, queryset: QuerySet) -> None:
        count = unfillable.assign(_picked(queryset), owner=request.user.pk)
        self.message_user(request, f"{_lots(count)} assigned to you.")

    @action(description="Route now", permissions=["handle"])
    def route_now(self, request: HttpRequest, queryset: QuerySet) -> None:
        self._route(request, _picked(queryset))

    def _route(self, request: HttpRequest, slices: Sequence[int]) -> None:
        orders = unfillable.route_now(slices, by=str(request.user.pk))
        self.message_user(
            request, f"{orders} order{'s are' if orders != 1 else ' is'} being routed: what finds "
            "a stock point leaves this list in a moment.",
        )  # fmt: skip

    @action(description="Assign to somebody", permissions=["handle"])
    def assign_all(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        return _lead("assign", _picked(queryset))

    @action(description="Write a note", permissions=["handle"])
    def note_all(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        return _lead("note", _picked(queryset))

    @action(description="Cancel", permissions=["handle"])
    def cancel_all(self, request: HttpRequest, queryset: QuerySet) -> HttpResponse:
        return _lead("cancel", _picked(queryset))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.deed_view)
        return [
            path("deed/<slug:name>/", view, name="routing_unfillable_deed"),
            *super().get_urls(),
        ]

    def deed_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """What must be known before something is done to picked slices."""
        if not self.has_handle_permission(request):
            raise PermissionDenied
        deed, slices = DEEDS.get(name), _ids(request.GET.get("ids", ""))
        if deed is None or not slices:
            raise Http404(name)
        actor = request.user.get_username()
        return forms.ask(
            request, site=self.admin_site, title=f"{deed.title}: {_lots(len(slices))}",
            form=deed.form, effect=lambda data: deed.do(slices, data, actor), submit=deed.submit,
            back=reverse(LIST), text=deed.text, danger=deed.danger,
        )  # fmt: skip

    # --- one row ---

    @action(description="Ship from", permissions=["handle"], url_path="ship-from",
            icon="warehouse")  # fmt: skip
    def ship_from(self, request: HttpRequest, object_id: int) -> HttpResponse:
        piece = found(self.get_queryset(request), object_id)
        try:
            able = [place for place in unfillable.places(piece) if not place.why_not]
            text = "" if able else "No stock point has all of it free and may send it."
        except CannotGive as error:
            able, text = [], f"{error}."
        choices = [(str(place.id), place.name) for place in able]
        form = type("PlaceForm", (forms.Form,), {
            "place": forms.Choice(label="Stock point", choices=choices,
                                  help_text="those that have all of it free and may send it")
        })  # fmt: skip

        def effect(data: dict) -> str:
            pieces = unfillable.ship_from(
                piece.pk, location=int(data["place"]), actor=request.user.get_username()
            )
            units = sum(one.quantity for one in pieces)
            return f"{units} unit{'s' if units != 1 else ''} of {piece.order}: {_name(data, able)}."

        return self._ask_one(
            request, piece, title="Ship from", form=form, effect=effect, submit="Ship from there",
            text=text or "It is asked for them at once; the decision names you.",
        )  # fmt: skip

    @action(description="Wait for supply", permissions=["handle"], url_path="wait-for",
            icon="local_shipping")  # fmt: skip
    def wait_for(self, request: HttpRequest, object_id: int) -> HttpResponse:
        piece = found(self.get_queryset(request), object_id)
        coming = unfillable.supplies(piece)
        choices = [
            (str(one.pk), f"{one.reference} to {one.location.name}, {one.eta or 'no day known'}")
            for one in coming
        ]
        form = type("SupplyForm", (forms.Form,), {"supply": forms.Choice(choices=choices)})

        def effect(data: dict) -> str:
            supply = unfillable.wait_for(
                piece.pk, supply=int(data["supply"]), actor=request.user.get_username()
            )
            return f"{piece.quantity} × {piece.line.sku} of {piece.order} wait for {supply}."

        return self._ask_one(
            request, piece, title="Wait for supply", form=form, effect=effect, submit="Wait for it",
            text="The promise of the order moves with it, and the customer is told." if coming
            else "Nothing with enough units left is on its way to where it may be sent from.",
        )  # fmt: skip

    @action(description="Route now", permissions=["handle"], url_path="route", icon="alt_route")
    def route_one(self, request: HttpRequest, object_id: int) -> HttpResponse:
        piece = found(self.get_queryset(request), object_id)

        def effect(_: dict) -> HttpResponse:
            self._route(request, [piece.pk])
            return HttpResponseRedirect(reverse(LIST))

        return self._ask_one(
            request, piece, title="Route now", form=forms.Form, effect=effect, submit="Route now",
            text="By hand it is offered more often than its rules allow, and to nobody who refused"
            " it.",
        )  # fmt: skip

    def _ask_one(
        self, request: HttpRequest, piece: UnfillableSlice, *, title: str, **options: Any
    ) -> HttpResponse:
        what = f"{piece.quantity} × {piece.line.sku} of {piece.order}"
        return forms.ask(
            request, site=self.admin_site, title=f"{title}: {what}", back=reverse(LIST),
            errors=(CannotGive, unfillable.Gone), **options,
        )  # fmt: skip

    @action(description="Assign", permissions=["handle"], url_path="assign", icon="person")
    def assign_one(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return _lead("assign", [object_id])

    @action(description="Write a note", permissions=["handle"], url_path="note", icon="edit_note")
    def note_one(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return _lead("note", [object_id])

    @action(description="Cancel", permissions=["handle"], url_path="cancel", icon="cancel",
            variant=ActionVariant.DANGER)  # fmt: skip
    def cancel_one(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return _lead("cancel", [object_id])


def _picked(queryset: QuerySet) -> list[int]:
    return list(queryset.order_by("since", "pk").values_list("pk", flat=True)[:MOST_PICKED])


def _lead(name: str, slices: Sequence[int]) -> HttpResponse:
    page = reverse("admin:routing_unfillable_deed", args=[name])
    return HttpResponseRedirect(f"{page}?{urlencode({'ids': ','.join(map(str, slices))})}")


def _ids(text: str) -> list[int]:
    parts = text.split(",") if text else []
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in parts):
        raise Http404("no such units")
    return [int(part) for part in parts][:MOST_PICKED]


def _name(data: dict, able: Sequence[unfillable.Place]) -> str:
    names = {str(place.id): place.name for place in able}
    return f"{names[data['place']]} is asked for them"
