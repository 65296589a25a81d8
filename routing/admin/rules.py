"""Rule sets: drafts are edited, what decides or has decided stays as it is."""

from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from config import forms as pages
from config.console import ModelAdmin, action, display, found, register
from orders.models import SalesChannel
from routing import presets, rules
from routing.admin.marks import badge
from routing.admin.rule_pages import RulePages, cards, page_of, rivals
from routing.models import RuleSet

STATES = {"draft": "warning", "active": "success", "archived": "info"}


class RuleSetForm(forms.ModelForm):
    """Names that are new."""

    channels = forms.ModelMultipleChoiceField(
        SalesChannel.objects.order_by("name"), required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="none: every channel without a rule set of its own",
    )  # fmt: skip

    class Meta:
        labels: ClassVar = {
            "max_attempts": "Refused at most", "exclude_days": "Asked again after days",
        }  # fmt: skip

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if RuleSet.objects.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(
                "There is a rule set of this name: open it and make a new version."
            )
        return name


@register(RuleSet)
class RuleSetAdmin(RulePages, ModelAdmin):
    """How orders are routed. A draft may be edited; what decides or has decided stays as it is."""

    form = RuleSetForm
    list_display = ("name", "version", "state_", "covers", "how_many", "activated_at")
    list_filter = ("state",)
    list_filter_submit = False
    list_before_template = "routing/rule_sets.html"
    ordering = ("name", "-version")
    fieldsets = (
        (None, {"fields": ("name", "version", "state", "activated_at", "channels",
                           "max_attempts", "exclude_days")}),
    )  # fmt: skip
    change_form_outer_before_template = "routing/rule_set.html"
    actions_detail = ("activate", "new_version", "versions")
    empty_words = "Without an active rule set nothing is routed: orders wait as “no rule”."

    class Media:
        css: ClassVar = {"all": ("rules.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet[RuleSet]:
        return super().get_queryset(request).prefetch_related("channels", "rules")

    def get_readonly_fields(self, request: HttpRequest, obj: RuleSet | None = None) -> tuple:
        always = ("version", "state", "activated_at")
        return always if obj is None else ("name", *always)

    def has_change_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        # The theme asks with an id in the place of the object.
        closed = isinstance(obj, RuleSet) and obj.state != RuleSet.State.DRAFT
        return not closed and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: RuleSet | None = None) -> bool:
        draft = obj is not None and obj.state == RuleSet.State.DRAFT
        return draft and super().has_delete_permission(request, obj)

    @display(description="state", ordering="state")
    def state_(self, rule_set: RuleSet) -> SafeString:
        return badge(STATES[rule_set.state], rule_set.get_state_display())

    @display(description="channels")
    def covers(self, rule_set: RuleSet) -> str:
        names = [channel.name for channel in rule_set.channels.all()]
        return ", ".join(names) or "every channel without its own"

    @display(description="rules")
    def how_many(self, rule_set: RuleSet) -> int:
        return len(rule_set.rules.all())

    # --- pages ---

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        uncovered = rules.without_rule().values("order_id").distinct().count()
        return super().changelist_view(request, {**(extra_context or {}), "uncovered": uncovered})

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        rule_set = kwargs.get("obj")
        if rule_set is not None:
            context |= {
                "rule_set": rule_set, "cards": cards(rule_set), "rivals": rivals(rule_set),
                "presets": presets.PRESETS,
                "editable": self.has_change_permission(request, rule_set),
            }  # fmt: skip
        return super().render_change_form(request, context, *args, **kwargs)

    def response_add(self, request: HttpRequest, obj: RuleSet, *args: Any) -> HttpResponse:
        """On to its page: a rule set without rules decides about nothing."""
        self.message_user(request, f"{obj} is a draft: add its rules, then activate it.")
        return HttpResponseRedirect(page_of(obj))

    def get_actions_detail(self, request: HttpRequest, object_id: int) -> list[Any]:
        """Only what its state allows."""
        actions = super().get_actions_detail(request, object_id)
        draft = found(RuleSet, object_id).state == RuleSet.State.DRAFT
        return [one for one in actions if draft or not one.action_name.endswith("activate")]

    # --- actions ---

    @action(description="Activate", url_path="activate", icon="play_circle",
            permissions=["change"])  # fmt: skip
    def activate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self.activation(request, found(RuleSet, object_id))

    @action(description="New version", url_path="new-version", icon="content_copy",
            permissions=["change"])  # fmt: skip
    def new_version(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rule_set = found(RuleSet, object_id)
        if request.method == "POST":
            draft = rules.new_version(rule_set_id=rule_set.pk)
            self.message_user(request, f"{draft} is a draft: edit it, then activate it.")
            return HttpResponseRedirect(page_of(draft))
        return pages.ask(
            request, site=self.admin_site, title=f"New version of {rule_set}", form=pages.Form,
            effect=str, back=page_of(rule_set), submit="Make a draft",
            text="A draft with the same rules, under the next number. Nothing changes for"
            " orders until it is activated.",
        )  # fmt: skip

    @action(description="Compare versions", url_path="versions", icon="compare_arrows",
            permissions=["view"])  # fmt: skip
    def versions(self, request: HttpRequest, object_id: int) -> HttpResponse:
        return self.compare(request, object_id)
