"""Simulated machines: the real host scripts run in a private root, with stand-ins for what a host would have."""
