"""The pages of a rule set: its rules, one rule's form, two versions side by side, activation."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from config.console import found
from config.status import IllegalMove, MovedMeanwhile
from orders.models import Order, SalesChannel
from orders.models.order import number_of
from routing import matching, presets, rules, wording
from routing.admin.rule_form import IF, RuleForm
from routing.models import Rule, RuleSet

STEPS = ("up", "down", "copy", "delete")
DRAFT = RuleSet.State.DRAFT
SHOWN = 200  # slices without a rule, oldest first


class RulePages:
    """Mixin of the rule sets' admin."""

    opts: Any
    admin_site: Any

    def get_urls(self) -> list[URLPattern]:
        def page(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"routing_{name}")

        return [
            page("uncovered/", self.uncovered, "ruleset_uncovered"),
            page("<int:set_id>/rules/add/", self.rule_page, "rule_add"),
            page("<int:set_id>/rules/<int:rule_id>/", self.rule_page, "rule_change"),
            page("<int:set_id>/rules/<int:rule_id>/<str:step>/", require_POST(self.rule_step),
                 "rule_step"),
            *super().get_urls(),  # type: ignore[misc]
        ]  # fmt: skip

    # --- one rule ---

    def rule_page(
        self, request: HttpRequest, set_id: int, rule_id: int | None = None
    ) -> HttpResponse:
        """The form of a rule; counts what it matches on the way (step "count")."""
        rule_set = self._draft(request, set_id)
        rule = self._rule(request, rule_set, rule_id)
        if request.method != "POST":
            return self._show_form(request, rule_set, RuleForm(instance=rule))
        form = RuleForm(request.POST, instance=rule)
        valid = form.is_valid()
        if request.POST.get("step") == "count":
            if "application/json" in request.headers.get("Accept", ""):
                return JsonResponse(_preview(form))
            return self._show_form(request, rule_set, form)
        if not valid:
            return self._show_form(request, rule_set, form)
        save = rules.change if rule.pk else rules.add
        try:
            save(rule, **vars(form.named()))
        except rules.NotADraft as error:
            messages.warning(request, str(error))
        else:
            messages.success(request, f"Saved: {wording.sentence(rule, form.named())}")
        return HttpResponseRedirect(f"{page_of(rule_set)}#rule-{rule.pk}")

    def _show_form(self, request: HttpRequest, rule_set: RuleSet, form: RuleForm) -> HttpResponse:
        rule = form.instance
        what = f"Rule {rule.position}" if rule.pk else "New rule"
        return self._page(
            request, "routing/rule_form.html", title=f"{what} of {rule_set}", form=form,
            preview=_preview(form), back=page_of(rule_set), preset=_preset(request),
        )  # fmt: skip

    def _rule(self, request: HttpRequest, rule_set: RuleSet, rule_id: int | None) -> Rule:
        if rule_id is not None:
            rule: Rule = found(rule_set.rules.select_related("fallback", "rule_set"), rule_id)
            return rule
        fresh = presets.rule(request.GET.get("preset", ""))
        fresh.rule_set = rule_set
        fresh.position = rules.next_position(rule_set)
        return fresh

    def rule_step(self, request: HttpRequest, set_id: int, rule_id: int, step: str) -> HttpResponse:
        """Move, copy or delete a rule."""
        rule_set = self._draft(request, set_id)
        rule: Rule = found(rule_set.rules.all(), rule_id)
        if step not in STEPS:
            raise Http404(step)
        there = f"#rule-{rule.pk}"
        try:
            if step == "copy":
                there = f"#rule-{rules.copy(rule).pk}"
            elif step == "delete":
                rules.delete(rule)
                messages.success(request, f"Rule “{rule.name}” is deleted.")
                there = ""
            else:
                rules.move(rule, up=step == "up")
        except rules.NotADraft as error:
            messages.warning(request, str(error))
        return HttpResponseRedirect(f"{page_of(rule_set)}{there}")

    # --- two versions ---

    def compare(self, request: HttpRequest, set_id: int) -> HttpResponse:
        """Two versions side by side in words; what differs stands out."""
        self._may(request, "view")
        right: RuleSet = found(RuleSet, set_id)
        versions = list(RuleSet.objects.filter(name=right.name).order_by("version"))
        before = [one for one in versions if one.version < right.version]
        left = _chosen(request, "left", versions) or (before[-1] if before else right)
        right = _chosen(request, "right", versions) or right
        return self._page(
            request, "routing/rule_compare.html", title=f"Versions of {right.name}",
            versions=versions, left=left, right=right, back=page_of(right),
            table=list(_side_by_side(left, right)),
        )  # fmt: skip

    # --- orders that no rule is for ---

    def uncovered(self, request: HttpRequest) -> HttpResponse:
        """Orders that wait because no rule covers them, and the channels without a rule set."""
        self._may(request, "view")
        waiting = rules.without_rule()
        reasons = dict(waiting.order_by("order_id").values_list("order_id", "queue_reason")[:SHOWN])
        orders = Order.objects.select_related("channel").filter(pk__in=reasons).order_by("pk")
        return self._page(
            request, "routing/uncovered.html", title="Orders that no rule is for",
            rows=[(order, reasons[order.pk]) for order in orders],
            total=waiting.values("order_id").distinct().count(),
            channels=SalesChannel.objects.filter(active=True).exclude(pk__in=rules.deciding()),
            back=reverse("admin:routing_ruleset_changelist"),
        )  # fmt: skip

    # --- activation ---

    def activation(self, request: HttpRequest, rule_set: RuleSet) -> HttpResponse:
        """Ask with the open orders that the draft would decide about; on POST activate it."""
        problem = ""
        if request.method == "POST":
            try:
                rules.activate(rule_set_id=rule_set.pk)
            except (IllegalMove, MovedMeanwhile, rules.NotReady) as error:
                problem = str(error)
            else:
                messages.success(request, f"{rule_set} decides from now on.")
                return HttpResponseRedirect(page_of(rule_set))
        return self._page(
            request, "routing/activate.html", title=f"Activate {rule_set}", rule_set=rule_set,
            problem=problem, shares=_shares(rule_set), rivals=rivals(rule_set),
            replaced=RuleSet.objects.filter(name=rule_set.name, state="active").first(),
            back=page_of(rule_set),
        )  # fmt: skip

    # --- what they share ---

    def _draft(self, request: HttpRequest, set_id: int) -> RuleSet:
        self._may(request, "change")
        rule_set: RuleSet = found(RuleSet, set_id)
        if rule_set.state != DRAFT:
            raise PermissionDenied(str(rules.NotADraft(rule_set)))
        return rule_set

    def _may(self, request: HttpRequest, what: str) -> None:
        if not request.user.has_perm(f"routing.{what}_ruleset"):  # type: ignore[union-attr]
            raise PermissionDenied

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        whole = {**self.admin_site.each_context(request), **context}
        return TemplateResponse(request, template, whole)


