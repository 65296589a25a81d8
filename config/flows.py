"""THE FLOW TABLE: which topics of work exist, and which event kind rings which of them."""

from config.jobs import Kind
from config.outbox import Topic

TOPICS: dict[str, Topic] = {
    # topic: what it does (subject)
    "route": Topic("routing.decide.handle_route"),  # order: give queued slices a stock point
    "shortage": Topic("routing.decide.handle_shortage"),  # stock row: claims exceed what is there
    "closed": Topic("routing.closing.handle_closed"),  # stock point: route its orders elsewhere
    "stock_rules": Topic("inventory.stock_rules.handle", external=True, lease_seconds=180),
    "supply": Topic("orders.backorders.handle"),  # supply: its promises and what comes fit again
    "work": Topic("fulfillment.work.handle_sync"),  # order: open or withdraw fulfillment orders
    "wms": Topic(
        "fulfillment.connectors.handle", external=True, lease_seconds=60
    ),  # order: tell a warehouse's WMS
    "notify": Topic(  # order: a customer message; a mail server may be away for days
        "orders.notifications.handle", external=True, lease_seconds=60, max_attempts=60
    ),
    "stock_delta": Topic(  # channel: post changes of availability to it; it may be away for days
        "orders.stock_webhook.handle", external=True, lease_seconds=60, max_attempts=60
    ),
    "import": Topic("config.jobs.handle", external=True, lease_seconds=150),  # job: a watched job
}

RINGS: dict[str, tuple[str, ...]] = {
    "order.received": ("route", "notify"),
    "order.routed": ("work",),
    "order.canceled": ("work", "notify"),
    "hold.resolved": ("route",),
    "allocation.requeued": ("work",),
    "backorder.filled": ("route",),
    "promise.changed": ("notify",),
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
        batch=500,  # what a buyer may have to wait for
        settled=True,  # a level that is the same is news all the same: older ones are stale then
        finish="inventory.feeds.finish",
    ),
    "shopify-orders": Kind(
        "Shopify order export",
        "orders.imports.check",
        "orders.imports.apply",
        form="orders.imports.UploadForm",
        batch=1,  # as short and in the lock order of any order
    ),
}
