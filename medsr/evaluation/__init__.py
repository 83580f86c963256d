"""How do whole scans and people compare with their references?"""
