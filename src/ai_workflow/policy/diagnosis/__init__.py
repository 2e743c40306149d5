"""What is wrong with a workspace, and what to type about it (spec §3, §8). Pure: state and facts in, findings out."""
