"""Looks at hosts and says what is so and what would be done; changes nothing on them."""
