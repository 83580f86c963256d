"""Models of how a scanner loses detail: y = N(A(x))."""
