"""What a definition needs of other cells, held against what the kernel has now."""
