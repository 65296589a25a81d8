"""THE FLOW TABLE: which topics of work exist, and which event kind rings which of them."""

from config.jobs import Kind
from config.outbox import Topic

TOPICS: dict[str, Topic] = {
    # topic: what it does (subject)
    "route": Topic("routing.decide.handle_route"),  # order: give queued slices a stock point
    "shortage": Topic("routing.decide.handle_shortage"),  # stock row: claims exceed what is there
    "work": Topic("fulfillment.work.handle_sync"),  # order: open or withdraw fulfillment orders
    "wms": Topic(
        "fulfillment.connectors.handle", external=True, lease_seconds=60
    ),  # order: tell a warehouse's WMS
    "notify": Topic(  # order: a customer message; a mail server may be away for days
        "orders.notifications.handle", external=True, lease_seconds=60, max_attempts=60
    ),
    "import": Topic("config.jobs.handle", external=True, lease_seconds=150),  # job: a watched job
}

RINGS: dict[str, tuple[str, ...]] = {
    "order.received": ("route", "notify"),
    "order.routed": ("work",),
    "order.canceled": ("work", "notify"),
    "hold.resolved": ("route",),
    "allocation.requeued": ("work",),
    "fulfillment.requested": ("wms",),
    "fulfillment.withdrawn": ("wms",),
    "parcel.shipped": ("notify",),
    "parcel.delivered": ("notify",),
    "pickup.ready": ("notify",),
    "return.approved": ("notify",),
    "return.declined": ("notify",),
    "refund.requested": ("notify",),
}

JOBS: dict[str, Kind] = {
    "stock": Kind(
        "Stock levels",
        "inventory.feeds.check",
        "inventory.feeds.apply",
        form="inventory.feeds.UploadForm",
    ),
    "shopify-orders": Kind(
        "Shopify order export",
        "orders.imports.check",
        "orders.imports.apply",
        form="orders.imports.UploadForm",
        batch=1,  # as short and in the lock order of any order
    ),
}
