"""What is true and what shall be done: pure, standard library only."""
