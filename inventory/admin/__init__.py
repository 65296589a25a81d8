"""The console's view of stock: facts to read, master data to edit, changes as actions."""

from inventory.admin import catalog, counts, feeds, places, pools, rules, stock, supplies, transfers

__all__ = [
    "catalog",
    "counts",
    "feeds",
    "places",
    "pools",
    "rules",
    "stock",
    "supplies",
    "transfers",
]
