from django.apps import AppConfig


class ReturnsApp(AppConfig):
    """Getting it back."""

    name = "returns"
