"""Credit and flow through attention, and search by attention."""
