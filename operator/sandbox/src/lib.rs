//! operator/sandbox
