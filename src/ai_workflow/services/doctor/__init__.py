"""`doctor`: looks at everything that can be wrong with a workspace, and with `--fix` repairs what is safe (spec §8)."""
