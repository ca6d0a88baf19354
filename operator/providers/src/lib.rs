//! operator/providers
