from django.apps import AppConfig


class ReportsApp(AppConfig):
    """Figures and the rows behind them."""

    name = "reports"
