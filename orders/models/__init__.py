"""What was bought, by whom, where every unit of it is, and the doors it came through."""

from orders.models.changes import Adjustment, OrderChange, OrderVersion
from orders.models.channels import (
    ApiKey,
    ApiKeyManager,
    Basket,
    ChannelStock,
    SalesChannel,
    StaffLocation,
    StockCrossing,
)
from orders.models.doors import (
    ChannelSku,
    ColumnMapping,
    Connection,
    InboundOrder,
    WebhookDelivery,
    WebhookEndpoint,
)
from orders.models.order import (
    NUMBER_BASE,
    Customer,
    DeliveryGroup,
    Order,
    OrderBundle,
    OrderContact,
    OrderLine,
    money,
    number_of,
)
from orders.models.payments import GiftCard, GiftCardEntry, Payment, PaymentEntry, Refund
from orders.models.services import DeliveryService
from orders.models.slices import Allocation, Hold
from orders.models.story import Attachment, CustomerLink, Notification, OrderEvent, OrderNote

__all__ = [
    "NUMBER_BASE",
    "Adjustment",
    "Allocation",
    "ApiKey",
    "ApiKeyManager",
    "Attachment",
    "Basket",
    "ChannelSku",
    "ChannelStock",
    "ColumnMapping",
    "Connection",
    "Customer",
    "CustomerLink",
    "DeliveryGroup",
    "DeliveryService",
    "GiftCard",
    "GiftCardEntry",
    "Hold",
    "InboundOrder",
    "Notification",
    "Order",
    "OrderBundle",
    "OrderChange",
    "OrderContact",
    "OrderEvent",
    "OrderLine",
    "OrderNote",
    "OrderVersion",
    "Payment",
    "PaymentEntry",
    "Refund",
    "SalesChannel",
    "StaffLocation",
    "StockCrossing",
    "WebhookDelivery",
    "WebhookEndpoint",
    "money",
    "number_of",
]
