"""Which network, which steps?"""
