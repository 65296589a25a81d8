from django.apps import AppConfig


class RoutingApp(AppConfig):
    """Who should serve it."""

    name = "routing"
