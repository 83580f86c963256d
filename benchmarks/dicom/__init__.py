"""Do other programs accept what medsr reads and writes?"""
