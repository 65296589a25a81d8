"""Lists of the console as people narrowed them, kept under a name: tabs with their counts."""

import copy
from dataclasses import dataclass
from typing import Any

from django.contrib.admin.filters import FieldListFilter, RelatedFieldListFilter
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.paginator import Paginator
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property

from config import forms
from config.models import SavedView

SHOWN = 12  # views above one list; each is counted
COUNTED = 1_000  # rows of a view
NOT_KEPT = ("p", "e", "all", "_changelist_filters", "_popup", "_to_field")
SHARE = "config.change_savedview"
MINE, EVERYBODY = "mine", "everybody"
LONGEST = SavedView._meta.get_field("query").max_length


class AtLeast(int):
    """A count that was not counted to its end: reads as "1,000+"."""

    def __str__(self) -> str:
        return f"{int(self):,}+"


class BoundedPaginator(Paginator):
    """Pages of a list that is never counted beyond `most` rows: the end of it may be far away."""

    most = 10_000

    @cached_property
    def count(self) -> int:
        """Rows of the list, at most `most`. One statement that stops there."""
        rows = self.object_list.order_by().values("pk")[: self.most + 1]  # type: ignore[union-attr,attr-defined]
        found = rows.count()
        return found if found <= self.most else AtLeast(self.most)


@dataclass(frozen=True)
class ViewTab:
    """A saved view above its list; `count` is None when its query no longer fits the list."""

    view: SavedView
    url: str
    current: bool
    count: int | None


class NameForm(forms.Form):
    """What a view is called."""

    name = forms.Text(max_length=60)


class _SaveForm(NameForm):
    """Under which name, and for whom."""

    whose = forms.Choice(
        label="Who sees it", choices=[(MINE, "only I"), (EVERYBODY, "everybody who sees this list")]
    )


class NameTaken(Exception):
    """There is a view of this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a view “{name}” already; take another name.")


class RememberingFilter(RelatedFieldListFilter):
    """Reads its choices once for a page, however many views of the list are counted on it."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        known = getattr(request, "known_choices", {})
        if field not in known:
            known[field] = super().field_choices(field, request, model_admin)
        return known[field]


FieldListFilter.register(
    lambda field: bool(field.remote_field), RememberingFilter, take_priority=True
)


