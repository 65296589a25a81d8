"""Orders that came in and could not be taken: why, what they say, and what to do about them."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from config import forms
from config.console import (
    ReadOnlyAdmin,
    Tabs,
    action,
    badge,
    display,
    found,
    moment,
    say,
    tabs,
)
from orders import inbound, inbound_page
from orders.admin.links import order_link
from orders.models import InboundOrder

Kind, State = InboundOrder.Kind, InboundOrder.State
LEVELS = {Kind.REFUSED: "warning", Kind.UNREADABLE: "danger", Kind.DIFFERS: "info"}
MOST_AT_ONCE = 200  # are tried again while somebody waits for the page
MAY_DECIDE = ("handle",)
DECIDED = (inbound.AlreadySettled, inbound.CannotPick)


@admin.register(InboundOrder)
class InboundAdmin(ReadOnlyAdmin):
    """The queue; what is settled stays as a line without its content."""

    list_display = ("number", "why", "kind_", "order_", "since", "state_")
    list_display_links = ("number",)
    list_filter = ("state", "kind", "channel", "source")
    list_select_related = ("channel", "order")
    search_fields = ("external_id",)
    search_help_text = "The channel's order number"
    ordering = (F("resolved_at").desc(nulls_first=True), "-last_at")  # what is open first
    empty_words = (
        "Nothing waits here: every order that came in was taken. What a shop sends and cannot be "
        "read, is refused or differs from the order we have is kept here until somebody decides."
    )
    actions = ("retry",)
    actions_detail = ("retry_one", "take_theirs", "keep_ours", "dismiss")
    change_form_template = "admin/orders/inbound_page.html"
    fields = ("number",)
    readonly_fields = ("number",)

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        waiting = InboundOrder.objects.filter(state=State.OPEN)
        kinds = dict(waiting.values_list("kind").annotate(Count("pk")).order_by())
        return [
            tabs(
                request, label="State", parameter="state__exact", everything="all",
                choices=State.choices, counts={State.OPEN: sum(kinds.values())},
                alarms=(State.OPEN,),
            ),
            tabs(
                request, label="What is wrong", parameter="kind__exact",
                everything="whatever it is", choices=Kind.choices, counts=kinds,
            ),
        ]  # fmt: skip

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Nothing is decided twice, and only what differs can be picked."""
        row = found(InboundOrder, object_id)
        if row.state != State.OPEN:
            return []
        hidden = () if row.kind == Kind.DIFFERS else ("take_theirs", "keep_ours")
        actions = super().get_actions_detail(request, object_id)
        return [one for one in actions if not one.action_name.endswith(hidden)]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        row = found(InboundOrder.objects.select_related("channel", "order"), object_id)
        extra = {**inbound_page.context(row), "title": str(row), **(extra_context or {})}
        return super().change_view(request, object_id, form_url, extra)

    # --- columns -----------------------------------------------------------------------------

    @display(description="order number", ordering="external_id", header=True)
    def number(self, row: InboundOrder) -> tuple[str, str]:
        return row.external_id or "without a number", f"{row.channel}, by {row.source}"

    @display(description="why")
    def why(self, row: InboundOrder) -> SafeString | str:
        told = [inbound_page.in_words(problem) for problem in row.problems[:2]]
        if not told:
            return "placed before with other content" if row.state == State.OPEN else "-"
        more = len(row.problems) - len(told)
        if more > 0:
            told.append(f"and {more} more")
        return format_html_join(mark_safe("<br>"), "{}", ((words,) for words in told))

    @display(description="what", ordering="kind")
    def kind_(self, row: InboundOrder) -> SafeString:
        return badge(LEVELS[Kind(row.kind)], row.get_kind_display())

    @display(description="our order")
    def order_(self, row: InboundOrder) -> SafeString | str:
        return order_link(row.order) if row.order else "-"

    @display(description="last, UTC", ordering="last_at")
    def since(self, row: InboundOrder) -> str:
        return moment(row.last_at)

    @display(description="state", ordering="state")
    def state_(self, row: InboundOrder) -> SafeString:
        level = "warning" if row.state == State.OPEN else "success"
        return badge(level, row.get_state_display())

    # --- what people decide ------------------------------------------------------------------

    @action(description="Try again", permissions=MAY_DECIDE)
    def retry(self, request: HttpRequest, queryset: QuerySet[InboundOrder]) -> None:
        done, problems = 0, []
        rows = queryset.filter(state=State.OPEN).order_by("first_at")
        for pk in list(rows.values_list("pk", flat=True)[:MOST_AT_ONCE]):
            try:
                row = inbound.retry(pk, actor=request.user.get_username())
            except inbound.AlreadySettled as error:
                problems.append(str(error))
                continue
            if row.state == State.OPEN:
                problems.append(inbound_page.outcome(row))
            else:
                done += 1
        say(request, done=done, what="orders are taken", problems=problems)

    @action(description="Try again", permissions=MAY_DECIDE, url_path="retry", icon="replay")
    def retry_one(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._decide(
            request, object_id, "Try again", lambda pk, actor: inbound.retry(pk, actor=actor),
            "It is read again and placed as any other order, with the products, stock and rules of"
            " now.",
        )  # fmt: skip

    @action(description="Take theirs", permissions=MAY_DECIDE, url_path="theirs", icon="sync_alt")
    def take_theirs(self, request: HttpRequest, object_id: int) -> HttpResponse:
        row = found(InboundOrder.objects.select_related("channel", "order"), object_id)
        return self._decide(
            request, object_id, "Take theirs",
            lambda pk, actor: inbound.pick(pk, choice="theirs", actor=actor),
            inbound_page.consequences(row, actor=request.user.get_username()),
        )  # fmt: skip

    @action(description="Keep ours", permissions=MAY_DECIDE, url_path="ours", icon="check")
    def keep_ours(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._decide(
            request, object_id, "Keep ours",
            lambda pk, actor: inbound.pick(pk, choice="ours", actor=actor),
            "Our order stays as it is, also when the channel sends this again.",
        )  # fmt: skip

    @action(description="Dismiss", permissions=MAY_DECIDE, url_path="dismiss", icon="delete")
    def dismiss(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self._decide(
            request, object_id, "Dismiss",
            lambda pk, actor: inbound.dismiss(pk, actor=actor),
            "It is not taken, also when it comes again like this, and what it says is forgotten.",
            danger=True,
        )  # fmt: skip

    def _decide(
        self, request: HttpRequest, pk: int, verb: str, effect: Any, text: str, *,
        danger: bool = False,
    ) -> HttpResponse:  # fmt: skip
        row = found(InboundOrder, pk)
        name = row.external_id or "the order without a number"

        def decide(_: dict) -> str:
            return inbound_page.outcome(effect(row.pk, request.user.get_username()))

        return forms.ask(
            request, site=self.admin_site, title=f"{verb}: {name}", form=forms.Form,
            effect=decide, submit=verb, text=text, danger=danger, errors=DECIDED,
            back=reverse("admin:orders_inboundorder_change", args=[row.pk]),
        )  # fmt: skip
