"""§6: when a subscription ends."""