class SavedViews:
    """Mixin of lists: tabs of saved views, and the pages that save, rename and delete them."""

    opts: Any
    admin_site: Any

    # --- what the list shows ---

    def saved_views(self, request: HttpRequest) -> dict[str, Any]:
        """What the tabs' template asks for. One statement, and one for each view's count."""
        now = kept_query(request)
        request.known_choices = {}  # type: ignore[attr-defined]
        views = list(_visible(request.user, self.opts.label_lower)[:SHOWN])
        tabs = [
            ViewTab(view, f"?{view.query}", view.query == now, self._count(request, view))
            for view in views
        ]
        current = next((tab.view for tab in tabs if tab.current), None)
        new = now and current is None and len(now) <= (LONGEST or 0)
        return {
            "tabs": tabs, "save_url": f"{self._url('save')}?{now}" if new else "",
            "rename_url": self._own(request, current, "rename"),
            "delete_url": self._own(request, current, "delete"),
        }  # fmt: skip

    def _count(self, request: HttpRequest, view: SavedView) -> int | None:
        other = copy.copy(request)
        other.GET = QueryDict(view.query)  # type: ignore[assignment]
        other.count_most = COUNTED  # type: ignore[attr-defined]
        try:
            return self.get_changelist_instance(other).result_count  # type: ignore[attr-defined]
        except (IncorrectLookupParameters, SuspiciousOperation):
            return None

    def get_paginator(self, request: HttpRequest, *args: Any, **options: Any) -> Paginator:
        """Bounded lower where only a view's count is asked for."""
        paginator = super().get_paginator(request, *args, **options)  # type: ignore[misc]
        if hasattr(request, "count_most"):
            paginator.most = request.count_most
        return paginator

    def _own(self, request: HttpRequest, view: SavedView | None, name: str) -> str:
        return self._url(name, view.pk) if view and _may_change(request, view) else ""

    # --- pages ---

    def get_urls(self) -> list[URLPattern]:
        """The pages of views come before the pages of rows."""
        pages = [("save/", "save"), ("<int:pk>/rename/", "rename"), ("<int:pk>/delete/", "delete")]
        return [
            path(f"views/{route}", self.admin_site.admin_view(getattr(self, f"view_{name}")),
                 name=self._name(name))
            for route, name in pages
        ] + super().get_urls()  # type: ignore[misc]  # fmt: skip

    def view_save(self, request: HttpRequest) -> HttpResponse:
        """Keep the list as the address narrows it."""
        self._check(request)
        query = kept_query(request)
        if not query or len(query) > (LONGEST or 0):
            raise Http404("nothing to keep")
        may_share = request.user.has_perm(SHARE)  # type: ignore[union-attr]

        def effect(data: dict) -> str:
            shared = data.get("whose") == EVERYBODY
            _write(
                SavedView(user_id=None if shared else request.user.pk,
                          model=self.opts.label_lower, name=data["name"], query=query)
            )  # fmt: skip
            return f"The view “{data['name']}” is a tab above the list now."

        return self._ask_view(
            request, "Save this view", _SaveForm if may_share else NameForm, effect,
            submit="Save the view", query=query,
        )  # fmt: skip

    def view_rename(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Give a view another name."""
        view = self._found(request, pk)

        def effect(data: dict) -> str:
            view.name = data["name"]
            _write(view)
            return f"The view is called “{view.name}” now."

        form = type("RenameForm", (NameForm,), {
            "name": forms.Text(max_length=60, initial=view.name)})  # fmt: skip
        return self._ask_view(request, f"Rename “{view.name}”", form, effect, submit="Rename",
                         query=view.query)  # fmt: skip

    def view_delete(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Forget a view; the rows it shows stay."""
        view = self._found(request, pk)

        def effect(_: dict) -> str:
            view.delete()
            return f"The view “{view.name}” is gone."

        return self._ask_view(
            request, f"Delete the view “{view.name}”?", forms.Form, effect,
            submit="Delete the view", danger=True, text="The rows it shows stay.",
        )  # fmt: skip

    def _ask_view(
        self, request: HttpRequest, title: str, form: Any, effect: Any, *, submit: str,
        query: str = "", **options: Any,
    ) -> HttpResponse:  # fmt: skip
        back = reverse(f"admin:{self._stem}_changelist")
        return forms.ask(
            request, site=self.admin_site, title=title, form=form, effect=effect, submit=submit,
            back=f"{back}?{query}" if query else back, errors=(NameTaken,), **options,
        )  # fmt: skip

    def _found(self, request: HttpRequest, pk: int) -> SavedView:
        self._check(request)
        view = _visible(request.user, self.opts.label_lower).filter(pk=pk).first()
        if view is None:
            raise Http404("no such view")
        if not _may_change(request, view):
            raise PermissionDenied
        return view

    def _check(self, request: HttpRequest) -> None:
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied

    @property
    def _stem(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _name(self, page: str) -> str:
        return f"{self._stem}_{page}_view"

    def _url(self, page: str, *key: int) -> str:
        return reverse(f"admin:{self._name(page)}", args=key)


def kept_query(request: HttpRequest) -> str:
    """The address's query without what belongs to a page of it, in one order."""
    query = request.GET.copy()
    for name in NOT_KEPT:
        query.pop(name, None)
    pairs = [(name, value) for name in sorted(query) for value in query.getlist(name) if value]
    kept = QueryDict(mutable=True)
    for name, value in pairs:
        kept.appendlist(name, value)
    return kept.urlencode()


def narrowed(model_admin: Any, query: str, *, user: AbstractBaseUser) -> QuerySet:
    """The rows that a list shows a person under this query, without a page being asked for.

    Raises IncorrectLookupParameters or SuspiciousOperation for a query that does not fit the list.
    """
    request = HttpRequest()
    request.method, request.GET = "GET", QueryDict(query)
    request.user = user  # type: ignore[assignment]
    return model_admin.get_changelist_instance(request).queryset


def _visible(user: Any, model: str) -> QuerySet[SavedView]:
    return SavedView.objects.filter(Q(user=None) | Q(user=user), model=model)


def _may_change(request: HttpRequest, view: SavedView) -> bool:
    own = view.user_id is not None and view.user_id == request.user.pk
    return own or request.user.has_perm(SHARE)  # type: ignore[union-attr]


def _write(view: SavedView) -> None:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        raise NameTaken(view.name) from error
