"""MPEG-2 transport streams: tables, PES packets and the multiplexer (ISO/IEC 13818-1)."""
