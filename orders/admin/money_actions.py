"""Giving money back from the page of an order."""

import uuid
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from config import forms
from config.console import action, found
from orders import lifecycle, payments
from orders.admin.links import order_page
from orders.admin.payments import refund_form
from orders.models import Order
from orders.money import in_words
from orders.payments import CannotRefund


class MoneyActions:
    """Mixin of the page of an order."""

    admin_site: Any

    @action(description="Refund", permissions=["handle"], url_path="refund", icon="undo")
    def refund_order(self, request: HttpRequest, object_id: int) -> HttpResponse:
        order = found(Order, object_id)
        left = sum((payment.refundable for payment in order.payments.all()), Decimal(0))

        def effect(data: dict) -> str:
            with transaction.atomic():
                payments.refund(
                    order=lifecycle.lock(order.pk), amount=data["amount"], reason=data["reason"],
                    key=f"gesture:{uuid.uuid4().hex}", actor=request.user.get_username(),
                )  # fmt: skip
            return f"{in_words(data['amount'], order.currency)} of {order} goes back."

        return forms.ask(
            request, site=self.admin_site, title=f"Give back money of {order}", effect=effect,
            form=refund_form(left, order.currency), submit="Give it back", back=order_page(order),
            danger=True, errors=(CannotRefund, ValueError),
            text="A gesture: no goods move. For goods that come back, refund their return.",
        )  # fmt: skip
