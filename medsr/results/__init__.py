"""What does one enhanced scan become on disk?"""
