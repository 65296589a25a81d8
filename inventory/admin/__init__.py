"""The console's view of stock: facts to read, master data to edit, changes as actions."""

from inventory.admin import catalog, places, pools, stock, supplies

__all__ = ["catalog", "places", "pools", "stock", "supplies"]
