"""The rtmp protocol plugin."""
