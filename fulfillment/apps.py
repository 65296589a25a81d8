from django.apps import AppConfig


class FulfillmentApp(AppConfig):
    """Getting it out of the door."""

    name = "fulfillment"
