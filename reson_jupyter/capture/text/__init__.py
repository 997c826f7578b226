"""A cell as text: its statements, their names, what of them ships, and whether the kernel holds what they say."""
