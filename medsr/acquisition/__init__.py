"""How does a scanner lose detail? y = N(A(x))."""
