"""Frozen, typed records of everything aiw stores or decides about. Pure: no process, lock, file or clock."""
