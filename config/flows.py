"""THE FLOW TABLE: which topics of work exist, and which event kind rings which of them."""

from config.jobs import Kind
from config.outbox import Topic

TOPICS: dict[str, Topic] = {
    # topic: what it does (subject)
    "route": Topic("routing.decide.handle_route"),  # order: give queued slices a stock point
    "shortage": Topic("routing.decide.handle_shortage"),  # stock row: claims exceed what is there
    "run": Topic(  # run: many orders, batch after batch; one turn may take its whole lease
        "routing.runs.runner.handle", external=True, lease_seconds=150, max_attempts=5, at_once=1
    ),
    "rules": Topic("routing.rules.handle_activated"),  # rule set: look again at what had no rule
    "closed": Topic("routing.closing.handle_closed"),  # stock point: route its orders elsewhere
    "stock_rules": Topic("inventory.stock_rules.handle", external=True, lease_seconds=180),
    "supply": Topic("orders.backorders.handle"),  # supply: its promises and what comes fit again
    "work": Topic("fulfillment.work.handle_sync"),  # order: open or withdraw fulfillment orders
    "ask": Topic("fulfillment.work.handle_ask"),  # order: ask warehouses to let go of its units
    "wms": Topic(
        "fulfillment.connectors.handle", external=True, lease_seconds=60
    ),  # order: tell a warehouse's WMS
    "notify": Topic(  # order: a customer message; a mail server may be away for days
        "orders.notifications.handle", external=True, lease_seconds=60, max_attempts=60
    ),
    "stock_delta": Topic(  # channel: post changes of availability to it; it may be away for days
        "orders.stock_webhook.handle", external=True, lease_seconds=60, max_attempts=60
    ),
    "webhook": Topic(  # delivery of an event to a webhook; its waits are in orders/webhooks
        "orders.webhooks.sending.handle", external=True, lease_seconds=60, max_attempts=60
    ),
    "money": Topic(  # payment: ask its gateway; a provider may be away for days
        "orders.payments.handle", external=True, lease_seconds=120, max_attempts=60
    ),
    "settle": Topic("orders.payments.handle_settle"),  # order: give back what a hold kept here
    "pull": Topic("orders.polling.handle", external=True, lease_seconds=150),  # connection: orders
    "tell_channel": Topic(  # order: tell its shop what left; the shop may be away for days
        "orders.telling.handle", external=True, lease_seconds=60, max_attempts=60
    ),
    "import": Topic("config.jobs.handle", external=True, lease_seconds=150),  # job: a watched job
}

RINGS: dict[str, tuple[str, ...]] = {
    "order.received": ("route", "notify"),
    "order.routed": ("work",),
    "order.changed": ("route", "work", "notify"),
    "order.canceled": ("work", "notify"),
    "cancel.requested": ("ask",),
    "hold.resolved": ("route", "work", "settle"),
    "allocation.requeued": ("work",),
    "backorder.filled": ("route",),
    "promise.changed": ("notify",),
    "fulfillment.requested": ("wms",),
    "fulfillment.withdrawn": ("wms",),
    "fulfillment.cancel_requested": ("wms",),
    "parcel.shipped": ("notify", "tell_channel"),
    "parcel.delivered": ("notify",),
    "parcel.arrived": ("notify",),
    "pickup.ready": ("notify",),
    "pickup.collected": ("tell_channel",),
    "return.approved": ("notify",),
    "return.declined": ("notify",),
    "refund.done": ("notify",),
    "payment.failed": ("notify",),
    "payment.expired": ("notify",),
    "payment.due": ("notify",),
}

JOBS: dict[str, Kind] = {
    "orders-bulk": Kind(
        "Bulk action on orders",
        "orders.bulk.check",
        "orders.bulk.apply",
        batch=1,  # each order in a transaction of its own
        undo="orders.bulk.undo",
    ),
    "stock": Kind(
        "Stock levels",
        "inventory.feeds.check",
        "inventory.feeds.apply",
        form="inventory.feeds.UploadForm",
        batch=500,  # what a buyer may have to wait for
        settled=True,  # a level that is the same is news all the same: older ones are stale then
        finish="inventory.feeds.finish",
    ),
    "orders": Kind(
        "Orders",
        "orders.order_files.check",
        "orders.order_files.apply",
        form="orders.order_files.UploadForm",
        batch=20,  # as many as a buyer may have to wait for
        asks="orders.order_files.columns_page",
    ),
    "trial": Kind("Trial of rules", "routing.trial_jobs.check", reads=True),
    "shopify-orders": Kind(
        "Shopify order export",
        "orders.imports.check",
        "orders.imports.apply",
        form="orders.imports.UploadForm",
        batch=1,  # as short and in the lock order of any order
    ),
}
