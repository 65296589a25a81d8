"""What was bought, by whom, where every unit of it is, and the channels it came from."""

from orders.models.channels import (
    ApiKey,
    ApiKeyManager,
    Basket,
    ChannelStock,
    SalesChannel,
    StaffLocation,
    StockCrossing,
)
from orders.models.order import (
    NUMBER_BASE,
    Allocation,
    Customer,
    CustomerLink,
    Hold,
    Notification,
    Order,
    OrderContact,
    OrderEvent,
    OrderLine,
    Payment,
    Refund,
    money,
)

__all__ = [
    "NUMBER_BASE",
    "Allocation",
    "ApiKey",
    "ApiKeyManager",
    "Basket",
    "ChannelStock",
    "Customer",
    "CustomerLink",
    "Hold",
    "Notification",
    "Order",
    "OrderContact",
    "OrderEvent",
    "OrderLine",
    "Payment",
    "Refund",
    "SalesChannel",
    "StaffLocation",
    "StockCrossing",
    "money",
]
