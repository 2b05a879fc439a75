"""The tui part of streamctl."""
