"""Where is a voxel in the patient? Volumes, their grids, and the files they come from."""
