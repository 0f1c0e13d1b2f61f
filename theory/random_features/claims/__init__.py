"""What holds for random-feature attention: hunted on drawn layers, inputs, spectra and regressions.

`layer` for any finite heads, `kernels` for infinitely many, `spectrum` and `biased` on the sphere, `norms` of
targets, `regression` on given data. Instance types live beside their statements, the shared ones in `inputs`.
"""
