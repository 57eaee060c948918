"""What is written about gpu-ready; `generate` writes the part that follows from the settings."""
