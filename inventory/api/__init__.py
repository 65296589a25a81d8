"""REST: stock and everything that changes it."""
