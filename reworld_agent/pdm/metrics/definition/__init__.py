"""What a metric and a protocol are."""
