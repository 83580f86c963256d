"""Networks, weights and model cards. Nothing medical here."""
