"""Pulumi components; importing this package imports no cloud SDK."""
