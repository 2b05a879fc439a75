"""The avworker part of streamctl."""
