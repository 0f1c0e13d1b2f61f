"""Small closed-form training dynamics."""
