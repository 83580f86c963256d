"""What in a result was measured, what was not, and how far may it be off?"""
