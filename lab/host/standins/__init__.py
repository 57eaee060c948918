"""The tools of a simulated machine: one small program with many names. Standard library only, and little of that."""
