"""The http_ts protocol plugin."""
