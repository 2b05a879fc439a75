"""Helpers for the tests of streamctl and of third-party plugins."""
