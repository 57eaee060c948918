"""The matrix: what is decided for every host that people have, and what comes of it for a part that meets all pairs."""
