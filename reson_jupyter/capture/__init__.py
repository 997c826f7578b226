"""A cell -> source that can be shipped: what it defines, what that needs, and where every line of it comes from."""
