"""How does a scanner lose detail? y = N(A(x)), written once for the whole house."""
