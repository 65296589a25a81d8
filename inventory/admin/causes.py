"""What a movement or a claim is about: a link to its document in the console."""

from typing import Any

from django.apps import apps
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

# cause or owner: (words, page, model of the id and its column that holds the document's own id).
# Named by text, because the documents live on floors above.
_PAGES: dict[str, tuple[str, str, tuple[str, str] | None]] = {
    "order": ("order", "admin:orders_order_change", None),
    "basket": ("basket", "admin:orders_basket_change", None),
    "parcel": ("parcel", "admin:fulfillment_parcel_change", None),
    "return_line": ("return", "admin:returns_return_change", ("returns.ReturnLine", "rma_id")),
    "transfer": ("transfer", "admin:inventory_transfer_change",
                 ("inventory.TransferLine", "transfer_id")),
    "transfer_line": ("transfer", "admin:inventory_transfer_change",
                      ("inventory.TransferLine", "transfer_id")),
    "count_line": ("count", "admin:inventory_count_change", ("inventory.CountLine", "count_id")),
    "supply": ("purchase order", "admin:inventory_supply_change", None),
    "feed": ("feed", "admin:inventory_stockfeed_change", None),
    "hot": ("hot sale", "admin:inventory_stock_change", None),
    "job": ("file", "admin:config_job_change", None),
}  # fmt: skip


def cause_link(kind: str, pk: int | None) -> SafeString | str:
    """The kind in words, leading to the document; nothing is looked up before somebody clicks."""
    words = _PAGES[kind][0] if kind in _PAGES else kind.replace("_", " ")
    if kind not in _PAGES or pk is None or not _exists(_PAGES[kind][1]):
        return words or "-"
    url = reverse("stock-cause", args=[kind, pk])
    return format_html('<a class="oms-link" href="{}">{}</a>', url, words)


def cause_url(kind: str, pk: int) -> str | None:
    """The page of the document behind a cause; None when there is none."""
    if kind not in _PAGES:
        return None
    _, page, through = _PAGES[kind]
    document: Any = pk
    if through is not None:
        model, column = through
        rows = apps.get_model(model)._base_manager.filter(pk=pk)
        document = rows.values_list(column, flat=True).first()
    try:
        return reverse(page, args=[document]) if document else None
    except NoReverseMatch:
        return None


def _exists(page: str) -> bool:
    try:
        reverse(page, args=[0])
    except NoReverseMatch:
        return False
    return True
