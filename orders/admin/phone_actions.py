"""Order entry by phone, from the list of orders."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from config.console import action
from orders.admin.links import order_page
from orders.phone import views


class PhoneActions:
    """Mixin of the list of orders."""

    admin_site: Any

    def has_place_order_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("orders.add_order")  # type: ignore[union-attr]

    @action(description="New order", permissions=["place_order"], url_path="new", icon="add_call")
    def new_order(self, request: HttpRequest) -> HttpResponse:
        return views.page(request, site=self.admin_site, order_page=order_page)
