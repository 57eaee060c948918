"""What runs on a host: one shell script per step, what they answer, and how they are composed."""
