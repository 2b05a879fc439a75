"""Fragmented MP4 and CMAF, the reading side: sans-IO, bytes in and access units out."""
