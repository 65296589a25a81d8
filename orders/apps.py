from django.apps import AppConfig


class OrdersApp(AppConfig):
    """What was bought, by whom, and where every unit of it is."""

    name = "orders"
