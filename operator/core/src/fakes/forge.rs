//! An in-memory GitHub.
