"""REST for channels: orders, and what can be promised."""
