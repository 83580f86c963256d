"""How does one whole scan pass through the model?"""
