from django.apps import AppConfig


class InventoryApp(AppConfig):
    """What we have, where, and what is promised."""

    name = "inventory"
