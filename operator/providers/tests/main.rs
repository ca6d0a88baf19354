//! The adapters against the sandbox, and one contract suite for each port that the in-memory fakes pass too.

mod forge;
mod hosting;
