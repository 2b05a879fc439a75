"""The net part of streamctl."""
