"""Which schemes are the same, and where: statements, proofs, random checks and counterexamples.

`study` writes docs/equal_schemes.md. A further statement is an entry in `statements`.
"""
