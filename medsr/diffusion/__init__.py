"""The diffusion process: preconditioning, noise schedule and samplers. Nothing medical here."""
