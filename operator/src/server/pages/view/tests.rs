//! What pages show, by tables.
