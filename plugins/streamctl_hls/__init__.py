"""The hls protocol plugin."""
