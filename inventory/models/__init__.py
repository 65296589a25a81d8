"""What we have, where, and what is promised. Stock rows are written by inventory/ledger.py only."""

from inventory.models.catalog import BundleComponent, Product
from inventory.models.counts import Count, CountEntry, CountLine, CountSection, ShelfMove
from inventory.models.feeds import StockFeed, StockSource
from inventory.models.places import Capacity, Location, SpecialDay
from inventory.models.pools import PoolLocation, PoolThreshold, StockPool, StockRule
from inventory.models.stock import (
    LedgerSeal,
    Reservation,
    SettingHistory,
    Stock,
    StockChange,
    StockMovement,
)
from inventory.models.supplies import Supplier, Supply, SupplyReceipt
from inventory.models.transfers import Transfer, TransferLine

__all__ = [
    "BundleComponent",
    "Capacity",
    "Count",
    "CountEntry",
    "CountLine",
    "CountSection",
    "LedgerSeal",
    "Location",
    "PoolLocation",
    "PoolThreshold",
    "Product",
    "Reservation",
    "SettingHistory",
    "ShelfMove",
    "SpecialDay",
    "Stock",
    "StockChange",
    "StockFeed",
    "StockMovement",
    "StockPool",
    "StockRule",
    "StockSource",
    "Supplier",
    "Supply",
    "SupplyReceipt",
    "Transfer",
    "TransferLine",
]
