"""Webhooks in the console: endpoints and how they do, what was posted, and once more."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

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
    say,
    tabs,
)
from orders.admin.links import order_link
from orders.models import SalesChannel, WebhookDelivery, WebhookEndpoint
from orders.webhooks import endpoints, message, replaying
from orders.webhooks.kinds import TEST

State = WebhookDelivery.State
LEVELS = {"healthy": "success", "failing": "warning", "paused": "warning", "off": "danger"}
STATES = {State.SENT: "success", State.PENDING: "info", State.FAILED: "danger"}
HEALTH: dict[str, tuple[str, Q]] = {
    "troubled": ("failing or given up", endpoints.TROUBLED),
    "well": ("listening", Q(active=True) & ~endpoints.TROUBLED),
    "off": ("off", Q(active=False)),
}
ERRORS = (endpoints.CannotListen, endpoints.TooMany, replaying.SwitchedOff)


class EndpointForm(forms.Form):
    """Where to post, and which events."""

    url = forms.Text(
        max_length=200, label="Address", help_text="https://… on the open internet; it answers 2xx"
    )
    kinds = forms.LongText(
        required=False, label="Events",
        help_text="one a line, e.g. order.received; empty: every event",
    )  # fmt: skip
    description = forms.Text(max_length=100, required=False)

    def clean_kinds(self) -> list[str]:
        return str(self.cleaned_data["kinds"]).replace(",", " ").split()


class NewEndpointForm(EndpointForm):
    """And whose orders."""

    channel = forms.Choice(required=False)
    field_order = ("channel", "url", "kinds", "description")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        channels = SalesChannel.objects.order_by("name").values_list("pk", "name")
        self.fields["channel"].choices = [("", "every channel"), *channels]  # type: ignore[attr-defined]


class SinceForm(forms.Form):
    """From when on."""

    since = forms.Moment(label="Since", help_text="UTC; deliveries are kept for 30 days")


class HealthFilter(admin.SimpleListFilter):
    """How endpoints do."""

    title = "health"
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, words) for name, (words, _) in HEALTH.items()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[WebhookEndpoint]
    ) -> QuerySet[WebhookEndpoint]:
        chosen = HEALTH.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """Addresses that are told of events; a secret is shown once, when it is made."""

    list_display = ("address", "channel_", "health_", "events_", "waiting", "log")
    list_filter = (HealthFilter, "channel")
    list_filter_submit = False
    list_select_related = ("channel",)
    search_fields = ("url", "description")
    ordering = ("-id",)
    fields = ("url", "description", "channel_", "kinds", "health_", "failures", "failing_since",
              "paused_until", "disabled_reason", "old_secret_until", "created_at",
              "log")  # fmt: skip
    readonly_fields = fields
    actions_list = ("new_endpoint",)
    actions_detail = ("edit", "send_test", "replay_failed", "rotate", "switch", "remove")
    empty_words = (
        "Nobody is told of events. New webhook makes an address to which events of orders are "
        "posted, signed; channels make theirs through POST /api/v1/webhooks."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        waiting = WebhookDelivery.objects.filter(endpoint=OuterRef("pk"), state=State.PENDING)
        count = waiting.order_by().values("endpoint").annotate(n=Count("pk")).values("n")
        return super().get_queryset(request).annotate(pending=Coalesce(Subquery(count), 0))

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        troubled = WebhookEndpoint.objects.filter(endpoints.TROUBLED).count()
        return [
            tabs(request, label="Health", parameter="health",
                 choices=[(name, words) for name, (words, _) in HEALTH.items()],
                 counts={"troubled": troubled}, alarms=("troubled",)),
        ]  # fmt: skip

    @display(description="address", ordering="url", header=True)
    def address(self, endpoint: WebhookEndpoint) -> tuple[str, str]:
        return endpoint.url, endpoint.description

    @display(description="channel", ordering="channel__name")
    def channel_(self, endpoint: WebhookEndpoint) -> str:
        return endpoint.channel.name if endpoint.channel else "every channel"

    @display(description="health")
    def health_(self, endpoint: WebhookEndpoint) -> SafeString:
        word = endpoints.health(endpoint)
        more = {
            "off": endpoint.disabled_reason,
            "paused": f"asked again {moment(endpoint.paused_until)}",
            "failing": f"{endpoint.failures} in a row",
        }.get(word, "")
        return badge(LEVELS[word], f"{word}, {more}" if more else word)

    @display(description="events")
    def events_(self, endpoint: WebhookEndpoint) -> str:
        if not endpoint.kinds:
            return "all"
        rest = len(endpoint.kinds) - 2
        return ", ".join(endpoint.kinds[:2]) + (f" and {rest} more" if rest > 0 else "")

    @display(description="to send", ordering="pending")
    def waiting(self, endpoint: WebhookEndpoint) -> int:
        return endpoint.pending  # type: ignore[attr-defined]

    @display(description="log")
    def log(self, endpoint: WebhookEndpoint) -> SafeString:
        url = reverse("admin:orders_webhookdelivery_changelist")
        return format_html(
            '<a class="text-link" href="{}?endpoint__id__exact={}">Deliveries</a>',
            url, endpoint.pk,
        )  # fmt: skip

    @action(description="New webhook", permissions=["handle"], url_path="new", icon="webhook")
    def new_endpoint(self, request: HttpRequest) -> HttpResponse:
        def effect(data: dict) -> str:
            channel = data.pop("channel")
            made = endpoints.create(
                channel=found(SalesChannel, channel) if channel else None, **data
            )
            return f"The secret, shown only now: {made.secret}"

        return forms.ask(
            request, site=self.admin_site, title="New webhook", form=NewEndpointForm,
            effect=effect, errors=ERRORS, submit="Make the webhook",
            back=reverse("admin:orders_webhookendpoint_changelist"),
            text="Events of orders are posted there as they happen, signed with a secret of its "
            "own. docs/webhooks.md lists the events and says how a signature is checked.",
        )  # fmt: skip

    @action(description="Change", permissions=["handle"], url_path="edit", icon="edit")
    def edit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = found(WebhookEndpoint, object_id)

        class Filled(EndpointForm):
            """The form with what there is."""

            def __init__(self, *args: Any, **options: Any) -> None:
                now = {"url": endpoint.url, "kinds": "\n".join(endpoint.kinds),
                       "description": endpoint.description}  # fmt: skip
                super().__init__(*args, **{"initial": now, **options})

        def effect(data: dict) -> str:
            endpoints.change(endpoint, **data)
            return "The webhook is changed."

        return self._ask(request, endpoint, title="Change the webhook", form=Filled,
                         effect=effect, submit="Change it")  # fmt: skip

    @action(description="Send a test", permissions=["handle"], url_path="test", icon="send")
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = found(WebhookEndpoint, object_id)

        def effect(_: dict) -> str:
            replaying.test(endpoint)
            return "A test is on its way; its answer is in the log in a moment."

        return self._ask(request, endpoint, title="Send a test?", effect=effect, submit="Send it",
                         text=f"A message of the kind {TEST} that is about no order.")  # fmt: skip

    @action(
        description="Send again what failed", permissions=["handle"], url_path="replay",
        icon="replay",
    )  # fmt: skip
    def replay_failed(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = found(WebhookEndpoint, object_id)

        def effect(data: dict) -> str:
            sent = replaying.replay(endpoint, since=data["since"])
            return f"{len(sent)} deliveries are sent again."

        return self._ask(request, endpoint, title="Send again what failed", form=SinceForm,
                         effect=effect, submit="Send again",
                         text="Oldest first, with the ids they had, so that a receiver knows what "
                         "it has already.")  # fmt: skip

    @action(description="New secret", permissions=["handle"], url_path="rotate", icon="key")
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = found(WebhookEndpoint, object_id)

        def effect(_: dict) -> str:
            return f"The secret, shown only now: {endpoints.rotate(endpoint).secret}"

        return self._ask(request, endpoint, title="Make a new secret?", effect=effect,
                         submit="Make it",
                         text="For 24 hours messages are signed with both, so that the receiver "
                         "can change at its own pace.")  # fmt: skip

    @action(
        description="Switch on or off", permissions=["handle"], url_path="switch",
        icon="power_settings_new",
    )  # fmt: skip
    def switch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = found(WebhookEndpoint, object_id)
        on = endpoint.active

        def effect(_: dict) -> str:
            endpoints.change(endpoint, active=not on)
            return "Nothing is posted any more." if on else "Events are posted from now on."

        text = (
            "What is not posted yet is given up; it can be sent again later."
            if on
            else "Events from now on are posted; send again what failed if it is wanted."
        )
        return self._ask(request, endpoint, title=f"Switch the webhook {'off' if on else 'on'}?",
                         effect=effect, submit=f"Switch it {'off' if on else 'on'}", danger=on,
                         text=text)  # fmt: skip

    @action(
        description="Delete", permissions=["handle"], url_path="remove", icon="delete",
        variant=ActionVariant.DANGER,
    )  # fmt: skip
    def remove(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = found(WebhookEndpoint, object_id)

        def effect(_: dict) -> str:
            endpoints.delete(endpoint)
            return "The webhook is deleted."

        return forms.ask(
            request, site=self.admin_site, title="Delete the webhook?", form=forms.Form,
            effect=effect, submit="Delete", danger=True,
            back=reverse("admin:orders_webhookendpoint_changelist"),
            text="Its log goes with it. To stop it for a while, switch it off instead.",
        )  # fmt: skip

    def _ask(
        self, request: HttpRequest, endpoint: WebhookEndpoint, *, title: str,
        effect: Callable[[dict], str], submit: str, form: type[forms.Form] = forms.Form,
        text: str = "", danger: bool = False,
    ) -> HttpResponse:  # fmt: skip
        return forms.ask(
            request, site=self.admin_site, title=title, form=form, effect=effect, submit=submit,
            text=text, danger=danger, errors=ERRORS,
            back=reverse("admin:orders_webhookendpoint_change", args=[endpoint.pk]),
        )  # fmt: skip


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(ReadOnlyAdmin):
    """What was posted, what came back, and what is still to be sent."""

    list_display = ("what", "order_", "state_", "answer_", "tries", "when")
    list_filter = ("state", "endpoint")
    list_filter_submit = False
    list_select_related = ("endpoint", "event__order")
    ordering = ("-id",)
    fields = ("message_", "kind", "endpoint", "order_", "state_", "attempts", "status", "answer",
              "milliseconds", "created_at", "last_at", "body")  # fmt: skip
    readonly_fields = fields
    actions = ("send_again",)
    actions_detail = ("send_this_again",)
    empty_words = (
        "Nothing was posted. Deliveries appear when events happen that a webhook asked for; they "
        "are kept for 30 days."
    )

    def quick_tabs(self, request: HttpRequest) -> list[Tabs]:
        urls = WebhookEndpoint.objects.order_by("url").values_list("pk", "url")[:8]
        return [
            tabs(request, label="State", parameter="state__exact", choices=State.choices),
            tabs(request, label="Webhook", parameter="endpoint__id__exact", everything="all",
                 choices=[(str(pk), url.partition("//")[2][:40]) for pk, url in urls]),
        ]  # fmt: skip

    @display(description="event", header=True)
    def what(self, delivery: WebhookDelivery) -> tuple[str, str]:
        return self.kind(delivery), delivery.endpoint.url

    @display(description="kind")
    def kind(self, delivery: WebhookDelivery) -> str:
        return delivery.event.kind if delivery.event else TEST

    @display(description="order")
    def order_(self, delivery: WebhookDelivery) -> SafeString | str:
        return order_link(delivery.event.order) if delivery.event else "-"

    @display(description="state", ordering="state")
    def state_(self, delivery: WebhookDelivery) -> SafeString:
        return badge(STATES[State(delivery.state)], delivery.get_state_display())

    @display(description="last answer")
    def answer_(self, delivery: WebhookDelivery) -> str:
        if delivery.last_at is None:
            return delivery.answer or "-"
        parts = [str(delivery.status or ""), delivery.answer[:80], f"{delivery.milliseconds} ms"]
        return ", ".join(part for part in parts if part)

    @display(description="tries", ordering="attempts")
    def tries(self, delivery: WebhookDelivery) -> int:
        return delivery.attempts

    @display(description="last try, UTC", ordering="last_at")
    def when(self, delivery: WebhookDelivery) -> str:
        return moment(delivery.last_at)

    @display(description="webhook-id")
    def message_(self, delivery: WebhookDelivery) -> str:
        return message.name(delivery)

    @display(description="message")
    def body(self, delivery: WebhookDelivery) -> SafeString:
        return format_html(
            '<pre style="white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>',
            message.body(delivery).decode(),
        )

    @action(description="Send again", permissions=["handle"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        chosen: dict[int, list[int]] = {}
        for pk, owner in queryset.order_by("pk").values_list("pk", "endpoint"):
            chosen.setdefault(owner, []).append(pk)
        done, problems = 0, []
        for endpoint in WebhookEndpoint.objects.filter(pk__in=chosen):
            try:
                done += len(self._again(endpoint, chosen[endpoint.pk]))
            except replaying.SwitchedOff as error:
                problems.append(f"{endpoint}: {error}")
        say(request, done=done, what="deliveries are sent again", problems=problems)

    @action(description="Send again", permissions=["handle"], url_path="again", icon="replay")
    def send_this_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery = found(WebhookDelivery.objects.select_related("endpoint"), object_id)

        def effect(_: dict) -> str:
            done = self._again(delivery.endpoint, [delivery.pk])
            return "It is sent again." if done else "It is still to be sent anyway."

        return forms.ask(
            request, site=self.admin_site, title="Send this again?", form=forms.Form,
            effect=effect, errors=ERRORS, submit="Send again",
            back=reverse("admin:orders_webhookdelivery_change", args=[delivery.pk]),
            text="With the id it had, so that a receiver knows whether it has it already.",
        )  # fmt: skip

    @staticmethod
    def _again(endpoint: WebhookEndpoint, ids: list[int]) -> list[int]:
        return replaying.replay(endpoint, ids=ids, states=(State.FAILED, State.SENT))
