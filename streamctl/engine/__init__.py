"""The engine part of streamctl."""
