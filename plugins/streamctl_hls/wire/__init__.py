"""Playlists that come in: what they say, and what of it is to be fetched; no clock, no sockets."""
