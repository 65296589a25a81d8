"""Runs: the orders of a scope routed together, by a timetable or by hand, as watched work."""
