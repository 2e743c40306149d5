"""The state on disk: one JSON file per entity, changed only by named, journalled transactions."""
