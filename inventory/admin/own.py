"""Staff of stock points see and change only their own; the company's people see all."""

from typing import Any, ClassVar

from django.contrib.admin import RelatedFieldListFilter
from django.db.models import Q, QuerySet
from django.http import HttpRequest

SEES_ALL = "inventory.view_all_locations"


def own_locations(request: HttpRequest) -> list[int] | None:
    """The stock points this person is bound to; None for somebody who sees all.

    Bound is who works at some (staff_locations), unless a permission or being superuser lifts it.
    """
    if not hasattr(request, "_own_locations"):
        request._own_locations = _own(request.user)  # type: ignore[attr-defined]
    return request._own_locations  # type: ignore[attr-defined,no-any-return]


def _own(user: Any) -> list[int] | None:
    if user.is_superuser or user.has_perm(SEES_ALL):
        return None
    return list(user.staff_locations.values_list("location_id", flat=True)) or None


class OwnLocations:
    """Rows of other stock points do not exist for who is bound to some: not in lists, not by
    address, not for actions. A row is somebody's own if any of `location_fields` is."""

    location_fields: ClassVar[tuple[str, ...]] = ("location",)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request)  # type: ignore[misc]
        own = own_locations(request)
        if own is None:
            return rows
        mine = Q()
        for field in self.location_fields:
            mine |= Q(**{f"{field}__in": own})
        return rows.filter(mine)


class OwnLocationFilter(RelatedFieldListFilter):
    """Narrows by stock point; offers only those the person may see."""

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> Any:
        choices = super().field_choices(field, request, model_admin)
        own = own_locations(request)
        return choices if own is None else [choice for choice in choices if choice[0] in own]
