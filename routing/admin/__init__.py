"""The console's view of routing: rules, what sending costs, what was decided."""

from routing.admin import facts, rules, services

__all__ = ["facts", "rules", "services"]
