"""Use cases: the only layer that orders effects. Each reads a snapshot, decides purely, acts, records the fact."""
