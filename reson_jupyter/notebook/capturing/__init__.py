"""The cell magics: each runs its cell as usual, captures it, and shows what ships."""
