"""Rule sets: drafts are edited, what decides or has decided stays as it is."""

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.safestring import SafeString

from config import forms as pages
from config.console import ModelAdmin, StackedInline, action, display, register
from config.status import IllegalMove, MovedMeanwhile
from routing import rules
from routing.admin.marks import badge
from routing.models import Rule, RuleSet

STATES = {"draft": "warning", "active": "success", "archived": "info"}


class RuleSetForm(forms.ModelForm):
    """Names that are new."""

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if RuleSet.objects.filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(
                "There is a rule set of this name: open it and make a new version."
            )
        return name


class RuleInline(StackedInline):
    """Its rules, in order."""

    model = Rule
    extra = 0


@register(RuleSet)
class RuleSetAdmin(ModelAdmin):
    """How orders are routed. A draft may be edited; what decides or has decided stays as it is."""

    form = RuleSetForm
    list_display = ("name", "version", "state_", "covers", "activated_at")
    list_filter = ("state",)
    list_filter_submit = False
    ordering = ("name", "-version")
    filter_horizontal = ("channels",)
    fieldsets = (
        (None, {"fields": ("name", "version", "state", "activated_at", "channels",
                           "max_attempts", "exclude_days")}),
    )  # fmt: skip
    inlines = (RuleInline,)
    actions_detail = ("activate", "new_version")

    def get_queryset(self, request: HttpRequest) -> QuerySet[RuleSet]:
        return super().get_queryset(request).prefetch_related("channels")

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

    @action(description="Activate", url_path="activate", icon="play_circle",
            permissions=["change"])  # fmt: skip
    def activate(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rule_set = get_object_or_404(RuleSet, pk=object_id)

        def effect(_: dict) -> str:
            rules.activate(rule_set_id=rule_set.pk)
            return f"{rule_set} decides from now on."

        return pages.ask(
            request, site=self.admin_site, title=f"Activate {rule_set}", form=pages.Form,
            effect=effect, back=_page(rule_set), submit="Activate",
            errors=(IllegalMove, MovedMeanwhile),
            text="It decides about every order routed from now on and can no longer be edited;"
            " the version that decided until now is archived.",
        )  # fmt: skip

    @action(description="New version", url_path="new-version", icon="content_copy",
            permissions=["change"])  # fmt: skip
    def new_version(self, request: HttpRequest, object_id: int) -> HttpResponse:
        rule_set = get_object_or_404(RuleSet, pk=object_id)
        if request.method == "POST":
            draft = rules.new_version(rule_set_id=rule_set.pk)
            self.message_user(request, f"{draft} is a draft: edit it, then activate it.")
            return HttpResponseRedirect(_page(draft))
        return pages.ask(
            request, site=self.admin_site, title=f"New version of {rule_set}", form=pages.Form,
            effect=str, back=_page(rule_set), submit="Make a draft",
            text="A draft with the same figures, under the next number. Nothing changes for"
            " orders until it is activated.",
        )  # fmt: skip


def _page(rule_set: RuleSet) -> str:
    return reverse("admin:routing_ruleset_change", args=[rule_set.pk])
