"""What SRT peers write as text: sans-IO."""
