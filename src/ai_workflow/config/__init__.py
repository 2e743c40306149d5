"""The file `.ai-workflow.yaml`: its keys, its strict reading, and whose files it says are whose (spec §2)."""
