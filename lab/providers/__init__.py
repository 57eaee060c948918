"""What stands behind the resource types in a rehearsal."""
