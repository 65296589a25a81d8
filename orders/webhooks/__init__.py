"""Events of orders, posted to addresses that asked for them (docs/webhooks.md)."""