def page_of(rule_set: RuleSet) -> str:
    """The address of a rule set's page."""
    return reverse("admin:routing_ruleset_change", args=[rule_set.pk])


def cards(rule_set: RuleSet) -> list[dict[str, Any]]:
    """The rules in order, each in words. Three statements."""
    in_order = rule_set.rules.select_related("fallback").prefetch_related("only", "never")
    found_rules = list(in_order.order_by("position"))
    return [
        {
            "rule": rule, "words": wording.sentence(rule, wording.places(rule)),
            "facts": wording.facts(rule, wording.places(rule)),
            "first": i == 0, "last": i == len(found_rules) - 1,
            "leads_nowhere": rule.otherwise == "next" and i == len(found_rules) - 1,
        }
        for i, rule in enumerate(found_rules)
    ]  # fmt: skip


def rivals(rule_set: RuleSet) -> list[str]:
    """What is to be known of other active sets for the same channels, or all; and of currencies."""
    own = list(rule_set.channels.all())
    others = RuleSet.objects.filter(state="active").exclude(name=rule_set.name)
    sentences = []
    for other in others.prefetch_related("channels").order_by("name"):
        theirs = list(other.channels.all())
        shared = [channel.name for channel in own if channel in theirs]
        if not own and not theirs:
            sentences.append(f"{other} is for every channel, too: the one activated last decides.")
        elif shared:
            names = ", ".join(shared)
            sentences.append(f"{other} is for {names}, too: the one activated last decides.")
        elif not own:
            names = ", ".join(channel.name for channel in theirs)
            sentences.append(f"{other} decides for {names}, this one for the others.")
        elif not theirs:
            sentences.append(f"{other} is for every channel; for its own this one decides.")
    return [*sentences, *_currencies(rule_set)]


