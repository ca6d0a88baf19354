//! Where objects live: on one machine, in a folder and a SQLite file.

pub mod local;
