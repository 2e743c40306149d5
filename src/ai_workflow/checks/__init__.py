"""Check commands: running them, and showing what they wrote (spec §6.4 step 5)."""
