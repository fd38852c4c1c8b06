//! Generated files: where their bytes lie, how long, and the links that lead to them.
