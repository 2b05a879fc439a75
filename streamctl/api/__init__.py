"""The api part of streamctl."""
