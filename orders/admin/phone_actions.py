"""Order entry by phone, from the list of orders."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from config.console import action
from orders.admin.links import order_page
from orders.phone import views


class PhoneActions:
    """Mixin of the list of orders."""

    admin_site: Any

    @action(
        description="New order", permissions=["orders.add_order"], url_path="new", icon="add_call"
    )
    def new_order(self, request: HttpRequest) -> HttpResponse:
        return views.page(request, site=self.admin_site, order_page=order_page)
