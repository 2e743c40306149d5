"""The rules: pure functions from a snapshot to a decision, never an effect."""
