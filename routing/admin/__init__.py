"""The console's view of routing: rules, what sending costs, what was decided."""

from routing.admin import facts, queues, reasons, rules, runs, services

__all__ = ["facts", "queues", "reasons", "rules", "runs", "services"]
