"""How are weights learned? Lightning around the house's loss."""
