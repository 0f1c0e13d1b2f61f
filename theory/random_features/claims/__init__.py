"""What holds for random-feature attention: hunted on drawn layers, inputs, spectra and regressions.

`layer` for any finite heads, `kernels` for infinitely many, `spectrum` on the sphere, `norms` of targets,
`regression` on given data. Instance types live beside the statements that use them, `inputs` has the shared ones.
"""
