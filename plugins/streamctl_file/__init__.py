"""The file protocol plugin."""
