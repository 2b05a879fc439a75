"""What RTP without a session around it needs, without I/O."""
