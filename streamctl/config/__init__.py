"""The config part of streamctl."""
