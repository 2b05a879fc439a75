"""The cli part of streamctl."""
