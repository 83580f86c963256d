"""How close are results to references?"""