def _currencies(rule_set: RuleSet) -> list[str]:
    """That a total of 100 is not the same money in every channel of it."""
    if not rule_set.rules.exclude(min_total=None, max_total=None).exists():
        return []
    channels = SalesChannel.objects.filter(pk__in=rules.decided_by(rule_set.pk), active=True)
    found = sorted(set(channels.values_list("currency", flat=True)))
    if len(found) < 2:
        return []
    return [f"Its channels sell in {', '.join(found)}: a total in a rule is meant in each order's"
            " own. Make a rule set per currency where that matters."]  # fmt: skip


def _shares(rule_set: RuleSet) -> list[dict[str, Any]]:
    names = {rule.pk: str(rule) for rule in rule_set.rules.all()}
    return [
        {"name": names.get(share.rule or 0, ""), "orders": share.orders, "waiting": share.waiting}
        for share in matching.by_rule(rule_set, now=timezone.now())
    ]  # fmt: skip


def _preset(request: HttpRequest) -> presets.Preset | None:
    return presets.PRESETS.get(request.GET.get("preset", ""))


def _preview(form: RuleForm) -> dict[str, Any]:
    """What the form as it stands says and matches; also while some of it is wrong."""
    wrong = [name for name in IF if form.errors.get(name)]
    if wrong:
        field = form.fields[wrong[0]]
        words, examples = f"{field.label}: {form.errors[wrong[0]][0]}", []
    else:
        counted = matching.count(form.instance, now=timezone.now())
        words, examples = str(counted), [_order(pk) for pk in counted.examples]
    return {
        "count": words, "examples": examples,
        "preview": wording.sentence(form.instance, form.named()),
        "factors": {one["slider"].name: {"words": one["words"], "counts": one["counts"]}
                    for one in form.factors()},
    }  # fmt: skip


def _order(pk: int) -> dict[str, str]:
    return {"number": number_of(pk), "url": reverse("admin:orders_order_change", args=[pk])}


def _chosen(request: HttpRequest, name: str, versions: list[RuleSet]) -> RuleSet | None:
    given = request.GET.get(name, "")
    return next((one for one in versions if str(one.version) == given), None)


Row = tuple[str, str, str, bool]  # what, left, right, whether they differ


class Part(NamedTuple):
    """One section of two versions side by side; `mark` says what became of a rule."""

    title: str
    mark: str
    level: str
    rows: list[Row]


def _side_by_side(left: RuleSet, right: RuleSet) -> Iterator[Part]:
    """The set, then rule by rule; of a rule that is on both sides what differs."""
    yield Part("The rule set", "", "", _rows(_settings(left), _settings(right)))
    for was, is_ in _pairs(cards(left), cards(right)):
        whole = _rows(_whole(was), _whole(is_))
        if was is None or is_ is None:
            card = is_ or was or {}
            mark, level = ("new", "success") if is_ else ("gone", "danger")
            yield Part(card["rule"].name, mark, level, whole)
            continue
        differing = [row for row in _rows(was["facts"], is_["facts"]) if row[3]]
        place = (was["rule"].position, is_["rule"].position)
        if place[0] != place[1]:
            differing.insert(0, ("place", f"rule {place[0]}", f"rule {place[1]}", True))
        mark, level = ("changed", "warning") if differing else ("the same", "none")
        yield Part(is_["rule"].name, mark, level, whole + differing)


def _pairs(
    lefts: list[dict[str, Any]], rights: list[dict[str, Any]]
) -> Iterator[tuple[dict[str, Any] | None, dict[str, Any] | None]]:
    """Rules of the same name belong together, in the order of the right side; then what is gone."""
    rest = list(lefts)
    for card in rights:
        was = next((one for one in rest if one["rule"].name == card["rule"].name), None)
        if was:
            rest.remove(was)
        yield was, card
    for gone in rest:
        yield gone, None


def _whole(card: dict[str, Any] | None) -> dict[str, str]:
    return {"rule": card["words"]} if card else {}


def _settings(rule_set: RuleSet) -> dict[str, str]:
    days = rule_set.exclude_days
    return {
        "state": rule_set.get_state_display(),
        "channels": ", ".join(str(one) for one in rule_set.channels.order_by("name"))
        or "every channel without its own",
        "refused at most": f"{rule_set.max_attempts} times",
        "who refused is asked again": "never" if days is None else f"after {days} days",
    }


def _rows(was: dict[str, str], is_: dict[str, str]) -> list[Row]:
    names = dict.fromkeys([*was, *is_])
    return [
        (name, was.get(name, "—"), is_.get(name, "—"), was.get(name) != is_.get(name))
        for name in names
    ]
